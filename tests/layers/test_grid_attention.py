"""Attention inside a convolutional network: by hand, as 1×1 convolutions, and its laws."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from regard.layers.grid_attention import GridAttention


@pytest.fixture
def module() -> GridAttention:
    made = GridAttention(8, heads=2).double()
    for weight in made.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return made


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(3, 8, 4, 5, dtype=torch.float64)


def test_it_is_four_1x1_convolutions_around_attention(module, x):
    """Every step as the paper on it has it, with convolutions and einsum in place of linear maps."""

    def convolved(linear, map_):
        return functional.conv2d(map_, linear.weight[:, :, None, None], linear.bias)

    query, key, value = (
        convolved(part, x).flatten(2).unflatten(1, (2, 4))
        for part in (module.attention.query, module.attention.key, module.attention.value)
    )
    scores = torch.einsum("bhkt,bhks->bhts", query, key) / 2.0  # √d_k with d_k = 4
    gathered = torch.einsum("bhts,bhks->bhkt", scores.softmax(-1), value)
    out = convolved(module.attention.output, gathered.flatten(1, 2).unflatten(2, (4, 5)))
    torch.testing.assert_close(module(x), x + module.scale * out, rtol=0, atol=1e-12)


def test_a_map_of_two_cells_by_hand():
    """One channel and one head, all weights 1 and biases 0: cells 1 and 2 give shares e⁰ : e¹ and e⁰ : e² (× 1, 2)."""
    module = GridAttention(1, heads=1).double()
    for weight in module.parameters():
        torch.nn.init.ones_(weight)
    for part in (module.attention.query, module.attention.key, module.attention.value, module.attention.output):
        torch.nn.init.zeros_(part.bias)
    x = torch.tensor([1.0, 2.0], dtype=torch.float64).view(1, 1, 1, 2)
    e = torch.e
    first = (1 * e**1 + 2 * e**2) / (e**1 + e**2)
    second = (1 * e**2 + 2 * e**4) / (e**2 + e**4)
    assert module(x).flatten().tolist() == pytest.approx([1 + first, 2 + second], abs=1e-12)


def test_at_first_the_network_is_the_one_without_it(x):
    assert torch.equal(GridAttention(8, 2).double()(x), x)


def test_permuting_the_cells_permutes_what_comes_out(module, x):
    order = torch.randperm(20)
    permuted = x.flatten(2)[:, :, order].unflatten(2, (4, 5))
    found = module(permuted).flatten(2)
    torch.testing.assert_close(found, module(x).flatten(2)[:, :, order], rtol=0, atol=1e-12)


def test_its_weights_can_be_looked_at(module, x):
    seen = []
    module.attention.recorder = seen.append
    module(x)
    (weights,) = seen
    assert weights.shape == (3, 2, 20, 20)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 2, 20, dtype=torch.float64), rtol=0, atol=1e-12)
