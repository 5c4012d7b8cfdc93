"""The residual connection around every sub-layer, section 3.1, with its dropout and norm (section 5.4)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from regard.layers.dropout import Dropout
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
        return self.norm(x + self.dropout(sublayer(x)), real)


class PreNorm(nn.Module):
    """x + dropout(sublayer(norm(x))) (Xiong et al. 2020); a stack of these ends in a norm of its own."""

    def __init__(self, norm: nn.Module, dropout_rate: float) -> None:
        super().__init__()
        self.norm = norm
        self.dropout = Dropout(dropout_rate)

    def forward(self, x: Hidden, sublayer: Sublayer, real: Real | None = None) -> Hidden:
        """Norm first, then add. ``real`` as above."""
        return x + self.dropout(sublayer(self.norm(x, real)))


class NoResidual(nn.Module):
    """norm(dropout(sublayer(x))): the paper's without the sum, to see what the sum is for."""

    def __init__(self, norm: nn.Module, dropout_rate: float) -> None:
        super().__init__()
        self.norm = norm
        self.dropout = Dropout(dropout_rate)

    def forward(self, x: Hidden, sublayer: Sublayer, real: Real | None = None) -> Hidden:
        """What the sub-layer says, normed. ``real`` as above."""
        return self.norm(self.dropout(sublayer(x)), real)
