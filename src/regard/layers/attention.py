"""Attention, section 3.2: one function for self, masked and cross attention, which differ in what they are given."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from regard.layers.dropout import dropout
from regard.layers.kernels import attention as kernels
from regard.layers.similarity import DotProduct, Similarity, scaled_dot_product
from regard.notation import Bias, HeadOutputs, Keys, Mask, Queries, Scores, Values

Recorder = Callable[[Tensor], None]


def attention(
    query: Queries,
    key: Keys,
    value: Values,
    *,
    mask: Mask | None = None,
    bias: Bias | None = None,
    similarity: Similarity = scaled_dot_product,
    dropout_rate: float = 0.0,
    recorder: Recorder | None = None,
) -> HeadOutputs:
    """softmax(similarity(Q, K) + bias) V, equation 1 with its mask (``True`` = may look).

    Key/value heads may be fewer than query heads (G divides H): each then serves H/G neighbours. A
    query that may look nowhere gets zeros. ``recorder`` is called with the weights [B, H, T, S] before
    dropout; without one, a faster kernel does it all where there is one (the two functions ``…_is_faster``).
    """
    scale = similarity.factor(query.shape[-1]) if recorder is None and isinstance(similarity, DotProduct) else None
    bare = bias is None and dropout_rate == 0.0
    if scale is not None and bare and sentence_kernel_is_faster(query, key, value):
        return kernels.sentence_attention(query, key, value, mask, scale)
    key, value = _serve_all_heads(key, query), _serve_all_heads(value, query)
    if scale is not None and fused_is_faster(query):
        combined = _additive(mask, bias, query)
        return functional.scaled_dot_product_attention(query, key, value, combined, dropout_rate, scale=scale)
    scores = similarity(query, key)
    weights = masked_softmax(scores if bias is None else scores + bias.to(scores.dtype), mask)
    if recorder is not None:
        recorder(weights)
    return dropout(weights, dropout_rate) @ value


def masked_softmax(scores: Scores, mask: Mask | None) -> Scores:
    """Softmax over the keys that may be looked at; exactly zero elsewhere, also in a row that may look nowhere.

    Adding −∞ (or −1e9) to the hidden scores, as many tutorials write it, gives the same weights, except that
    a wholly hidden row then becomes NaN (or uniform). Where a tutorial's mask has 1 = hidden, ours is its negation.
    """
    if mask is None:
        return scores.softmax(-1)
    hidden = ~mask
    lowest = torch.finfo(scores.dtype).min
    return scores.masked_fill(hidden, lowest).softmax(-1).masked_fill(hidden, 0.0)


def sentence_kernel_is_faster(query: Queries, key: Keys, value: Values) -> bool:
    """Whether our own kernel is the fastest: in training on a processor, at the lengths of sentences.

    Here and in the next function the kernel is chosen, by ``benchmarks/bench_attention.py`` (numbers in LOG.md).
    """
    return in_training(query) and kernels.fits(query, key, value)


def fused_is_faster(query: Tensor) -> bool:
    """Whether torch's fused kernel is faster than three plain products and a softmax.

    On a processor, at sentence lengths in bfloat16, its backward pass takes five times as long as they do. Everywhere
    else it wins, or loses little.
    """
    return not (in_training(query) and query.device.type == "cpu" and query.dtype == torch.bfloat16)


def in_training(query: Tensor) -> bool:
    """Whether a way back is wanted."""
    return torch.is_grad_enabled() and query.requires_grad


def _serve_all_heads(shared: Tensor, query: Tensor) -> Tensor:
    heads, groups = query.shape[1], shared.shape[1]
    return shared if heads == groups else shared.repeat_interleave(heads // groups, dim=1)


def _additive(mask: Tensor | None, bias: Tensor | None, query: Tensor) -> Tensor | None:
    """Mask and bias as the one argument of the fused kernel: boolean, or a sum with −∞ where hidden."""
    if bias is None or mask is None:
        return mask if bias is None else bias.to(query.dtype)
    return bias.to(query.dtype).masked_fill(~mask, -torch.inf)
