"""N equal blocks over an embedding: the left and the right half of figure 1."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from regard.layers.cache import LayerCache
from regard.layers.mask import causal_mask
from regard.layers.position import in_order
from regard.models.block import DecoderBlock, EncoderBlock
from regard.models.embedder import Embedder
from regard.notation import Bias, Hidden, Ids, KeyPlaces, Mask, Memory, Places, SourceIds, StepHidden, StepIds


class Encoder(nn.Module):
    """Every position of a text, after it has looked N times at all the others that ``mask`` lets it see.

    ``bias``: relative positions, worked out once and added to the scores of every block. Blocks may be one and the
    same module several times over (ALBERT).
    """

    def __init__(
        self,
        embed: Embedder,
        blocks: Sequence[EncoderBlock],
        final_norm: nn.Module | None = None,
        bias: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.embed = embed
        self.bias = bias
        self.blocks = nn.ModuleList(blocks)
        self.final_norm = final_norm

    def forward(
        self, ids: SourceIds, mask: Mask | None, types: SourceIds | None = None, places: KeyPlaces | None = None
    ) -> Memory:
        """The memory [B, S, D]. ``places``: 0, 1, 2 … unless given."""
        x = self.embed(ids, places, types)
        places = in_order(ids) if places is None else places
        bias = _relative(self.bias, places, places)
        for block in self.blocks:
            x = block(x, mask, bias, places)
        return x if self.final_norm is None else self.final_norm(x)

    def read_on(
        self, ids: Ids, caches: Sequence[LayerCache], mask: Mask | None, places: Places, known: KeyPlaces
    ) -> Hidden:
        """More positions of texts whose beginnings are in the caches; ``known`` are all places, the new ones last."""
        x = self.embed(ids, places)
        bias = _relative(self.bias, places, known)
        for block, cache in zip(self.blocks, caches, strict=True):
            x = block(x, mask, bias, places, cache)
        return x if self.final_norm is None else self.final_norm(x)


class Decoder(nn.Module):
    """Every position of the target, after it has looked N times at those before it and at the memory."""

    def __init__(
        self,
        embed: Embedder,
        blocks: Sequence[DecoderBlock],
        final_norm: nn.Module | None = None,
        bias: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.embed = embed
        self.bias = bias
        self.blocks = nn.ModuleList(blocks)
        self.final_norm = final_norm

    def forward(self, ids: Ids, memory: Memory, memory_mask: Mask | None) -> Hidden:
        """All positions of a known target at once."""
        x = self.embed(ids)
        self_mask = causal_mask(ids.shape[1], ids.device)
        places = in_order(ids)
        bias = _relative(self.bias, places, places)
        for block in self.blocks:
            x = block(x, memory, self_mask, memory_mask, bias, places)
        return x if self.final_norm is None else self.final_norm(x)

    def start(self, memory: Memory) -> list[LayerCache]:
        """A cache a layer, with the memory's keys and values."""
        return [LayerCache(block.cross_attention.remember(memory)) for block in self._decoder_blocks()]

    def step(self, tokens: StepIds, position: int, caches: list[LayerCache], memory_mask: Mask | None) -> StepHidden:
        """The state [R, 1, D] of the newest token of each hypothesis, which stands at ``position``."""
        known = torch.arange(position + 1, device=tokens.device)[None]
        places = known[:, -1:]
        x = self.embed(tokens[:, None], places)
        bias = _relative(self.bias, places, known)
        for block, cache in zip(self._decoder_blocks(), caches, strict=True):
            x = block.step(x, cache, memory_mask, bias, places)
        return x if self.final_norm is None else self.final_norm(x)

    def _decoder_blocks(self) -> list[DecoderBlock]:
        return list(self.blocks)  # type: ignore[arg-type]


def _relative(bias: nn.Module | None, query: Places, key: KeyPlaces) -> Bias | None:
    return None if bias is None else bias(query, key)
