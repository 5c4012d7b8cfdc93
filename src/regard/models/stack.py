"""Embedding, positions and N equal blocks: the left and the right half of figure 1."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from regard.layers.cache import LayerCache
from regard.layers.dropout import Dropout
from regard.layers.embedding import TokenEmbedding
from regard.layers.mask import causal_mask
from regard.models.block import DecoderBlock, EncoderBlock
from regard.notation import Hidden, Ids, Mask, Memory, SourceIds, StepHidden, StepIds


class Embedder(nn.Module):
    """Tokens plus positions, then dropout (section 5.4)."""

    def __init__(self, tokens: TokenEmbedding, positions: nn.Module, dropout_rate: float) -> None:
        super().__init__()
        self.tokens = tokens
        self.positions = positions
        self.dropout = Dropout(dropout_rate)

    def forward(self, ids: Ids, first: int = 0) -> Hidden:
        """The vectors of ``ids``, whose first stands at position ``first``."""
        return self.dropout(self.positions(self.tokens(ids), first))


class Encoder(nn.Module):
    """Every position of the source, after it has looked at all the others N times."""

    def __init__(self, embed: Embedder, blocks: Sequence[EncoderBlock], final_norm: nn.Module | None = None) -> None:
        super().__init__()
        self.embed = embed
        self.blocks = nn.ModuleList(blocks)
        self.final_norm = final_norm

    def forward(self, ids: SourceIds, mask: Mask | None) -> Memory:
        """The memory [B, S, D]."""
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x, mask)
        return x if self.final_norm is None else self.final_norm(x)


class Decoder(nn.Module):
    """Every position of the target, after it has looked N times at those before it and at the memory."""

    def __init__(self, embed: Embedder, blocks: Sequence[DecoderBlock], final_norm: nn.Module | None = None) -> None:
        super().__init__()
        self.embed = embed
        self.blocks = nn.ModuleList(blocks)
        self.final_norm = final_norm

    def forward(self, ids: Ids, memory: Memory, memory_mask: Mask | None) -> Hidden:
        """All positions of a known target at once."""
        x = self.embed(ids)
        self_mask = causal_mask(ids.shape[1], ids.device)
        for block in self.blocks:
            x = block(x, memory, self_mask, memory_mask)
        return x if self.final_norm is None else self.final_norm(x)

    def start(self, memory: Memory) -> list[LayerCache]:
        """A cache a layer, with the memory's keys and values."""
        return [LayerCache(block.cross_attention.remember(memory)) for block in self._decoder_blocks()]

    def step(self, tokens: StepIds, position: int, caches: list[LayerCache], memory_mask: Mask | None) -> StepHidden:
        """The state [R, 1, D] of the newest token of each hypothesis, which stands at ``position``."""
        x = self.embed(tokens[:, None], position)
        for block, cache in zip(self._decoder_blocks(), caches, strict=True):
            x = block.step(x, cache, memory_mask)
        return x if self.final_norm is None else self.final_norm(x)

    def _decoder_blocks(self) -> list[DecoderBlock]:
        return list(self.blocks)  # type: ignore[arg-type]
