"""Equation 2 and its gated relative, by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from regard.layers.feedforward import ACTIVATIONS, FeedForward


def filled(layer: FeedForward, **weights: list) -> FeedForward:
    layer = layer.double()
    with torch.no_grad():
        for name, values in weights.items():
            layer.get_parameter(name.replace("_", ".")).copy_(torch.tensor(values))
    return layer


def test_equation_2_by_hand():
    """max(0, x W₁ + b₁) W₂ + b₂ for x = (1, 2): inner (1·1 + 2·1 − 1, 1·1 − 2·2) → (2, 0); 2·(3, 5) + (1, 1)."""
    layer = filled(
        FeedForward(2, 2),
        inner_weight=[[1.0, 1.0], [1.0, -2.0]],
        inner_bias=[-1.0, 0.0],
        outer_weight=[[3.0, 7.0], [5.0, 9.0]],
        outer_bias=[1.0, 1.0],
    )
    assert layer(torch.tensor([[[1.0, 2.0]]], dtype=torch.float64)).tolist() == [[[7.0, 11.0]]]


def test_the_gated_network_by_hand():
    """(max(0, x W₁) ⊙ x W_g) W₂ for x = (1, 2): (3, 0) ⊙ (4, 100) = (12, 0), and 12·(1, 2)."""
    layer = filled(
        FeedForward(2, 2, gated=True, bias=False),
        inner_weight=[[1.0, 1.0], [1.0, -2.0]],
        gate_weight=[[2.0, 1.0], [50.0, 25.0]],
        outer_weight=[[1.0, 7.0], [2.0, 9.0]],
    )
    assert layer(torch.tensor([[[1.0, 2.0]]], dtype=torch.float64)).tolist() == [[[12.0, 24.0]]]


def test_only_the_gate_is_linear():
    """The activation is on the inner product, not on the gate: with a gate of −1 the output is negative."""
    layer = filled(
        FeedForward(1, 1, gated=True, bias=False), inner_weight=[[1.0]], gate_weight=[[-1.0]], outer_weight=[[1.0]]
    )
    assert layer(torch.tensor([[[3.0], [-3.0]]], dtype=torch.float64)).flatten().tolist() == [-9.0, 0.0]


POINTS = (-3.0, -1.0, -0.1, 0.0, 0.7, 2.5)
FORMULAS = {
    "relu": lambda x: max(0.0, x),
    "gelu": lambda x: x * 0.5 * (1 + math.erf(x / math.sqrt(2))),
    "gelu_tanh": lambda x: x * 0.5 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "silu": lambda x: x / (1 + math.exp(-x)),
}


@pytest.mark.parametrize("name", sorted({*ACTIVATIONS, *FORMULAS}))
def test_an_activation_is_its_formula(name):
    found = ACTIVATIONS[name](torch.tensor(POINTS, dtype=torch.float64))
    assert found.tolist() == pytest.approx([FORMULAS[name](x) for x in POINTS], abs=1e-12)


@pytest.mark.parametrize("name", FORMULAS)
def test_the_network_uses_the_activation_that_it_was_given(name):
    layer = filled(FeedForward(1, 1, activation=name, bias=False), inner_weight=[[1.0]], outer_weight=[[1.0]])
    found = layer(torch.tensor(POINTS, dtype=torch.float64)[None, :, None]).flatten()
    assert found.tolist() == pytest.approx([FORMULAS[name](x) for x in POINTS], abs=1e-12)


@pytest.mark.parametrize("gated", [False, True])
def test_every_position_is_treated_alone(gated):
    layer = FeedForward(6, 10, activation="gelu", gated=gated).double()
    x = torch.randn(2, 5, 6, dtype=torch.float64)
    alone = torch.stack([torch.cat([layer(row[None, None])[0] for row in sentence]) for sentence in x])
    torch.testing.assert_close(layer(x), alone, rtol=0, atol=1e-14)


def test_dropout_falls_between_the_two_products():
    layer = filled(
        FeedForward(1, 1000, dropout_rate=0.5),
        inner_weight=[[1.0]] * 1000,
        inner_bias=[0.0] * 1000,
        outer_weight=[[1.0] * 1000],
        outer_bias=[0.25],
    )
    found = layer(torch.ones(1, 1, 1, dtype=torch.float64)).item()
    assert found != 1000.25
    assert (found - 0.25) % 2 == 0  # 2 for each survivor
    assert layer.eval()(torch.ones(1, 1, 1, dtype=torch.float64)).item() == 1000.25


def test_without_bias_there_are_only_matrices():
    assert all(
        isinstance(one, nn.Linear) and one.bias is None
        for one in list(FeedForward(2, 3, gated=True, bias=False).children())[:3]
    )
