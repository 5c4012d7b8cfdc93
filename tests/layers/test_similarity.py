"""How alike queries and keys are: each kind by hand, and inside the one attention function."""

from __future__ import annotations

import math

import pytest
import torch

from regard.layers.attention import attention
from regard.layers.similarity import Additive, DotProduct, Similarity, scaled_dot_product

EXACT = {"rtol": 0, "atol": 1e-12}


def additive(heads: int, d_k: int) -> Additive:
    """In float64, with v from N(0, 1)."""
    made = Additive(heads, d_k).double()
    torch.nn.init.normal_(made.weight)
    return made


def slowly(v, query, key):
    """v_h · tanh(q + k), a number at a time."""
    B, H, T, K = query.shape
    found = torch.zeros(B, H, T, key.shape[2]).double()
    for b in range(B):
        for h in range(H):
            for t in range(T):
                for s in range(key.shape[2]):
                    terms = [
                        v[h, k].item() * math.tanh(query[b, h, t, k].item() + key[b, h, s, k].item()) for k in range(K)
                    ]
                    found[b, h, t, s] = math.fsum(terms)
    return found


def test_dot_products_by_hand():
    query, key = torch.tensor([[[[3.0, 4.0, 0.0, 0.0]]]]), torch.tensor([[[[1.0, 2.0, 5.0, 5.0]]]])
    assert DotProduct(scale=1.0)(query, key).item() == 11.0
    assert scaled_dot_product(query, key).item() == 5.5


def test_additive_is_its_formula():
    ours = additive(3, 5)
    query, key = torch.randn(2, 3, 4, 5).double(), torch.randn(2, 3, 6, 5).double()
    torch.testing.assert_close(ours(query, key), slowly(ours.weight, query, key), **EXACT)


def test_every_kind_is_a_similarity():
    assert isinstance(Additive(2, 3), Similarity)
    assert isinstance(scaled_dot_product, Similarity)


@pytest.mark.usefixtures("path")
def test_additive_is_a_similarity_of_the_one_attention_function():
    """With shared keys (two query heads a group), a mask, and a query that may look nowhere."""
    ours = additive(4, 5)
    query, key, value = torch.randn(2, 4, 3, 5).double(), torch.randn(2, 2, 6, 5).double(), torch.randn(2, 2, 6, 7)
    mask = torch.rand(2, 1, 3, 6) < 0.6
    mask[..., 0], mask[0, 0, 1] = True, False
    recorded = []
    found = attention(query, key, value.double(), mask=mask, similarity=ours, recorder=recorded.append)
    scores = slowly(ours.weight, query, key.repeat_interleave(2, 1)).masked_fill(~mask, -torch.inf)
    weights = scores.softmax(-1).nan_to_num(0.0)
    torch.testing.assert_close(recorded[0], weights, **EXACT)
    torch.testing.assert_close(found, weights @ value.double().repeat_interleave(2, 1), **EXACT)
    unrecorded = attention(query, key, value.double(), mask=mask, similarity=ours)
    torch.testing.assert_close(unrecorded, found, **EXACT)


def test_the_gradient_of_additive_is_that_of_its_differences():
    ours = additive(2, 3)
    query = torch.randn(1, 2, 2, 3).double().requires_grad_()
    key = torch.randn(1, 2, 4, 3).double().requires_grad_()
    assert torch.autograd.gradcheck(ours, (query, key))
