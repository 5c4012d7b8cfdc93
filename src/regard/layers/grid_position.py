"""Where the cells of an image's grid are: the sinusoids of section 3.5 in two dimensions (Carion et al. 2020, A.4)."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from regard.errors import SettingError
from regard.notation import RealCells

_SMALL = 1e-6  # the original's, which keeps a column of padding from dividing by zero


def grid_positions(
    real: RealCells, d_model: int, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "B rows*columns {d_model}"]:
    """[PE(2π·row/rows) ; PE(2π·column/columns)], each half with d = d_model/2 and the sines and cosines in turn.

    A cell's row counts the ``real`` cells (no padding) of its column from 1 down to it, and ``rows`` are all of them;
    columns likewise. So an image is 2π high and wide whatever its size and its companions in the batch. Cells are in
    reading order. Raises SettingError unless 4 divides d_model.
    """
    check_grid(d_model)
    wide = torch.promote_types(dtype, torch.float32)
    counted = real.to(wide)
    down, across = counted.cumsum(1), counted.cumsum(2)
    half = d_model // 2
    pair = torch.arange(half // 2, device=real.device, dtype=wide)
    frequency = 10000.0 ** (-2 * pair / half)
    parts = []
    for place, whole in ((down, down[:, -1:]), (across, across[:, :, -1:])):
        angle = (place / (whole + _SMALL) * 2 * math.pi)[..., None] * frequency
        parts.append(torch.stack((angle.sin(), angle.cos()), -1).flatten(-2))
    return torch.cat(parts, -1).flatten(1, 2).to(dtype)


def check_grid(d_model: int) -> None:
    """Raises SettingError where d_model cannot hold a sine and a cosine for each of two directions."""
    if d_model % 4:
        near = d_model + 4 - d_model % 4
        raise SettingError.because("d_model", d_model, "a multiple of 4 with a grid of cells", f"use {near}")
