"""From pictures to the vectors that the first layer reads: a token for each patch (Dosovitskiy et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from regard.errors import DataError
from regard.layers.dropout import Dropout
from regard.notation import Hidden, Images


class PatchEmbedder(nn.Module):
    """[class; patch_1 E; …; patch_P E] + positions, then dropout (equation 1).

    A patch is p × p pixels of every channel as one row of numbers. Pictures of another size than the positions were
    learnt for get positions between the learnt ones (bicubic, section 3.2 of the paper).
    """

    def __init__(self, size: tuple[int, int], patch: int, d_model: int, dropout_rate: float, channels: int = 3) -> None:
        super().__init__()
        self.patch = patch
        self.grid = size[0] // patch, size[1] // patch
        self.projection = nn.Conv2d(channels, d_model, patch, patch)  # its weights alone: see ``forward``
        self.first = nn.Parameter(torch.zeros(1, 1, d_model))
        self.positions = nn.Parameter(torch.zeros(1, 1 + self.grid[0] * self.grid[1], d_model))
        self.dropout = Dropout(dropout_rate)

    def forward(self, images: Images, places: None = None, types: None = None) -> Hidden:
        """[B, C, height, width] → [B, 1 + P, D]. Raises DataError where a side is no multiple of the patch."""
        grid = self._grid(images)
        weight = self.projection.weight.flatten(1)
        x = functional.linear(patches(images, self.patch), weight, self.projection.bias)
        x = torch.cat((self.first.expand(len(x), -1, -1), x), 1)
        return self.dropout(x + self.positions_for(grid))

    def real(self, images: Images) -> None:
        """Every patch is one."""
        return None

    def positions_for(self, grid: tuple[int, int]) -> Tensor:
        """[1, 1 + P, D]: those learnt, or between them where the grid is another one."""
        if grid == self.grid:
            return self.positions
        first, rest = self.positions[:, :1], self.positions[:, 1:]
        plane = rest.unflatten(1, self.grid).permute(0, 3, 1, 2)
        plane = functional.interpolate(plane, grid, mode="bicubic", align_corners=False)
        return torch.cat((first, plane.flatten(2).transpose(1, 2)), 1)

    def _grid(self, images: Tensor) -> tuple[int, int]:
        height, width = images.shape[-2:]
        if height % self.patch or width % self.patch:
            got, expected = f"{height} × {width} pixels", f"multiples of the patch, {self.patch}"
            raise DataError.because("picture", got, expected, "resize the pictures")
        return height // self.patch, width // self.patch


def patches(images: Images, size: int) -> Tensor:
    """[B, C, height, width] → [B, P, C·p·p], row by row: as a convolution with stride p sees them."""
    count, channels, height, width = images.shape
    cut = images.reshape(count, channels, height // size, size, width // size, size)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(count, -1, channels * size * size)
