"""Two-dimensional sinusoids: by hand, against transformers, and blind to padding."""

from __future__ import annotations

import math

import pytest
import torch
from transformers.models.detr.modeling_detr import DetrSinePositionEmbedding

from regard.errors import SettingError
from regard.layers.grid_position import grid_positions


def ragged() -> torch.Tensor:
    """Three images in a grid of 4 × 5: all of it, 2 × 5, 3 × 2."""
    real = torch.zeros(3, 4, 5, dtype=torch.bool)
    for mask, (rows, columns) in zip(real, ((4, 5), (2, 5), (3, 2)), strict=True):
        mask[:rows, :columns] = True
    return real


def test_by_hand():
    """One row of two cells, d = 8: the row is at 2π; the columns at π and 2π; the second pair turns 100 times slower.

    The small number that keeps from dividing by zero is within 2e-5 of nothing.
    """
    found = grid_positions(torch.ones(1, 1, 2, dtype=torch.bool), 8, torch.float64)

    def pairs(angle: float) -> list[float]:
        return [math.sin(angle), math.cos(angle), math.sin(angle / 100), math.cos(angle / 100)]

    wanted = [pairs(2 * math.pi) + pairs(math.pi), pairs(2 * math.pi) + pairs(2 * math.pi)]
    torch.testing.assert_close(found, torch.tensor([wanted], dtype=torch.float64), rtol=0, atol=2e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("d_model", [8, 12, 32])
def test_it_is_what_transformers_computes(d_model, dtype, tolerance):
    real = ragged()
    theirs = DetrSinePositionEmbedding(d_model // 2, normalize=True)
    wanted = theirs(torch.Size((3, d_model, 4, 5)), "cpu", dtype, mask=real).flatten(2).mT
    torch.testing.assert_close(grid_positions(real, d_model, dtype), wanted, rtol=0, atol=tolerance)


def test_padding_moves_no_cell():
    padded = grid_positions(ragged(), 8).view(3, 4, 5, 8)
    for image, (rows, columns) in enumerate(((4, 5), (2, 5), (3, 2))):
        alone = grid_positions(torch.ones(1, rows, columns, dtype=torch.bool), 8).view(rows, columns, 8)
        torch.testing.assert_close(padded[image, :rows, :columns], alone, rtol=0, atol=0)


def test_nothing_but_padding_gives_numbers():
    assert grid_positions(torch.zeros(1, 2, 2, dtype=torch.bool), 8).isfinite().all()


def test_a_narrow_model_has_no_room_for_two_directions():
    message = r"d_model: got 6; expected a multiple of 4 with a grid of cells; use 8\."
    with pytest.raises(SettingError, match=message):
        grid_positions(torch.ones(1, 1, 1, dtype=torch.bool), 6)
