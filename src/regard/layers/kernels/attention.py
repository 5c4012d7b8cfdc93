"""Attention of sentences: scores, softmax and sum in one pass a head, forwards and back."""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from regard.layers.kernels.library import kernel, serves, threads
from regard.notation import HeadOutputs, Keys, Mask, Queries, Values

LONGEST = 128  # beyond, torch's kernel is as fast, and does not keep the weights


class _Heads(ctypes.Structure):
    _fields_ = (
        ("at", ctypes.c_void_p),
        ("by_sentence", ctypes.c_long),
        ("by_head", ctypes.c_long),
        ("by_position", ctypes.c_long),
    )

    @classmethod
    def of(cls, tensor: Tensor) -> _Heads:
        return cls(tensor.data_ptr(), *tensor.stride()[:3])


class _Sight(ctypes.Structure):
    _fields_ = (("at", ctypes.c_void_p), *((name, ctypes.c_long) for name in ("sentence", "head", "query", "key")))

    @classmethod
    def of(cls, mask: Tensor | None, query: Tensor, key: Tensor) -> _Sight:
        if mask is None:
            return cls(None, 0, 0, 0, 0)
        return cls(mask.data_ptr(), *mask.expand(*query.shape[:3], key.shape[2]).stride())


class _Shape(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_long) for name in ("sentences", "heads", "groups")),
        *((name, ctypes.c_int) for name in ("queries", "keys", "width", "value_width")),
        ("scale", ctypes.c_float),
    )

    @classmethod
    def of(cls, query: Tensor, key: Tensor, value: Tensor, scale: float) -> _Shape:
        sentences, heads, queries, width = query.shape
        return cls(sentences, heads, key.shape[1], queries, key.shape[2], width, value.shape[3], scale)


def fits(query: Queries, key: Keys, value: Values) -> bool:
    """Whether ``sentence_attention`` can do it, and does it faster than torch."""
    longest = max(query.shape[2], key.shape[2])
    dense = all(one.stride(3) == 1 or one.shape[3] == 1 for one in (query, key, value))
    return 0 < longest <= LONGEST and query.shape[0] > 0 and dense and serves(query, key, value)


def sentence_attention(query: Queries, key: Keys, value: Values, mask: Mask | None, scale: float) -> HeadOutputs:
    """softmax(scale · Q Kᵀ) V with zeros where a query may look nowhere, for what ``fits``."""
    return _Attention.apply(query, key, value, mask, scale)


class _Attention(torch.autograd.Function):
    """Computes the weights anew on the way back: to keep them takes memory, and hardly less time."""

    @staticmethod
    def forward(context: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
        shape = _Shape.of(query, key, value, scale)
        out = _by_position(query, value.shape[3])
        kernel("attend", query.dtype)(
            _Heads.of(query), _Heads.of(key), _Heads.of(value), _Sight.of(mask, query, key), _Heads.of(out),
            shape, threads(),
        )  # fmt: skip
        context.save_for_backward(query, key, value, mask)
        context.shape = shape
        return out

    @staticmethod
    @once_differentiable
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, mask = context.saved_tensors
        outer = gradients[0] if gradients[0].stride(3) == 1 else gradients[0].contiguous()
        heads, groups = query.shape[1], key.shape[1]
        by_query = _by_position(query, query.shape[3])
        by_key, by_value = (_by_position(one, one.shape[3], heads) for one in (key, value))
        kernel("attend_back", query.dtype)(
            *(_Heads.of(one) for one in (query, key, value)), _Sight.of(mask, query, key),
            *(_Heads.of(one) for one in (outer, by_query, by_key, by_value)), context.shape, threads(),
        )  # fmt: skip
        if groups < heads:
            by_key, by_value = (one.unflatten(1, (groups, -1)).sum(2) for one in (by_key, by_value))
        return by_query, by_key, by_value, None, None


def _by_position(like: Tensor, width: int, heads: int | None = None) -> Tensor:
    """Room for [B, H, T, width] that lies in memory as [B, T, H, width], as heads do when they are split and joined."""
    sentences, own, length, _ = like.shape
    return torch.empty(sentences, length, heads or own, width, dtype=like.dtype).transpose(1, 2)
