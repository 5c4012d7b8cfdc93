"""Rotary positions (Su et al. 2021): queries and keys are turned by their place, so that scores see distances only."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from regard.errors import SettingError
from regard.notation import HeadVectors, Places


@dataclass(frozen=True)
class FrequencyScaling:
    """Llama 3.1's stretching of slow rotations to longer texts (Grattafiori et al. 2024).

    Waves longer than ``original`` / ``low`` places turn ``factor`` times slower, those shorter than ``original`` /
    ``high`` as before, and between the two the change is smooth.
    """

    factor: float
    low: float
    high: float
    original: int

    def __post_init__(self) -> None:
        """Raises SettingError where fast rotations are not faster than slow ones."""
        if self.high <= self.low:
            raise SettingError.because("high", self.high, f"more than low, {self.low}", "use 4 and 1, as Llama 3.1")

    def __call__(self, frequencies: Tensor) -> Tensor:
        """The frequencies in radians a place, stretched."""
        waves = 2 * math.pi / frequencies
        share = (self.original / waves - self.low) / (self.high - self.low)
        slower = frequencies / self.factor
        # the order of these operations is that of public implementations: other ones differ in the last bit
        between = (1 - share) * frequencies / self.factor + share * frequencies
        stretched = torch.where(waves > self.original / self.low, slower, between)
        return torch.where(waves < self.original / self.high, frequencies, stretched)


class Rotary(nn.Module):
    """[x₁ cos θ − x₂ sin θ, x₂ cos θ + x₁ sin θ] with θ_i(p) = p · base^(−2i/d_k), x₁ and x₂ the halves of x.

    The halves layout is that of public checkpoints; the paper turns neighbouring pairs, a permutation of it. Angles are
    worked out in float32 whatever the model's type, as public checkpoints were trained. Raises SettingError for an odd
    d_k.
    """

    def __init__(self, d_k: int, base: float = 10000.0, scaling: FrequencyScaling | None = None) -> None:
        super().__init__()
        if d_k % 2:
            raise SettingError.because("d_k", d_k, "an even number with rotary positions", f"use {d_k + 1}")
        frequencies = 1.0 / base ** (torch.arange(0, d_k, 2, dtype=torch.int64).float() / d_k)
        self.frequencies: Tensor
        self.register_buffer("frequencies", scaling(frequencies) if scaling else frequencies, persistent=False)

    def forward(self, x: HeadVectors, places: Places) -> HeadVectors:
        """Turn every head's vector at each place."""
        angle = places[:, None, :, None].float() * self.frequencies
        cosine, sine = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        first, second = x.chunk(2, dim=-1)
        return torch.cat((first * cosine - second * sine, second * cosine + first * sine), dim=-1)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Rotary:
        """Follow the model to its device, but not to its type: in bfloat16 place 1000 would be off by whole radians."""
        exact = self.frequencies
        super()._apply(fn, recurse)
        self.frequencies = exact.to(self.frequencies.device)
        return self
