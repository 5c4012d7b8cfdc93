"""Attention in one pass, against three plain products and a softmax in float64, forwards and back."""

from __future__ import annotations

import pytest
import torch

from regard.layers.attention import attention, masked_softmax
from regard.layers.kernels import attention as kernels
from regard.layers.kernels.attention import LONGEST, sentence_attention

TOLERANCE = {torch.float32: 2e-6, torch.bfloat16: 3e-2}


def heads(batch: int, count: int, length: int, width: int, dtype=torch.float32):
    """As they come from a projection: a view whose positions lie ``count`` · ``width`` apart."""
    return torch.randn(batch, length, count, width).to(dtype).transpose(1, 2).requires_grad_()


def by_hand(query, key, value, mask, scale, outer):
    """Output and gradients in float64."""
    wide = [one.detach().double().requires_grad_() for one in (query, key, value)]
    q, k, v = wide[0], *(one.repeat_interleave(query.shape[1] // one.shape[1], dim=1) for one in wide[1:])
    out = masked_softmax(q @ k.mT * scale, mask) @ v
    return out, torch.autograd.grad(out, wide, outer.double())


@pytest.mark.parametrize("dtype", TOLERANCE, ids=["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("batch", "count", "groups", "queries", "keys", "width", "value_width"),
    [
        (3, 4, 4, 15, 15, 32, 32),
        (2, 4, 2, 7, 20, 16, 16),  # heads that share keys and values
        (2, 3, 1, 1, 1, 5, 9),  # widths that fill no register
        (1, 2, 2, 33, 17, 20, 64),
        (1, 1, 1, LONGEST, LONGEST, 8, 8),
    ],
)
@pytest.mark.parametrize("masked", ["nothing", "padding", "future", "everything of some"])
def test_output_and_gradients_are_those_of_plain_products(
    dtype, batch, count, groups, queries, keys, width, value_width, masked
):
    query = heads(batch, count, queries, width, dtype)
    key, value = heads(batch, groups, keys, width, dtype), heads(batch, groups, keys, value_width, dtype)
    masks = {
        "nothing": None,
        "padding": (torch.arange(keys) < torch.randint(1, keys + 1, (batch, 1)))[:, None, None],
        "future": torch.ones(1, 1, queries, keys, dtype=torch.bool).tril(),
        "everything of some": torch.rand(batch, count, queries, keys) < 0.3,
    }
    outer = torch.randn(batch, count, queries, value_width).to(dtype)
    out = sentence_attention(query, key, value, masks[masked], 0.3)
    found = torch.autograd.grad(out, (query, key, value), outer)
    expected, gradients = by_hand(query, key, value, masks[masked], 0.3, outer)
    for ours, theirs in zip((out, *found), (expected, *gradients), strict=True):
        assert ours.dtype == dtype
        scale = max(1.0, theirs.abs().max().item())
        torch.testing.assert_close(ours.double(), theirs, rtol=0, atol=TOLERANCE[dtype] * scale)


def test_a_query_that_may_look_nowhere_gets_zeros_and_changes_nothing():
    query, key, value = heads(1, 1, 2, 8), heads(1, 1, 3, 8), heads(1, 1, 3, 8)
    mask = torch.tensor([[True, True, False], [False, False, False]])[None, None]
    out = sentence_attention(query, key, value, mask, 1.0)
    assert out[0, 0, 1].count_nonzero() == 0
    (gradient,) = torch.autograd.grad(out.sum(), query)
    assert gradient[0, 0, 1].count_nonzero() == 0


def test_scores_too_large_for_an_exponential_are_no_trouble():
    query = torch.full((1, 1, 1, 4), 100.0, requires_grad=True)
    key = torch.stack([torch.full((4,), 100.0), torch.full((4,), -100.0)])[None, None]
    out = sentence_attention(query, key, torch.tensor([[[[1.0], [0.0]]]]), None, 1.0)
    assert out.item() == 1.0


def test_the_same_bits_with_any_number_of_threads(any_threads):
    query, key, value = heads(9, 4, 15, 32), heads(9, 4, 15, 32), heads(9, 4, 15, 32)

    def results():
        out = sentence_attention(query, key, value, None, 0.2)
        return out, *torch.autograd.grad(out.square().sum(), (query, key, value))

    one, two = any_threads(results)
    assert all(torch.equal(*pair) for pair in zip(one, two, strict=True))


@pytest.mark.parametrize("reason", ["dropout", "bias", "recorder", "no gradient", "float64", "too long"])
def test_what_the_kernel_does_not_know_goes_another_way(monkeypatch, reason):
    monkeypatch.setattr(kernels, "sentence_attention", None)
    length = LONGEST + 1 if reason == "too long" else 5
    x = heads(1, 2, length, 8, torch.float64 if reason == "float64" else torch.float32)
    given = {
        "dropout": {"dropout_rate": 0.1},
        "bias": {"bias": torch.zeros(1, 2, 5, 5)},
        "recorder": {"recorder": lambda weights: None},
    }
    with torch.set_grad_enabled(reason != "no gradient"):
        assert attention(x, x, x, **given.get(reason, {})).shape == x.shape


def test_training_takes_it(monkeypatch):
    called = []
    ours = kernels.sentence_attention
    monkeypatch.setattr(kernels, "sentence_attention", lambda *given: called.append(1) or ours(*given))
    x = heads(1, 2, 5, 8)
    attention(x, x, x).sum().backward()
    assert called
