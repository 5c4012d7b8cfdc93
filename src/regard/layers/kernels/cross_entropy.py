"""Softmax, label-smoothed cross entropy and its gradient, in one pass over the logits."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from regard.layers.kernels.library import kernel, pointer, threads


class _Smoothing(ctypes.Structure):
    _fields_ = (("rate", ctypes.c_float), ("never", ctypes.c_long))


def cross_entropy_(
    logits: Tensor, answers: Tensor, bias: Tensor | None, smoothing: float, never: int | None
) -> tuple[Tensor, Tensor]:
    """Gives log p(answer) and the mean log p of each row; the logits become softmax − q (``tasks/loss.py``).

    ``logits`` [n, V] and ``answers`` [n] are contiguous; the ``bias`` is float32 and is added first.
    """
    answered, means = torch.empty(len(logits)), torch.empty(len(logits))
    rows, ids = ctypes.c_long(len(logits)), ctypes.c_int(logits.shape[1])
    pointers = (pointer(one) for one in (logits, answers, bias, answered, means))
    rule = _Smoothing(smoothing, -1 if never is None else never)
    kernel("cross_entropy", logits.dtype)(*pointers, rows, ids, rule, threads())
    return answered, means
