"""Attention within r, against the one attention function with a mask."""

from __future__ import annotations

import pytest
import torch

from regard.layers.attention import attention
from regard.layers.mask import Within
from regard.layers.similarity import DotProduct
from regard.layers.window import attention_within


def three(length: int) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(length)
    query, key = (torch.randn(2, 3, length, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    return query, key, torch.randn(2, 3, length, 5, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("ahead", [True, False])
@pytest.mark.parametrize(("length", "reach"), [(13, 0), (13, 1), (13, 4), (12, 4), (13, 12), (5, 9), (1, 3)])
def test_it_is_attention_with_the_mask_and_so_are_its_gradients(length, reach, ahead):
    given = three(length)
    places = torch.arange(length)[None]
    masked = attention(*given, mask=Within(reach, ahead)(places, places), similarity=DotProduct(0.7))
    near = attention_within(*given, reach, ahead=ahead, similarity=DotProduct(0.7))
    torch.testing.assert_close(near, masked, rtol=0, atol=1e-12)
    weights = torch.randn_like(masked)
    theirs = torch.autograd.grad((masked * weights).sum(), given)
    ours = torch.autograd.grad((near * weights).sum(), given)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_padding_is_invisible():
    query, key, value = three(11)
    real = torch.arange(11)[None] < torch.tensor([[7], [11]])
    places = torch.arange(11)[None]
    mask = Within(3, ahead=True)(places, places) & real[:, None, None]
    found = attention_within(query, key, value, 3, real=real)
    torch.testing.assert_close(found, attention(query, key, value, mask=mask), rtol=0, atol=1e-12)


def test_a_position_hears_of_those_within_reach_and_of_no_others():
    query, key, value = three(12)
    found = attention_within(query, key, value, 3)
    (gradient,) = torch.autograd.grad(found[0, 0, 5].sum(), value)
    assert gradient[0, 0].ne(0).any(1).nonzero().flatten().tolist() == [2, 3, 4, 5, 6, 7, 8]
