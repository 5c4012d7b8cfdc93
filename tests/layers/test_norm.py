"""The norms: by hand, against torch, each position alone or, for batch norm, all but padding together."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from regard.errors import SettingError
from regard.layers.norm import BatchNorm, GroupNorm, LayerNorm, RMSNorm

EXACT = {"rtol": 0, "atol": 1e-12}


def grouped(d_model: int) -> GroupNorm:
    return GroupNorm(d_model, 2)


def learned(norm: nn.Module) -> nn.Module:
    """In float64, with random weights."""
    for weight in norm.double().parameters():
        nn.init.normal_(weight)
    return norm


def test_layer_norm_by_hand():
    """(1, 3): mean 2, variance 1, so (−1, 1); times (10, 20) plus (0, 5)."""
    norm = LayerNorm(2, epsilon=0.0)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([10.0, 20.0]))
        norm.bias.copy_(torch.tensor([0.0, 5.0]))
    assert norm(torch.tensor([1.0, 3.0])).tolist() == [-10.0, 25.0]


def test_epsilon_is_added_to_the_variance():
    """(0, 2) has variance 1: with ε = 3 it is divided by √4."""
    assert LayerNorm(2, epsilon=3.0)(torch.tensor([0.0, 2.0])).tolist() == [-0.5, 0.5]


def test_rms_norm_by_hand():
    """(1, 7): mean square 25, so (1/5, 7/5); the mean stays."""
    norm = RMSNorm(2, epsilon=0.0)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([10.0, 20.0]))
    assert norm(torch.tensor([1.0, 7.0])).tolist() == pytest.approx([2.0, 28.0])


def test_epsilon_is_added_to_the_mean_square():
    """(3, 3) has mean square 9: with ε = 16 it is divided by √25."""
    assert RMSNorm(2, epsilon=16.0)(torch.tensor([3.0, 3.0])).tolist() == pytest.approx([0.6, 0.6])


@pytest.mark.parametrize(("ours", "theirs"), [(LayerNorm, nn.LayerNorm), (RMSNorm, nn.RMSNorm)])
@pytest.mark.parametrize("epsilon", [1e-12, 1e-5, 0.1])
def test_it_is_what_torch_computes(ours, theirs, epsilon):
    mine, other = ours(6, epsilon).double(), theirs(6, epsilon, dtype=torch.float64)
    for weight in mine.parameters():
        nn.init.normal_(weight)
    other.load_state_dict(mine.state_dict())
    x = torch.randn(2, 3, 6, dtype=torch.float64)
    torch.testing.assert_close(mine(x), other(x), rtol=0, atol=1e-9)


def test_fresh_layer_norm_gives_mean_zero_and_variance_one():
    x = 5 + 3 * torch.randn(4, 7, 100, dtype=torch.float64)
    found = LayerNorm(100).double()(x)
    torch.testing.assert_close(found.mean(-1), torch.zeros(4, 7).double(), rtol=0, atol=1e-12)
    torch.testing.assert_close(found.var(-1, unbiased=False), torch.ones(4, 7).double(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", [LayerNorm, RMSNorm, grouped])
def test_every_position_is_treated_alone(kind):
    norm, x = learned(kind(6)), torch.randn(2, 3, 6, dtype=torch.float64)
    alone = torch.stack([torch.stack([norm(position) for position in sentence]) for sentence in x])
    torch.testing.assert_close(norm(x), alone, rtol=0, atol=1e-15)


def test_the_usual_epsilons_are_those_of_public_checkpoints():
    assert LayerNorm(2).epsilon == 1e-5  # Marian, Pegasus, BART
    assert RMSNorm(2).epsilon == 1e-6  # T5


# Group norm ----------------------------------------------------------------------------------------------------------


def test_group_norm_by_hand():
    """(1, 3 | 10, 30): means 2 and 20, deviations 1 and 10."""
    norm = GroupNorm(4, 2, epsilon=0.0)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
        norm.bias.copy_(torch.tensor([0.0, 0.0, 0.0, 5.0]))
    assert norm(torch.tensor([[[1.0, 3.0, 10.0, 30.0]]])).tolist() == [[[-1.0, 2.0, -3.0, 9.0]]]


@pytest.mark.parametrize("groups", [1, 2, 3, 4])
def test_group_norm_is_what_torch_computes_of_each_position(groups):
    norm, x = learned(GroupNorm(12, groups)), torch.randn(2, 3, 12, dtype=torch.float64)
    theirs = functional.group_norm(x.view(6, 12), groups, norm.weight, norm.bias).view(2, 3, 12)
    torch.testing.assert_close(norm(x), theirs, **EXACT)


def test_one_group_is_layer_norm():
    norm, other = learned(GroupNorm(6, 1)), LayerNorm(6).double()
    other.load_state_dict(norm.state_dict())
    x = torch.randn(2, 3, 6, dtype=torch.float64)
    torch.testing.assert_close(norm(x), other(x), **EXACT)


@pytest.mark.parametrize(
    ("groups", "d_model", "message"),
    [
        (5, 12, r"norm_groups: got 5 with d_model 12; expected a divisor of d_model that leaves two .*; use 4\."),
        (32, 32, r"norm_groups: got 32 with d_model 32; expected .* two features or more to a group; use 16\."),
    ],
)
def test_groups_share_the_features_and_have_several_each(groups, d_model, message):
    with pytest.raises(SettingError, match=message):
        GroupNorm(d_model, groups)


# Batch norm ----------------------------------------------------------------------------------------------------------


def some(rows: int, length: int, width: int = 5) -> Tensor:
    return 3 + 2 * torch.randn(rows, length, width, dtype=torch.float64)


def lengths_of(*lengths: int) -> Tensor:
    """Which positions of sentences of these lengths are real."""
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def statistics(norm: BatchNorm) -> tuple[Tensor, Tensor]:
    return norm.running_mean.clone(), norm.running_variance.clone()


def test_batch_norm_by_hand():
    """1 and 3, of two sentences: mean 2, variance 1 (unbiased 2); 100 is padding. One tenth of each is remembered."""
    norm = BatchNorm(1, epsilon=0.0)
    x, real = torch.tensor([[[1.0], [100.0]], [[3.0], [100.0]]]), torch.tensor([[True, False], [True, False]])
    assert norm(x, real)[real].tolist() == [[-1.0], [1.0]]
    assert norm.running_mean.item() == pytest.approx(0.2)
    assert norm.running_variance.item() == pytest.approx(0.9 + 0.2)
    found = norm.eval()(torch.tensor([[[1.2]]]))
    assert found.item() == pytest.approx(1.0 / 1.1**0.5)


def test_batch_norm_is_what_torch_computes_of_the_real_positions_in_training_and_after():
    ours, theirs = learned(BatchNorm(5)), nn.BatchNorm1d(5, dtype=torch.float64)
    with torch.no_grad():
        theirs.weight.copy_(ours.weight)
        theirs.bias.copy_(ours.bias)
    for lengths in ((4, 2, 7), (1, 3), (5, 5)):
        x, real = some(len(lengths), max(lengths)).requires_grad_(), lengths_of(*lengths)
        packed = x.detach()[real].requires_grad_()
        found, expected = ours(x, real)[real], theirs(packed)
        torch.testing.assert_close(found, expected, **EXACT)
        found.sin().sum().backward()
        expected.sin().sum().backward()
        torch.testing.assert_close(x.grad[real], packed.grad, **EXACT)
        assert (x.grad[~real] == 0).all()
        torch.testing.assert_close(ours.weight.grad, theirs.weight.grad, **EXACT)
        torch.testing.assert_close(ours.running_mean, theirs.running_mean, **EXACT)
        torch.testing.assert_close(ours.running_variance, theirs.running_var, **EXACT)
    x = some(2, 6)
    before = statistics(ours)
    found = ours.eval()(x, lengths_of(6, 2))
    torch.testing.assert_close(found.flatten(0, 1), theirs.eval()(x.flatten(0, 1)), **EXACT)
    assert all(map(torch.equal, statistics(ours), before))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("filling", [0.0, 1e6, torch.nan])
def test_padding_changes_nothing(training, filling):
    x, real = some(3, 6), lengths_of(6, 2, 4)
    found = []
    for more in (0, 4):
        torch.manual_seed(3)
        norm = learned(BatchNorm(5)).train(training)
        longer = functional.pad(x.masked_fill(~real[..., None], filling), (0, 0, 0, more), value=filling)
        out = norm(longer, functional.pad(real, (0, more)))
        found.append((out[:, :6][real], *statistics(norm)))
    assert all(map(torch.equal, *found))
    assert found[0][0].isfinite().all()


def test_without_padding_every_position_is_real():
    x, norm, other = some(2, 4), learned(BatchNorm(5)), BatchNorm(5).double()
    other.load_state_dict(norm.state_dict())
    assert torch.equal(norm(x), other(x, torch.ones(2, 4, dtype=torch.bool)))
    assert all(map(torch.equal, statistics(norm), statistics(other)))


@pytest.mark.parametrize("training", [True, False])
def test_in_training_a_position_sees_its_future_and_other_sentences_and_afterwards_itself_alone(training):
    norm, x = learned(BatchNorm(5)).train(training), some(2, 3).requires_grad_()
    norm(x)[0, 1].sin().sum().backward()
    reached = x.grad.abs().amax(-1) > 1e-9
    assert reached.tolist() == ([[True] * 3] * 2 if training else [[False, True, False], [False] * 3])


def test_one_position_alone_has_no_variance_to_remember():
    norm = BatchNorm(2)
    assert norm(torch.tensor([[[7.0, 9.0]]])).tolist() == [[[0.0, 0.0]]]
    assert norm.running_variance.tolist() == pytest.approx([0.9, 0.9])


def test_statistics_of_bfloat16_states_are_float32_s():
    """Near 100 the numbers of bfloat16 are half a unit apart, and a sum of 4000 of them soon stands still."""
    ours, theirs = BatchNorm(3), nn.BatchNorm1d(3)
    with torch.no_grad():
        for weight in ours.parameters():
            weight.data = weight.bfloat16()
    x = (100 + torch.randn(40, 100, 3)).bfloat16()
    expected = theirs(x.float().flatten(0, 1))
    found = ours(x)
    assert found.dtype == torch.bfloat16
    assert ours.running_mean.dtype == ours.running_variance.dtype == torch.float32
    torch.testing.assert_close(found.flatten(0, 1).float(), expected, rtol=2**-8, atol=1e-4)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean, rtol=0, atol=1e-4)
    torch.testing.assert_close(ours.running_variance, theirs.running_var, rtol=0, atol=1e-5)


def test_running_statistics_are_saved_with_the_weights():
    assert set(BatchNorm(3).state_dict()) == {"weight", "bias", "running_mean", "running_variance"}
