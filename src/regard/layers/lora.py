"""Low-rank adaptation (Hu et al. 2022): a frozen linear map and a small trained change of it."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional


class LowRankLinear(nn.Linear):
    """x Wᵀ + b + (α / r) · (x Aᵀ) Bᵀ with A [r, in] and B [out, r]: W and b stay, A and B learn.

    B begins as zeros, so that the map begins as it was; A as any linear map of torch, as in the authors' code.
    ``down`` is A, ``up`` is B.
    """

    def __init__(self, linear: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__(linear.in_features, linear.out_features, linear.bias is not None, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        self.weight.requires_grad_(False)
        if self.bias is not None:
            self.bias.requires_grad_(False)
        self.scale = alpha / rank
        self.down = nn.Parameter(linear.weight.new_empty(rank, self.in_features))
        self.up = nn.Parameter(linear.weight.new_zeros(self.out_features, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        """[…, in] → […, out]."""
        change = functional.linear(functional.linear(x, self.down), self.up)
        return super().forward(x) + self.scale * change
