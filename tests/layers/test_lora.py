"""Low-rank changes of a linear map against the two products written out."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from regard.layers.lora import LowRankLinear


def changed(bias: bool = True) -> tuple[nn.Linear, LowRankLinear]:
    linear = nn.Linear(5, 3, bias).double()
    return linear, LowRankLinear(linear, rank=2, alpha=6.0)


@pytest.mark.parametrize("bias", [True, False])
def test_it_begins_as_the_map_that_it_changes(bias):
    linear, lora = changed(bias)
    x = torch.randn(4, 7, 5, dtype=torch.float64)
    assert torch.equal(lora(x), linear(x))
    assert lora.down.abs().min() > 0
    assert lora.down.dtype == lora.up.dtype == torch.float64


@pytest.mark.parametrize("bias", [True, False])
def test_it_is_the_map_of_the_sum(bias):
    """x Wᵀ + b + (6 / 2) · (x Aᵀ) Bᵀ = x (W + 3 · B A)ᵀ + b."""
    linear, lora = changed(bias)
    nn.init.normal_(lora.up)
    x = torch.randn(4, 5, dtype=torch.float64)
    whole = nn.functional.linear(x, linear.weight + 3.0 * lora.up @ lora.down, linear.bias)
    torch.testing.assert_close(lora(x), whole, rtol=0, atol=1e-12)


def test_only_the_change_learns():
    linear, lora = changed()
    nn.init.normal_(lora.up)
    lora(torch.randn(4, 5, dtype=torch.float64)).sum().backward()
    assert lora.weight is linear.weight
    assert linear.weight.grad is linear.bias.grad is None
    assert lora.up.grad.abs().sum() > 0
    assert lora.down.grad.abs().sum() > 0
    assert {name for name, weight in lora.named_parameters() if weight.requires_grad} == {"down", "up"}
