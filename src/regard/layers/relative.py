"""Relative positions: what is added to a score for how far the key stands from the query."""

from __future__ import annotations

import math

import torch
from jaxtyping import Int
from torch import Tensor, nn

from regard.notation import Bias, KeyPlaces, Places

Distances = Int[Tensor, "#B T S"]


class BucketBias(nn.Module):
    """b[head, bucket(j − i)] for query i and key j (Raffel et al. 2020, section 2.1; T5).

    Near distances have a bucket each, farther ones share buckets whose width grows with the logarithm, and all from
    ``farthest`` on share the last. ``two_sided``: half of the buckets is for keys to the right; else those count as 0.
    """

    def __init__(self, heads: int, *, two_sided: bool, buckets: int = 32, farthest: int = 128) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(buckets, heads))
        self.two_sided, self.farthest = two_sided, farthest
        nn.init.normal_(self.weight, std=heads**-0.5)

    def forward(self, query: Places, key: KeyPlaces) -> Bias:
        """[#B, H, T, S]."""
        distance = key[:, None, :] - query[:, :, None]
        return self.weight[self.bucket(distance)].permute(0, 3, 1, 2)

    def bucket(self, distance: Distances) -> Distances:
        """The row of the table for key place − query place. Logarithms are float32's, as in public models."""
        count = len(self.weight)
        first = torch.zeros_like(distance)
        if self.two_sided:
            count //= 2
            first = (distance > 0) * count
            away = distance.abs()
        else:
            away = (-distance).clamp(min=0)
        exact = count // 2
        growth = (away.clamp(min=1).float() / exact).log() / math.log(self.farthest / exact)
        far = (exact + (growth * (count - exact)).long()).clamp(max=count - 1)
        return first + torch.where(away < exact, away, far)


class LinearBias(nn.Module):
    """−m_h · |i − j| for query i and key j, with m_h = 2^(−8h/H), h = 1 … H (ALiBi; Press et al. 2022).

    Where H is no power of two, the slopes of the next smaller one come first, then every second one of its double.
    """

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.slopes: Tensor
        self.register_buffer("slopes", torch.tensor(_slopes(heads)), persistent=False)

    def forward(self, query: Places, key: KeyPlaces) -> Bias:
        """[#B, H, T, S]."""
        distance = (key[:, None, :] - query[:, :, None]).abs()
        return -self.slopes[:, None, None] * distance[:, None]


def _slopes(heads: int) -> list[float]:
    whole = 2 ** int(math.log2(heads))
    slopes = [2.0 ** (-8.0 * (h + 1) / whole) for h in range(whole)]
    return slopes + [2.0 ** (-4.0 * (h + 1) / whole) for h in range(0, 2 * (heads - whole), 2)]
