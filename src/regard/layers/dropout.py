"""Dropout, section 5.4."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from regard.layers.kernels import residual as kernels
from regard.layers.kernels.library import serves


def dropout(x: Tensor, rate: float) -> Tensor:
    """Each value is zero with probability ``rate``, else divided by 1 − rate: the expectation stays x.

    On a processor, drawing the random numbers costs more than all the rest of dropout; there they come four to
    a draw, 16 bits each, so that the probability is ``rate`` to the nearest 1/65536.
    """
    if rate == 0.0:
        return x
    if x.device.type != "cpu":
        return torch.dropout(x, rate, True)
    return kernels.dropped(x, rate) if serves(x) else _SixteenBitDropout.apply(x, rate)


def add_dropped(x: Tensor, s: Tensor, rate: float) -> Tensor:
    """The sum x + dropout(s)."""
    return kernels.add_dropped(x, s, rate) if rate and serves(x, s) else x + dropout(s, rate)


class _SixteenBitDropout(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, rate: float) -> Tensor:
        keep = _survivors(x.numel(), rate).view(x.shape)
        context.save_for_backward(keep)
        context.factor = 1.0 / (1.0 - rate)
        return torch.where(keep, x, 0).mul_(context.factor)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (keep,) = context.saved_tensors
        return torch.where(keep, gradients[0], 0).mul_(context.factor), None


def _survivors(count: int, rate: float) -> Tensor:
    draws = torch.empty((count + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    uniform = draws.view(torch.int16)[:count]  # −32768 … 32767
    return uniform >= min(round(rate * 65536), 65535) - 32768  # 65536 − 32768 is no 16-bit number


class Dropout(nn.Module):
    """``dropout`` in training, nothing afterwards."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    @property
    def present_rate(self) -> float:
        """The rate while training, else 0."""
        return self.rate if self.training else 0.0

    def forward(self, x: Tensor) -> Tensor:
        """``x`` with some values dropped while training."""
        return dropout(x, self.present_rate)
