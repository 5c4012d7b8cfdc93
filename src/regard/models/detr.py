"""The detection Transformer (Carion et al. 2020): learned queries ask an image's grid of features for objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from regard.layers.grid_position import check_grid, grid_positions
from regard.layers.multihead import MultiHeadAttention
from regard.models.block import DecoderBlock, EncoderBlock
from regard.models.halves import Attentions
from regard.models.resnet import ResNet
from regard.models.vocabulary import NO_TEXT, Vocabulary
from regard.notation import Hidden, Images, Mask, Memory, RealCells, RealPixels


class Predictions(NamedTuple):
    """What each of Q queries says after each of N layers; the last layer's are the model's.

    ``logits`` of the classes, the last of which is "no object". ``boxes``: centre x and y, width and height as shares
    of the image, from 0 to 1.
    """

    logits: Float[Tensor, "N B Q C"]
    boxes: Float[Tensor, "N B Q 4"]


class GridEncoder(nn.Module):
    """Every cell of an image, after it has looked N times at all the others; where they are is told in every block."""

    def __init__(self, blocks: Sequence[EncoderBlock]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, cells: Hidden, mask: Mask | None, positions: Hidden) -> Memory:
        """The memory [B, P, D]."""
        for block in self.blocks:
            cells = block(cells, mask, marks=positions)
        return cells


class QueryDecoder(nn.Module):
    """Q learned queries, after they have looked N times at each other and at the memory.

    Its input is zero everywhere; in every block the learned ``queries`` are added to what asks.
    """

    def __init__(self, blocks: Sequence[DecoderBlock], queries: int, d_model: int, final_norm: nn.Module) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.empty(queries, d_model))
        nn.init.normal_(self.queries)
        self.blocks = nn.ModuleList(blocks)
        self.final_norm = final_norm

    def forward(
        self, memory: Memory, mask: Mask | None, positions: Memory, *, every: bool = False
    ) -> Float[Tensor, "N B Q D"]:
        """The normed states after the last block; after ``every`` block where wanted.

        What a block goes on from is the state before that norm, as in the original. (The library transformers feeds
        the normed one onward where it is asked for the losses of every layer, and norms the last twice.)
        """
        marks = self.queries.expand(len(memory), -1, -1)
        x, found = torch.zeros_like(marks), []
        marked = memory + positions
        for block in self.blocks:
            x = block(x, memory, None, mask, marks=marks, marked_memory=marked)
            found.append(x)
        return self.final_norm(torch.stack(found if every else found[-1:]))


class BoxHead(nn.Module):
    """σ(relu(relu(x W₁ + b₁) W₂ + b₂) W₃ + b₃): a box as shares of the image."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(d_model, width) for width in (d_model, d_model, 4))

    def forward(self, x: Tensor) -> Tensor:
        """[…, D] → […, 4], worked out in float32 at least."""
        first, second, last = self.layers
        found = last(functional.relu(second(functional.relu(first(x)))))
        return found.to(torch.promote_types(found.dtype, torch.float32)).sigmoid()


class Detr(nn.Module):
    """class, box = heads(decoder(queries, encoder(W · backbone(image)))), section 3.2.

    Padding of an image of a batch is hidden from attention, by a cell's own pixel, and its cells' positions do not
    count it. The convolutions of the backbone see it: near an image's lower and right edge their maps depend on
    whether there is padding behind it.
    """

    def __init__(
        self, backbone: ResNet, encoder: GridEncoder, decoder: QueryDecoder, d_model: int, classes: int
    ) -> None:
        super().__init__()
        check_grid(d_model)
        self.backbone = backbone
        self.projection = nn.Conv2d(backbone.width, d_model, 1)
        self.encoder = encoder
        self.decoder = decoder
        self.class_head = nn.Linear(d_model, classes + 1)
        self.box_head = BoxHead(d_model)
        self.ids: Vocabulary = NO_TEXT
        self.most_tokens: int | None = None
        draw_weights(self)

    def forward(self, images: Images, real: RealPixels, *, every: bool = False) -> Predictions:
        """``real``: which pixels are no padding. ``every`` layer's predictions, or the last one's alone."""
        cells, seen = self.see(images, real)
        states = self.ask(cells, seen, every=every)
        return Predictions(self.class_head(states), self.box_head(states))

    def see(self, images: Images, real: RealPixels) -> tuple[Float[Tensor, "B D rows columns"], RealCells]:
        """The grid of features, and which of its cells are no padding: each goes by its first pixel."""
        grid = self.projection(self.backbone(images.to(self.projection.weight.dtype)))
        return grid, functional.interpolate(real[:, None].float(), grid.shape[-2:])[:, 0] > 0

    def ask(
        self, grid: Float[Tensor, "B D rows columns"], seen: RealCells, *, every: bool = False
    ) -> Float[Tensor, "N B Q D"]:
        """What the queries know after they have looked at the grid."""
        positions = grid_positions(seen, grid.shape[1], grid.dtype)
        mask = None if bool(seen.all()) else seen.flatten(1)[:, None, None, :]
        memory = self.encoder(grid.flatten(2).transpose(1, 2), mask, positions)
        return self.decoder(memory, mask, positions, every=every)

    def attentions(self) -> Attentions:
        """That of cells to cells, of queries to queries, and of queries to cells ("cross")."""
        encoder, decoder = list[Any](self.encoder.blocks), list[Any](self.decoder.blocks)
        return {
            "encoder": [block.self_attention for block in encoder],
            "decoder": [block.self_attention for block in decoder],
            "cross": [block.cross_attention for block in decoder],
        }


def draw_weights(model: Detr) -> None:
    """Draw the matrices of both stacks as the original: from ±√(6 / (d_in + d_out)) (Glorot & Bengio 2010).

    For queries, keys and values d_out is that of all three together, which are one matrix there. Attention's biases
    are zero at first. The heads and the backbone keep what they were made with.
    """
    for stack in (model.encoder, model.decoder):
        for module in stack.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
        for module in stack.modules():
            if isinstance(module, MultiHeadAttention):
                for part in (module.query, module.key, module.value):
                    together = module.query.out_features + module.key.out_features + module.value.out_features
                    bound = (6.0 / (part.in_features + together)) ** 0.5
                    nn.init.uniform_(part.weight, -bound, bound)
                for part in (module.query, module.key, module.value, module.output):
                    nn.init.zeros_(part.bias)
