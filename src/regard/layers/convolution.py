"""Convolution over positions, with attention and recurrence the third way to treat a sequence (section 4, Table 1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from regard.errors import SettingError
from regard.notation import Hidden, SourceMask, StepHidden, Vectors


class Convolution(nn.Module):
    """y_t = W [x_{t−l}; …; x_{t−l+k−1}] + b: every window of k positions, as one long vector, times one matrix.

    Centred windows, of odd width k, reach l = (k−1)/2 positions to either side; ``causal`` ones end at t (l = k−1).
    Outside of the text there are zeros. W is [d_out, k · d_in]; that of ``torch.nn.Conv1d`` has the same numbers as
    [d_out, d_in, k].
    """

    def __init__(self, d_in: int, d_out: int, width: int, *, causal: bool = False) -> None:
        """Raises SettingError for an even width where windows are centred."""
        super().__init__()
        if not causal:
            check_centred(width)
        self.product = nn.Linear(width * d_in, d_out)
        self.width = width
        self.left = width - 1 if causal else width // 2

    def forward(self, x: Hidden, real: SourceMask | None = None) -> Vectors:
        """Of all positions at once; those that ``real`` [B, T] does not name (padding) count as zeros, too."""
        if real is not None:
            x = x * real[:, :, None].to(x.dtype)
        length = x.shape[1]
        x = functional.pad(x, (0, 0, self.left, self.width - 1 - self.left))
        return self.product(torch.cat([x[:, first : first + length] for first in range(self.width)], 2))

    def nothing(self, rows: int) -> Tensor:
        """What stands before the first position: k − 1 zeros a row, [R, k−1, D]."""
        weight = self.product.weight
        return weight.new_zeros(rows, self.width - 1, weight.shape[1] // self.width)

    def step(self, x: StepHidden, past: Tensor) -> tuple[Vectors, Tensor]:
        """The newest position of a causal convolution, after the last k − 1 inputs ``past`` [R, k−1, D].

        Returns its output, and the past of the next step.
        """
        assert self.left == self.width - 1, "a step sees no future"
        window = torch.cat((past, x), 1)
        return self.product(window.flatten(1))[:, None], window[:, 1:]


class GatedLinearUnit(nn.Module):
    """a ⊗ σ(b), where a is the first half of the input's values and b the second (Dauphin et al. 2017)."""

    def forward(self, x: Vectors) -> Hidden:
        """Half as wide as ``x``."""
        return functional.glu(x, -1)


def check_centred(width: int) -> None:
    """A window has a middle if its width is odd. Raises SettingError."""
    if width % 2 == 0:
        raise SettingError.because("width", width, "an odd number, so that windows are centred", f"use {width + 1}")
