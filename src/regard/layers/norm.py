"""Normalisation of each position on its own: layer norm (Ba et al. 2016) and RMS norm (Zhang & Sennrich 2019)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from regard.notation import Real


class LayerNorm(nn.Module):
    """(x − mean) / √(variance + ε) · g + b over the last axis."""

    def __init__(self, d_model: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model))
        self.epsilon = epsilon

    def forward(self, x: Tensor, real: Real | None = None) -> Tensor:
        """[…, D] → […, D]; which positions are ``real`` does not matter."""
        return functional.layer_norm(x, self.weight.shape, self.weight, self.bias, self.epsilon)


class RMSNorm(nn.Module):
    """x / √(mean(x²) + ε) · g over the last axis: no mean is taken away, no bias is added."""

    def __init__(self, d_model: int, epsilon: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d_model))
        self.epsilon = epsilon

    def forward(self, x: Tensor, real: Real | None = None) -> Tensor:
        """[…, D] → […, D]; which positions are ``real`` does not matter."""
        return functional.rms_norm(x, self.weight.shape, self.weight, self.epsilon)
