"""Positional encoding, section 3.5: attention itself does not know the order of its input."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from regard.errors import SettingError
from regard.notation import Hidden


def sinusoids(length: int, d_model: int, layout: str = "interleaved") -> Tensor:
    """PE(p, 2i) = sin(p / 10000^(2i/d)), PE(p, 2i+1) = cos(p / 10000^(2i/d)), section 3.5, for p < ``length``.

    ``layout``: "interleaved" is the paper's; "halves" has all sines first and then all cosines (Marian,
    Pegasus), a permutation of the same columns, which the weights around it can undo. Computed in
    float64 and rounded to float32, as public checkpoints store it. Raises SettingError for an odd d_model.
    """
    if d_model % 2:
        raise SettingError.because("d_model", d_model, "an even number with sinusoids", f"use {d_model + 1}")
    position = torch.arange(length, dtype=torch.float64)[:, None]
    pair = torch.arange(d_model // 2, dtype=torch.float64)
    angle = position / 10000.0 ** (2 * pair / d_model)
    if layout == "halves":
        return torch.cat((angle.sin(), angle.cos()), dim=1).float()
    return torch.stack((angle.sin(), angle.cos()), dim=2).flatten(1).float()


class SinusoidalPositions(nn.Module):
    """x + PE, for sentences of any length: the table grows when a longer one comes."""

    def __init__(self, d_model: int, layout: str = "halves", expected: int = 256) -> None:
        super().__init__()
        self.layout = layout
        self.table: Tensor
        self.register_buffer("table", sinusoids(expected, d_model, layout), persistent=False)

    def forward(self, x: Hidden, first: int = 0) -> Hidden:
        """Add the encodings of positions ``first``, ``first`` + 1, …"""
        end = first + x.shape[1]
        if end > len(self.table):
            self.table = sinusoids(2 * end, x.shape[2], self.layout).to(self.table)
        return x + self.table[first:end].to(x.dtype)


class LearnedPositions(nn.Module):
    """x + P with a trained row for each of ``longest`` positions (row E of Table 3)."""

    def __init__(self, longest: int, d_model: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(longest, d_model))
        nn.init.normal_(self.weight, std=d_model**-0.5)

    def forward(self, x: Hidden, first: int = 0) -> Hidden:
        """Add the rows of positions ``first``, ``first`` + 1, … Raises SettingError beyond the last row."""
        end = first + x.shape[1]
        if end > len(self.weight):
            raise SettingError.because(
                "positions", end, f"at most {len(self.weight)}, the learned ones", "shorten or split the text"
            )
        return x + self.weight[first:end]


class NoPositions(nn.Module):
    """x as it is: a bag of words (``study order``)."""

    def forward(self, x: Hidden, first: int = 0) -> Hidden:
        """Nothing is added."""
        return x
