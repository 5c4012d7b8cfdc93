"""Sums with dropout, and their layer norm, in one pass each way. Masks are drawn anew on the way back, never stored."""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from regard.layers.kernels.library import Dropout, kernel, pointer, threads


class _NormShape(ctypes.Structure):
    _fields_ = (("rows", ctypes.c_long), ("columns", ctypes.c_int), ("epsilon", ctypes.c_float))


def dropped(x: Tensor, rate: float) -> Tensor:
    """Dropout of x."""
    return _AddDropped.apply(None, x, rate)


def add_dropped(x: Tensor, s: Tensor, rate: float) -> Tensor:
    """The sum x + dropout(s)."""
    return _AddDropped.apply(x, s, rate)


def add_norm(x: Tensor, s: Tensor, rate: float, gain: Tensor, shift: Tensor, epsilon: float) -> Tensor:
    """Layer norm of x + dropout(s), whose width must be a multiple of ``UNIT``."""
    return _AddNorm.apply(x, s, rate, gain, shift, epsilon)


class _AddDropped(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor | None, s: Tensor, rate: float) -> Tensor:
        context.dropout, context.added = Dropout.drawn(rate), x is not None
        return _add_dropped(x if x is None else x.contiguous(), s.contiguous(), context.dropout)

    @staticmethod
    @once_differentiable
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        by_s = _add_dropped(None, gradients[0].contiguous(), context.dropout)
        return gradients[0] if context.added else None, by_s, None


def _add_dropped(x: Tensor | None, s: Tensor, dropout: Dropout) -> Tensor:
    found = torch.empty_like(s)
    columns = s.shape[-1] if s.dim() else 1
    rows = ctypes.c_long(s.numel() // max(1, columns))
    kernel("add_dropped", s.dtype)(pointer(x), pointer(s), pointer(found), rows, columns, dropout, threads())
    return found


class _AddNorm(torch.autograd.Function):
    """Keeps the sum, and the mean and the inverse deviation of each row."""

    @staticmethod
    def forward(context: Any, x: Tensor, s: Tensor, rate: float, gain: Tensor, shift: Tensor, epsilon: float) -> Tensor:
        x, s = x.contiguous(), s.contiguous()
        shape = _NormShape(x.numel() // x.shape[-1], x.shape[-1], epsilon)
        h, y = torch.empty_like(x), torch.empty_like(x)
        means, scales = torch.empty(shape.rows), torch.empty(shape.rows)
        dropout = Dropout.drawn(rate)
        pointers = (pointer(one) for one in (x, s, gain, shift, h, y, means, scales))
        kernel("add_norm", x.dtype)(*pointers, shape, dropout, threads())
        context.save_for_backward(h, means, scales, gain)
        context.dropout, context.shape = dropout, shape
        return y

    @staticmethod
    @once_differentiable
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        h, means, scales, gain = context.saved_tensors
        by_x = torch.empty_like(h)
        by_s = torch.empty_like(h) if context.dropout.threshold else None  # without dropout it is x's
        by_gain, by_shift = torch.empty(gain.shape), torch.empty(gain.shape)
        tensors = (gradients[0].contiguous(), h, means, scales, gain, by_x, by_s, by_gain, by_shift)
        pointers = (pointer(one) for one in tensors)
        kernel("add_norm_back", h.dtype)(*pointers, context.shape, context.dropout, threads())
        return by_x, by_x if by_s is None else by_s, None, by_gain.to(gain.dtype), by_shift.to(gain.dtype), None
