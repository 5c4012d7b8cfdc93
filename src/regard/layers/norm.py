"""Four ways to bring states to one scale. They differ in what the mean and the variance are taken over.

Layer norm (Ba et al. 2016), RMS norm (Zhang & Sennrich 2019) and group norm (Wu & He 2018) treat each position on its
own; batch norm (Ioffe & Szegedy 2015) treats each feature over all positions of a batch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from regard.errors import SettingError
from regard.notation import Hidden, Real


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


class GroupNorm(nn.Module):
    """(x − mean) / √(variance + ε) · g + b, each over a group of d_model / ``groups`` neighbouring features.

    A position sees itself alone, as with layer norm, which it is with one group. Raises SettingError as
    ``check_groups``.
    """

    def __init__(self, d_model: int, groups: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        check_groups(groups, d_model)
        self.weight = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model))
        self.groups, self.epsilon = groups, epsilon

    def forward(self, x: Tensor, real: Real | None = None) -> Tensor:
        """[…, D] → […, D]; which positions are ``real`` does not matter."""
        positions = x.reshape(-1, x.shape[-1])
        return functional.group_norm(positions, self.groups, self.weight, self.bias, self.epsilon).view_as(x)


class BatchNorm(nn.Module):
    """(x − mean) / √(variance + ε) · g + b, with mean and variance of each feature over the real positions of a batch.

    That is in training; there a position sees all others through them, those of other sentences and, in a decoder, its
    own future. The running ones, m ← (1 − ``momentum``)·m + ``momentum``·new, with the unbiased variance, take their
    place in evaluation: then each position is treated on its own. They are saved with the weights. All is worked out
    in float32 at least.
    """

    def __init__(self, d_model: int, epsilon: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model))
        self.running_mean: Tensor
        self.running_variance: Tensor
        self.register_buffer("running_mean", torch.zeros(d_model))
        self.register_buffer("running_variance", torch.ones(d_model))
        self.epsilon, self.momentum = epsilon, momentum

    def forward(self, x: Hidden, real: Real | None = None) -> Hidden:
        """Padding is normed too, but counts for nothing. Where no positions are ``real`` by name, all are."""
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        mean, variance = self.running_mean, self.running_variance
        if self.training:
            seen = wide.flatten(0, 1) if real is None else wide[real]
            variance, mean = torch.var_mean(seen, 0, correction=0)
            self._remember(mean.detach(), variance.detach(), len(seen))
        normed = (wide - mean) * (variance + self.epsilon).rsqrt()
        return (normed * self.weight + self.bias).to(x.dtype)

    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        unbiased = variance * (count / max(1, count - 1))
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_variance.lerp_(unbiased.to(self.running_variance.dtype), self.momentum)


def check_groups(groups: int, d_model: int) -> None:
    """Raises SettingError where the groups cannot share d_model, at least two features each."""
    if d_model % groups or groups == d_model:
        fitting = [n for n in range(1, max(2, d_model)) if d_model % n == 0]
        nearest = min(fitting, key=lambda n: abs(n - groups))
        rule = "a divisor of d_model that leaves two features or more to a group"
        raise SettingError.because("norm_groups", f"{groups} with d_model {d_model}", rule, f"use {nearest}")
