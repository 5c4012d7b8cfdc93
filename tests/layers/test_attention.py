"""The one attention function: by hand, by slow loops, against torch, and by its laws."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from regard.layers import attention as module
from regard.layers.attention import attention, fused_is_faster, masked_softmax
from regard.layers.similarity import DotProduct


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def a_mask(*shape: int) -> Tensor:
    """A random mask in which every query may look somewhere."""
    mask = torch.rand(*shape) < 0.6
    mask[..., 0] |= ~mask.any(-1)
    return mask


def by_loops(query, key, value, mask=None, bias=None, scale=None) -> Tensor:
    """The slow twin: equation 1, a number at a time."""
    B, H, T, K = query.shape
    S, W = value.shape[2:]
    shared_by = H // key.shape[1]
    scale = 1 / math.sqrt(K) if scale is None else scale
    mask = torch.ones(1, 1, 1, S, dtype=torch.bool) if mask is None else mask
    bias = torch.zeros(1, 1, 1, S) if bias is None else bias
    mask, bias = mask.expand(B, H, T, S).tolist(), bias.expand(B, H, T, S).tolist()
    q, k, v = query.tolist(), key.tolist(), value.tolist()
    out = torch.zeros(B, H, T, W, dtype=torch.float64)
    for b in range(B):
        for h in range(H):
            for t in range(T):
                seen = [s for s in range(S) if mask[b][h][t][s]]
                grown = {}
                for s in seen:
                    product = sum(q[b][h][t][i] * k[b][h // shared_by][s][i] for i in range(K))
                    grown[s] = math.exp(scale * product + bias[b][h][t][s])
                for s in seen:
                    for w in range(W):
                        out[b, h, t, w] += grown[s] / sum(grown.values()) * v[b][h // shared_by][s][w]
    return out


# Two queries, two keys, d_k = 2. The similarities are (ln 3, 0) and (0, ln 7), so that the weights are
# (3/4, 1/4) and (1/8, 7/8).
QUERY = math.sqrt(2) * torch.tensor([[[[math.log(3), 0.0], [0.0, math.log(7)]]]], dtype=torch.float64)
KEY = torch.tensor([[[[1.0, 0.0], [0.0, 1.0]]]], dtype=torch.float64)
VALUE = torch.tensor([[[[4.0, 8.0], [0.0, 16.0]]]], dtype=torch.float64)


def test_two_queries_and_two_keys_by_hand(path):
    expected = torch.tensor([[[[3.0, 10.0], [0.5, 15.0]]]], dtype=torch.float64)
    torch.testing.assert_close(attention(QUERY, KEY, VALUE), expected)


def test_a_hidden_key_leaves_all_the_weight_to_the_other(path):
    mask = torch.tensor([[[[True, False], [True, True]]]])
    expected = torch.tensor([[[[4.0, 8.0], [0.5, 15.0]]]], dtype=torch.float64)
    torch.testing.assert_close(attention(QUERY, KEY, VALUE, mask=mask), expected)


def test_a_bias_is_added_before_the_softmax(path):
    bias = torch.tensor([[[[0.0, math.log(3)]]]], dtype=torch.float64)  # (3, 1·3) and (1, 7·3) of all
    expected = torch.tensor([[[[2.0, 12.0], [4 / 22, (8 + 21 * 16) / 22]]]], dtype=torch.float64)
    torch.testing.assert_close(attention(QUERY, KEY, VALUE, bias=bias), expected)


def test_the_plain_dot_product_is_not_divided_by_the_root_of_d_k(path):
    expected = torch.tensor([[[[3.0, 10.0], [0.5, 15.0]]]], dtype=torch.float64)
    unscaled = attention(QUERY / math.sqrt(2), KEY, VALUE, similarity=DotProduct(scale=1.0))
    torch.testing.assert_close(unscaled, expected)


def test_the_factor_is_one_over_the_root_of_d_k_unless_it_is_given():
    assert DotProduct().factor(64) == 0.125
    assert DotProduct(scale=1.0).factor(64) == 1.0


MASKS = {"no mask": None, "keys": (2, 1, 1, 5), "queries and keys": (1, 1, 3, 5), "everything": (2, 4, 3, 5)}


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("biased", [False, True], ids=["", "biased"])
@pytest.mark.parametrize("mask", MASKS)
def test_attention_is_what_slow_loops_compute(path, mask, biased, groups):
    query, key, value = drawn(2, 4, 3, 6), drawn(2, groups, 5, 6), drawn(2, groups, 5, 7)  # d_v is not d_k
    given = {
        "mask": None if MASKS[mask] is None else a_mask(*MASKS[mask]),
        "bias": drawn(1, 4, 3, 5) if biased else None,
    }
    found = attention(query, key, value, **given)
    torch.testing.assert_close(found, by_loops(query, key, value, **given), rtol=0, atol=1e-12)


@pytest.mark.parametrize("scale", [None, 1.0, 0.3])
def test_attention_is_what_torch_computes(path, scale):
    query, key, value, mask = drawn(2, 4, 3, 6), drawn(2, 4, 5, 6), drawn(2, 4, 5, 6), a_mask(2, 1, 3, 5)
    theirs = functional.scaled_dot_product_attention(query, key, value, mask, scale=scale)
    ours = attention(query, key, value, mask=mask, similarity=DotProduct(scale))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_two_paths_agree_in_narrower_numbers_too(monkeypatch, dtype):
    query, key, value = (drawn(2, 4, 3, 6).to(dtype) for _ in range(3))
    bias, mask = drawn(1, 4, 1, 3), a_mask(2, 1, 3, 3)
    found = []
    for fused in (False, True):
        monkeypatch.setattr(module, "fused_is_faster", lambda query, fused=fused: fused)
        found.append(attention(query, key, value, mask=mask, bias=bias.to(dtype)))
    assert found[0].dtype == found[1].dtype == dtype
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-6 if dtype == torch.float32 else 0.03)


def test_the_gradients_of_the_two_paths_are_the_same(monkeypatch):
    tensors = [drawn(2, 4, 3, 6), drawn(2, 2, 5, 6), drawn(2, 2, 5, 7), drawn(1, 4, 3, 5)]
    mask, outer = a_mask(2, 1, 3, 5), drawn(2, 4, 3, 7)
    mask[0, 0, 1] = False
    gradients = []
    for fused in (False, True):
        monkeypatch.setattr(module, "fused_is_faster", lambda query, fused=fused: fused)
        query, key, value, bias = (tensor.clone().requires_grad_() for tensor in tensors)
        attention(query, key, value, mask=mask, bias=bias).backward(outer)
        gradients.append([tensor.grad for tensor in (query, key, value, bias)])
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=1e-12)


def test_grouped_heads_are_repeated_heads(path):
    query, key, value = drawn(2, 6, 3, 4), drawn(2, 2, 5, 4), drawn(2, 2, 5, 4)
    repeated = [torch.stack([x[:, 0]] * 3 + [x[:, 1]] * 3, dim=1) for x in (key, value)]
    torch.testing.assert_close(attention(query, key, value), attention(query, *repeated), rtol=0, atol=0)


@pytest.mark.parametrize("biased", [False, True], ids=["", "biased"])
def test_a_query_that_may_look_nowhere_gets_zeros_and_spoils_no_gradient(path, biased):
    query, key, value = (drawn(2, 2, 3, 4).requires_grad_() for _ in range(3))
    mask = torch.ones(2, 1, 3, 3, dtype=torch.bool)
    mask[0, 0, 1] = False
    mask[1] = False
    found = attention(query, key, value, mask=mask, bias=drawn(1, 2, 3, 3) if biased else None)
    assert torch.equal(found[0, :, 1], torch.zeros(2, 4, dtype=torch.float64))
    assert torch.equal(found[1], torch.zeros(2, 3, 4, dtype=torch.float64))
    assert found[0, :, 0].abs().min() > 0
    found.square().sum().backward()
    for tensor in (query, key, value):
        assert tensor.grad.isfinite().all()
        assert torch.equal(tensor.grad[1], torch.zeros_like(tensor.grad[1]))
        assert tensor.grad[0].abs().max() > 0
    assert torch.equal(query.grad[0, :, 1], torch.zeros(2, 4, dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_hidden_cells_are_exactly_zero_and_rows_sum_to_one(dtype):
    scores, mask = (3 * drawn(2, 3, 4, 5)).to(dtype), a_mask(2, 1, 4, 5)
    weights = masked_softmax(scores, mask)
    assert (weights.masked_select(~mask) == 0).all()
    assert (weights.masked_select(mask) > 0).all()
    error = {torch.float64: 1e-15, torch.float32: 1e-6, torch.float16: 2e-3, torch.bfloat16: 2e-2}[dtype]
    torch.testing.assert_close(weights.double().sum(-1), torch.ones(2, 3, 4).double(), rtol=0, atol=error)


@pytest.mark.parametrize("written_as", [-torch.inf, -1e9])
def test_true_may_look_is_the_same_as_adding_so_much_where_others_have_a_one(written_as):
    scores, mask = drawn(2, 3, 4, 5), a_mask(2, 1, 4, 5)
    hidden = (~mask).double()  # the mask of the tutorials: 1 = hidden
    added = torch.where(hidden == 1, written_as, 0.0)
    torch.testing.assert_close(masked_softmax(scores, mask), (scores + added).softmax(-1), rtol=0, atol=1e-15)


def test_the_recorder_gets_the_weights_and_changes_nothing(path):
    query, key, value, mask, bias = (
        drawn(2, 4, 3, 6),
        drawn(2, 2, 5, 6),
        drawn(2, 2, 5, 7),
        a_mask(2, 1, 3, 5),
        drawn(1, 4, 3, 5),
    )
    kept = []
    recorded = attention(query, key, value, mask=mask, bias=bias, recorder=kept.append)
    torch.testing.assert_close(recorded, attention(query, key, value, mask=mask, bias=bias), rtol=0, atol=1e-14)
    (weights,) = kept
    one_hot = torch.eye(5, dtype=torch.float64).expand(2, 2, 5, 5)  # with these values, attention returns its weights
    expected = by_loops(query, key, one_hot, mask, bias)
    torch.testing.assert_close(weights, expected, rtol=0, atol=1e-12)


def test_the_recorder_sees_the_weights_before_dropout():
    query, key, value = drawn(1, 1, 4, 8), drawn(1, 1, 50, 8), drawn(1, 1, 50, 8)
    kept = []
    attention(query, key, value, dropout_rate=0.5, recorder=kept.append)
    assert (kept[0] > 0).all()
    torch.testing.assert_close(kept[0].sum(-1), torch.ones(1, 1, 4, dtype=torch.float64))


def test_dropout_falls_on_the_weights_after_the_softmax(path):
    """With equal keys every weight is 1/S; of the values one, a dropped weight is missed by 1/S · 1/(1 − rate)."""
    S, rate = 4000, 0.25
    query, key, value = drawn(1, 1, 20, 2), torch.zeros(1, 1, S, 2).double(), torch.ones(1, 1, S, 1).double()
    found = attention(query, key, value, dropout_rate=rate)
    survivors = found * S * (1 - rate)
    torch.testing.assert_close(survivors, survivors.round(), rtol=0, atol=1e-6)
    assert abs(survivors.mean() / S - (1 - rate)) < 5 * math.sqrt(rate * (1 - rate) / (20 * S))
    assert survivors.unique().numel() > 5


def test_permuting_the_input_permutes_the_output(path):
    """Self-attention without positions does not know the order of its input."""
    x, order = drawn(1, 2, 6, 4), torch.randperm(6)
    there = attention(x, x, x)
    again = attention(x[:, :, order], x[:, :, order], x[:, :, order])
    torch.testing.assert_close(again, there[:, :, order], rtol=0, atol=1e-14)
    assert not torch.allclose(again, there)


def test_a_similarity_of_any_kind_can_be_handed_in(path):
    def nearness(query, key):
        return -torch.cdist(query, key).square() / 2

    x, lengths = drawn(1, 1, 3, 4), drawn(1, 1, 5, 4)
    key = functional.normalize(lengths, dim=-1)  # for keys of length one, nearness is the dot product and a constant
    alike = attention(x, key, lengths, similarity=DotProduct(scale=1.0))
    torch.testing.assert_close(attention(x, key, lengths, similarity=nearness), alike, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("gradient", ["asked for", "not needed", "switched off"])
def test_only_training_in_bfloat16_on_a_processor_does_without_the_fused_kernel(monkeypatch, gradient, dtype):
    monkeypatch.setattr(module.kernels, "fits", lambda *heads: False)
    called = []
    kernel = functional.scaled_dot_product_attention
    monkeypatch.setattr(functional, "scaled_dot_product_attention", lambda *a, **k: called.append(1) or kernel(*a, **k))
    x = drawn(1, 2, 3, 4).to(dtype).requires_grad_(gradient != "not needed")
    with torch.set_grad_enabled(gradient != "switched off"):
        attention(x, x, x)
    assert len(called) == (0 if gradient == "asked for" and dtype == torch.bfloat16 else 1)


def test_away_from_the_processor_the_fused_kernel_always_runs():
    assert fused_is_faster(torch.empty(1, 1, 1, 1, device="meta", requires_grad=True))


@pytest.mark.parametrize("given", ["recorder", "similarity"])
def test_the_fused_kernel_is_left_alone_where_it_cannot_serve(monkeypatch, given):
    monkeypatch.setattr(functional, "scaled_dot_product_attention", None)
    monkeypatch.setattr(module, "fused_is_faster", lambda query: True)
    parts = {"recorder": lambda weights: None, "similarity": lambda query, key: query @ key.mT}
    x = drawn(1, 2, 3, 4)
    assert attention(x, x, x, **{given: parts[given]}).shape == (1, 2, 3, 4)
