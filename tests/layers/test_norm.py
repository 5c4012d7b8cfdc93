"""Layer norm and RMS norm: by hand, against torch, and each position alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from regard.layers.norm import LayerNorm, RMSNorm


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


@pytest.mark.parametrize("kind", [LayerNorm, RMSNorm])
def test_every_position_is_treated_alone(kind):
    norm, x = kind(6).double(), torch.randn(2, 3, 6, dtype=torch.float64)
    alone = torch.stack([torch.stack([norm(position) for position in sentence]) for sentence in x])
    torch.testing.assert_close(norm(x), alone, rtol=0, atol=1e-15)


def test_the_usual_epsilons_are_those_of_public_checkpoints():
    assert LayerNorm(2).epsilon == 1e-5  # Marian, Pegasus, BART
    assert RMSNorm(2).epsilon == 1e-6  # T5
