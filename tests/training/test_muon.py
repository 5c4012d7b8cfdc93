"""Muon: its iteration against singular values, its update against torch's, and Adam for all that is no matrix."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from regard.errors import CheckpointError
from regard.training.muon import ADAM_SIZE, MOMENTUM, orthogonal
from regard.training.optimizer import RateGroup, Rates, grouped_by_rate, make_optimizer

NAMES = ["blocks.0.wide", "blocks.0.tall", "embed"]
SHAPES = ((6, 10), (10, 6), (7, 4))


@pytest.mark.parametrize("shape", [(20, 20), (8, 30), (30, 8)])
def test_every_singular_value_comes_near_one_and_directions_stay(shape):
    """The published coefficients leave values between 0.68 and 1.13 once they were not below 1 % of the norm."""
    matrix = torch.randn(3, *shape, dtype=torch.float64)
    u, values, v = torch.linalg.svd(matrix, full_matrices=False)
    found = orthogonal(matrix)
    turned = u.mT @ found @ v.mT
    inside = torch.diagonal(turned, dim1=1, dim2=2)
    known = values / values.norm(dim=1, keepdim=True) > 0.01
    assert inside[known].min() > 0.65
    assert inside[known].max() < 1.2
    torch.testing.assert_close(turned, torch.diag_embed(inside), rtol=0, atol=1e-9)


def parameters() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(1)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def ours(weights: list[nn.Parameter], decay: float = 0.0):
    groups = [RateGroup(1.0, tuple(NAMES[:2]), tuple(weights[:2]), True), RateGroup(1.0, (NAMES[2],), (weights[2],))]
    return make_optimizer("muon", groups, betas=(0.9, 0.98), epsilon=1e-9, weight_decay=decay)


def stepped(optimizer, weights: list[nn.Parameter], steps: range) -> None:
    for step in steps:
        generator = torch.Generator().manual_seed(100 + step)
        for weight in weights:
            weight.grad = torch.randn(weight.shape, generator=generator)
        rate = 0.02 / (1 + step)
        if isinstance(optimizer, torch.optim.Optimizer):
            optimizer.param_groups[0]["lr"] = rate
            optimizer.step()
        else:
            optimizer.step(rate)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_matrices_move_as_torch_s_muon_moves_them(decay):
    """torch rounds to bfloat16, hence the tolerance; its momentum is a mean, a factor that orthogonal() undoes."""
    weights, theirs = parameters()[:2], parameters()[:2]
    start = [weight.detach().clone() for weight in weights]
    groups = [RateGroup(1.0, tuple(NAMES[:2]), tuple(weights), True)]
    optimizer = make_optimizer("muon", groups, betas=(0.9, 0.98), epsilon=1e-9, weight_decay=decay)
    other = torch.optim.Muon(
        theirs, lr=0.0, weight_decay=decay, momentum=MOMENTUM, nesterov=True, adjust_lr_fn="match_rms_adamw"
    )
    stepped(optimizer, weights, range(3))
    stepped(other, theirs, range(3))
    for mine, yours, before in zip(weights, theirs, start, strict=True):
        away = (yours - before).norm()
        assert (mine - yours).norm() < 0.02 * away


def test_what_is_no_matrix_of_a_block_is_adam_s():
    weights, theirs = parameters(), parameters()
    adam = torch.optim.Adam([theirs[2]], lr=0.0, betas=(0.9, 0.98), eps=1e-9)
    stepped(ours(weights), weights, range(3))
    stepped(adam, theirs, range(3))
    torch.testing.assert_close(weights[2], theirs[2], rtol=1e-6, atol=0)


def test_an_update_is_as_large_as_one_of_adam_s():
    weights = parameters()
    before = weights[0].detach().clone()
    stepped(ours(weights), weights, range(1))
    size = (weights[0] - before).square().mean().sqrt().item() / 0.02
    assert 0.65 * ADAM_SIZE < size < 1.2 * ADAM_SIZE


def test_stopping_and_going_on_is_going_on():
    whole, part = parameters(), parameters()
    stepped(ours(whole), whole, range(4))
    first = ours(part)
    stepped(first, part, range(2))
    kept = {name: tensor.clone() for name, tensor in first.tensors().items()}
    assert {"blocks.0.wide/momentum", "embed/exp_avg"} <= kept.keys()
    again = ours(part)
    again.restore(kept)
    stepped(again, part, range(2, 4))
    assert all(map(torch.equal, whole, part))


@pytest.mark.parametrize("missing", ["blocks.0.tall/momentum", "embed/exp_avg_sq"])
def test_state_that_lacks_a_part_is_refused(missing):
    weights = parameters()
    optimizer = ours(weights)
    stepped(optimizer, weights, range(1))
    kept = optimizer.tensors()
    del kept[missing]
    with pytest.raises(CheckpointError, match="expected the state of every weight that learns"):
        ours(parameters()).restore(kept)


def test_matrices_are_those_inside_blocks():
    model = nn.ModuleDict(
        {"embed": nn.Embedding(5, 4), "blocks": nn.ModuleList([nn.Linear(4, 4)]), "norm": nn.LayerNorm(4)}
    )
    holder = nn.ModuleDict({"encoder": model})
    groups = grouped_by_rate(holder, dict(holder.named_parameters()), Rates(), matrices_apart=True)
    assert {name for group in groups if group.matrices for name in group.names} == {"encoder.blocks.0.weight"}
    assert sum(len(group.names) for group in groups) == 5
