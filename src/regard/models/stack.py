"""N equal blocks over an embedding: the left and the right half of figure 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from regard.layers.cache import LayerCache
from regard.layers.mask import Sight, past
from regard.layers.multihead import MultiHeadAttention
from regard.layers.position import in_order
from regard.models.block import DecoderBlock, EncoderBlock
from regard.models.embedder import Embedder
from regard.models.halves import SourceEncoder, TargetDecoder
from regard.models.patches import PatchEmbedder
from regard.notation import (
    Bias,
    Hidden,
    Ids,
    ImageSource,
    KeyPlaces,
    Mask,
    Memory,
    Places,
    SourceIds,
    StepHidden,
    StepIds,
)


class Encoder(SourceEncoder):
    """Every position of a text or picture, after it has looked N times at all others that ``mask`` lets it see.

    ``bias``: relative positions, worked out once and added to the scores of every block. ``sees``: which places a
    place may look at, where it is not all of them. Blocks may be one and the same module several times over (ALBERT).
    """

    def __init__(
        self,
        embed: Embedder | PatchEmbedder,
        blocks: Sequence[EncoderBlock],
        final_norm: nn.Module | None = None,
        bias: nn.Module | None = None,
        sees: Sight | None = None,
    ) -> None:
        super().__init__()
        self.embed = embed
        self.bias = bias
        self.blocks = nn.ModuleList(blocks)
        self.final_norm = final_norm
        self.sees = sees

    def forward(
        self, ids: ImageSource, mask: Mask | None, types: SourceIds | None = None, places: KeyPlaces | None = None
    ) -> Memory:
        """The memory [B, S, D] of texts or pictures. ``places``: 0, 1, 2 … unless given."""
        x = self.embed(ids, places, types)
        places = in_order(x) if places is None else places
        bias = _relative(self.bias, places, places)
        real = self.embed.real(ids)
        if self.sees is not None:
            near = self.sees(places, places)
            mask = near if mask is None else mask & near
        for block in self.blocks:
            x = block(x, mask, bias, places, real=real)
        return x if self.final_norm is None else self.final_norm(x, real)

    def self_attentions(self) -> list[MultiHeadAttention]:
        """One a block."""
        return [block.self_attention for block in _blocks(self)]

    def read_on(
        self, ids: Ids, caches: Sequence[LayerCache], mask: Mask | None, places: Places, known: KeyPlaces
    ) -> Hidden:
        """More positions of texts whose beginnings are in the caches; ``known`` are all places, the new ones last."""
        x = self.embed(ids, places)
        bias = _relative(self.bias, places, known)
        for block, cache in zip(self.blocks, caches, strict=True):
            x = block(x, mask, bias, places, cache)
        return x if self.final_norm is None else self.final_norm(x)


class Decoder(TargetDecoder):
    """Every position of the target, after it has looked N times at those before it and at the memory."""

    def __init__(
        self,
        embed: Embedder,
        blocks: Sequence[DecoderBlock],
        final_norm: nn.Module | None = None,
        bias: nn.Module | None = None,
        sees: Sight = past,
    ) -> None:
        super().__init__()
        self.embed = embed
        self.bias = bias
        self.blocks = nn.ModuleList(blocks)
        self.final_norm = final_norm
        self.sees = sees

    def forward(self, ids: Ids, memory: Memory, memory_mask: Mask | None) -> Hidden:
        """All positions of a known target at once."""
        x = self.embed(ids)
        places = in_order(ids)
        mask = self.sees(places, places)
        bias = _relative(self.bias, places, places)
        real = self.embed.real(ids)
        if real is not None:
            real = real.index_fill(1, places[0, :1], True)  # the first token may be padding's id, and counts
        for block in self.blocks:
            x = block(x, memory, mask, memory_mask, bias, places, real)
        return x if self.final_norm is None else self.final_norm(x, real)

    def start(self, memory: Memory, beams: int) -> list[LayerCache]:
        """A cache a layer, with the memory's keys and values, which the beams of a sentence share."""
        return [LayerCache(attention.remember(memory)) for attention in self.cross_attentions()]

    def step(self, tokens: StepIds, position: int, caches: list[LayerCache], memory_mask: Mask | None) -> StepHidden:
        """The state [R, 1, D] of the newest token of each hypothesis, which stands at ``position``."""
        known = torch.arange(position + 1, device=tokens.device)[None]
        places = known[:, -1:]
        x = self.embed(tokens[:, None], places)
        mask = None if self.sees is past else self.sees(places, known)  # all that is known is past
        bias = _relative(self.bias, places, known)
        for block, cache in zip(_blocks(self), caches, strict=True):
            x = block.step(x, cache, memory_mask, bias, places, mask)
        return x if self.final_norm is None else self.final_norm(x)

    def self_attentions(self) -> list[MultiHeadAttention]:
        """One a block."""
        return [block.self_attention for block in _blocks(self)]

    def cross_attentions(self) -> list[MultiHeadAttention]:
        """One a block."""
        return [block.cross_attention for block in _blocks(self)]


def _blocks(stack: Encoder | Decoder) -> list[Any]:
    return list(stack.blocks)


def _relative(bias: nn.Module | None, query: Places, key: KeyPlaces) -> Bias | None:
    return None if bias is None else bias(query, key)
