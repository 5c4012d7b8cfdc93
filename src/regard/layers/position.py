"""Positional encoding, section 3.5: attention itself does not know the order of its input."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from regard.errors import SettingError
from regard.notation import Ids, Places, Vectors


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

    def forward(self, x: Vectors, places: Places) -> Vectors:
        """Add the encoding of each token's place."""
        end = int(places.max()) + 1
        if end > len(self.table):
            self.table = sinusoids(2 * end, x.shape[2], self.layout).to(self.table)
        return x + self.table[places].to(x.dtype)


class LearnedPositions(nn.Module):
    """x + P with a trained row for each of ``longest`` places (row E of Table 3).

    ``offset`` rows of the table stand before that of place 0 (BART and RoBERTa have 2).
    """

    def __init__(self, longest: int, d_model: int, offset: int = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(offset + longest, d_model))
        nn.init.normal_(self.weight, std=d_model**-0.5)
        self.offset = offset

    def forward(self, x: Vectors, places: Places) -> Vectors:
        """Add the row of each token's place. Raises SettingError beyond the last row."""
        rows = places + self.offset
        end = int(rows.max()) + 1
        if end > len(self.weight):
            known = len(self.weight) - self.offset
            raise SettingError.because(
                "positions", end - self.offset, f"at most {known}, the learned ones", "shorten or split the text"
            )
        return x + functional.embedding(rows, self.weight)


class NoPositions(nn.Module):
    """x as it is: a bag of words, or order that attention itself is told of (relative and rotary positions)."""

    def forward(self, x: Vectors, places: Places) -> Vectors:
        """Nothing is added."""
        return x


def in_order(rows: Ids | Vectors) -> Places:
    """0, 1, 2 … for every text alike."""
    return torch.arange(rows.shape[1], device=rows.device)[None]


def among_tokens(ids: Ids, pad: int) -> Places:
    """How many tokens stand before each one, padding not counted; padding itself is at −1 (RoBERTa)."""
    real = ids != pad
    return (real.cumsum(1) * real).long() - 1
