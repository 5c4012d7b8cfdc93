"""The residual connection around every sub-layer, section 3.1, with its dropout and norm (section 5.4)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from regard.layers.dropout import Dropout, add_dropped
from regard.layers.kernels import residual as kernels
from regard.layers.kernels.library import UNIT, serves
from regard.layers.norm import LayerNorm
from regard.notation import Hidden, Real

Sublayer = Callable[[Tensor], Tensor]


class PostNorm(nn.Module):
    """norm(x + dropout(sublayer(x))), as in the paper."""

    def __init__(self, norm: nn.Module, dropout_rate: float) -> None:
        super().__init__()
        self.norm = norm
        self.dropout = Dropout(dropout_rate)

    def forward(self, x: Hidden, sublayer: Sublayer, real: Real | None = None) -> Hidden:
        """Add, then norm. ``real``: the positions that are no padding, for norms over several of them."""
        return add_norm(self.norm, x, sublayer(x), self.dropout.present_rate, real)


class PreNorm(nn.Module):
    """x + dropout(sublayer(norm(x))) (Xiong et al. 2020); a stack of these ends in a norm of its own."""

    def __init__(self, norm: nn.Module, dropout_rate: float) -> None:
        super().__init__()
        self.norm = norm
        self.dropout = Dropout(dropout_rate)

    def forward(self, x: Hidden, sublayer: Sublayer, real: Real | None = None) -> Hidden:
        """Norm first, then add. ``real`` as above."""
        return add_dropped(x, sublayer(self.norm(x, real)), self.dropout.present_rate)


class NoResidual(nn.Module):
    """norm(dropout(sublayer(x))): the paper's without the sum, to see what the sum is for."""

    def __init__(self, norm: nn.Module, dropout_rate: float) -> None:
        super().__init__()
        self.norm = norm
        self.dropout = Dropout(dropout_rate)

    def forward(self, x: Hidden, sublayer: Sublayer, real: Real | None = None) -> Hidden:
        """What the sub-layer says, normed. ``real`` as above."""
        return self.norm(self.dropout(sublayer(x)), real)


def add_norm(norm: nn.Module, x: Hidden, s: Hidden, rate: float, real: Real | None) -> Hidden:
    """norm(x + dropout(s))."""
    fits = x.shape[-1] % UNIT == 0 and torch.is_grad_enabled()
    if fits and isinstance(norm, LayerNorm) and serves(x, s, norm.weight, norm.bias):
        return kernels.add_norm(x, s, rate, norm.weight, norm.bias, norm.epsilon)
    return norm(add_dropped(x, s, rate), real)
