"""A picture as a memory: a convolutional network's cells, which a decoder looks at (Xu et al. 2015)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from regard.layers.grid_attention import GridAttention
from regard.layers.grid_position import check_grid, grid_positions
from regard.layers.multihead import MultiHeadAttention
from regard.models.halves import SourceEncoder
from regard.models.recurrent import RecurrentMemory
from regard.models.resnet import ResNet
from regard.notation import Images, Mask, Memory


class CellReader(SourceEncoder):
    """What the cells of a picture [B, C, height, width] are to a Transformer's decoder: W x + PE, with PE in 2-D."""

    reads_one_by_one = True  # a picture has no tokens

    def __init__(self, backbone: ResNet, d_model: int) -> None:
        super().__init__()
        check_grid(d_model)
        self.backbone = backbone
        self.projection = nn.Linear(backbone.width, d_model)

    def forward(self, ids: Images, mask: Mask | None) -> Memory:
        """[B, P, D], row by row."""
        grid = _grid(self.backbone, ids)
        everywhere = grid.new_ones((len(grid), *grid.shape[2:])).bool()
        positions = grid_positions(everywhere, self.projection.out_features, grid.dtype)
        return self.projection(_cells(grid)) + positions

    def self_attentions(self) -> Sequence[MultiHeadAttention]:
        """Those inside the backbone, if any."""
        return attentions_in(self.backbone)


class RecurrentCellReader(SourceEncoder):
    """What they are to a recurrent decoder: the cells as they are, and their mean to begin with (section 3.1.2)."""

    reads_one_by_one = True

    def __init__(self, backbone: ResNet, layers: int, tensors: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.layers, self.tensors = layers, tensors

    def forward(self, ids: Images, mask: Mask | None) -> RecurrentMemory:
        """The states [B, P, C]. Every layer of the decoder begins with the mean."""
        cells = _cells(_grid(self.backbone, ids))
        mean = cells.mean(1)
        return RecurrentMemory(cells, ((mean,) * self.tensors,) * self.layers)

    def self_attentions(self) -> Sequence[MultiHeadAttention]:
        """Those inside the backbone, if any."""
        return attentions_in(self.backbone)


def attentions_in(backbone: ResNet) -> list[MultiHeadAttention]:
    """The attention of cells to cells, from the lowest stage up."""
    return [one.attention for one in backbone.modules() if isinstance(one, GridAttention)]


def _grid(backbone: ResNet, images: Tensor) -> Tensor:
    return backbone(images.to(backbone.stem.convolution.weight.dtype))


def _cells(grid: Tensor) -> Tensor:
    """[B, C, rows, columns] → [B, P, C]."""
    return grid.flatten(2).transpose(1, 2)
