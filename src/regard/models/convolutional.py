"""The convolutional encoder–decoder (ConvS2S): Gehring et al. 2017, "Convolutional Sequence to Sequence Learning".

Sections below are that paper's. h: hidden states, of width d; e and g: the embedded source and target, z: what the
encoder makes of the source, all of width f. Sums of two are multiplied by √½ (section 3.4): for attention the
equations do not show it, but the authors' code (fairseq) has it, as here.

There is no weight normalisation, which the authors train with, and the softmax is what the family hands in. The
much-read Multi30k tutorial (Trevett) lets the layers share one W_d, does not multiply the context by m √(1/m), and
does not hide padding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from regard.layers.attention import Recorder, attention
from regard.layers.convolution import Convolution, GatedLinearUnit
from regard.layers.dropout import Dropout
from regard.layers.multihead import KeyValues, join_heads, split_heads
from regard.layers.similarity import DotProduct
from regard.models.embedder import Embedder
from regard.models.halves import SourceEncoder, TargetDecoder
from regard.notation import Hidden, Ids, Mask, Memory, SourceIds, SourceMask, StepHidden, StepIds, Vectors

ROOT_HALF = math.sqrt(0.5)
plain_dot_product = DotProduct(scale=1.0)


class ConvolutionalMemory(NamedTuple):
    """What was made of a source: the keys z, and the values, in which z has its own embedding beside it."""

    states: Memory
    values: Memory


class ConvolutionalBlock(nn.Module):
    """v(W dropout(h) + b), a convolution to 2d values a position and a gated linear unit v (section 3.2)."""

    def __init__(self, convolution: Convolution, dropout_rate: float) -> None:
        super().__init__()
        self.dropout = Dropout(dropout_rate)
        self.convolution = convolution
        self.gate = GatedLinearUnit()

    def forward(self, h: Hidden, real: SourceMask | None = None) -> Hidden:
        """Of all positions; padding counts as zeros."""
        return self.gate(self.convolution(self.dropout(h), real))

    def step(self, h: StepHidden, past: Tensor) -> tuple[StepHidden, Tensor]:
        """Of the newest position, and what the next step needs."""
        y, past = self.convolution.step(self.dropout(h), past)
        return self.gate(y), past


class MultiStepAttention(nn.Module):
    """(h + W_c c)·√½ with c = Σ_j a_j v_j, a = softmax_j(d · z_j), d = (W_d h + b_d + g)·√½ (section 3.3, eq. 1, 2).

    Each layer has one, and looks again. ``recorder``, where set, receives the weights of every call. W_c, which the
    authors' code has, is what lets c, of width f, be added to h.
    """

    def __init__(self, query: nn.Linear, output: nn.Linear) -> None:
        super().__init__()
        self.query = query
        self.output = output
        self.recorder: Recorder | None = None

    def forward(self, h: Hidden, g: Vectors, remembered: KeyValues, mask: Mask | None) -> Hidden:
        """What each position of ``h`` becomes, where the token ``g`` stands, by what it gathers from the source."""
        d = (self.query(h) + g) * ROOT_HALF
        context = attention(
            split_heads(d, 1),
            remembered.key,
            remembered.value,
            mask=mask,
            similarity=plain_dot_product,
            recorder=self.recorder,
        )
        return (h + self.output(join_heads(context))) * ROOT_HALF


class ConvolutionalEncoder(SourceEncoder):
    """z = N blocks over the embedded source, each inside a residual connection (section 3.2).

    ``wide`` leads from the embedding's width to the blocks', ``narrow`` back. The gradient that z receives is divided
    by ``readers``, the attention mechanisms that read it; that of e is not (section 3.4; fairseq divides by twice as
    many).
    """

    def __init__(
        self, embed: Embedder, wide: nn.Linear, blocks: Sequence[ConvolutionalBlock], narrow: nn.Linear, readers: int
    ) -> None:
        super().__init__()
        self.embed = embed
        self.wide = wide
        self.blocks = nn.ModuleList(blocks)
        self.narrow = narrow
        self.readers = readers

    def forward(self, ids: SourceIds, mask: Mask | None) -> ConvolutionalMemory:
        """The keys z and the values (z + e)·√½ · √m, with m the source's length.

        A context's factor m √(1/m) = √m, which makes up for the variance that a mean of m vectors loses (section 3.4),
        is put on the values, once for all layers and positions.
        """
        real = None if mask is None else mask[:, 0, 0]
        e = self.embed(ids)
        h = self.wide(e)
        for block in self.blocks:
            h = (block(h, real) + h) * ROOT_HALF
        z = self.narrow(h)
        if self.training and z.requires_grad:
            z.register_hook(lambda gradient: gradient / self.readers)
        length = torch.tensor(ids.shape[1], device=ids.device) if real is None else real.sum(1)[:, None, None]
        return ConvolutionalMemory(z, (z + e) * (0.5 * length.double()).sqrt().to(z.dtype))


class ConvolutionalDecoderBlock(nn.Module):
    """A causal convolution, then attention to the source, inside one residual connection."""

    def __init__(self, block: ConvolutionalBlock, cross_attention: MultiStepAttention) -> None:
        super().__init__()
        self.block = block
        self.cross_attention = cross_attention

    def forward(self, h: Hidden, g: Vectors, remembered: KeyValues, mask: Mask | None) -> Hidden:
        """One layer on, for all positions of a known target."""
        return (self.cross_attention(self.block(h), g, remembered, mask) + h) * ROOT_HALF

    def step(
        self, h: StepHidden, g: Tensor, past: Tensor, remembered: KeyValues, mask: Mask | None
    ) -> tuple[StepHidden, Tensor]:
        """One layer on, for the newest position of R hypotheses, and what the next step needs.

        The beams of a sentence look at one memory: to attention they are just more target positions.
        """
        y, past = self.block.step(h, past)
        sentences = len(remembered.key)
        beams, tokens = (x.reshape(sentences, -1, x.shape[2]) for x in (y, g))
        attended = self.cross_attention(beams, tokens, remembered, mask).view_as(h)
        return (attended + h) * ROOT_HALF, past


class ConvolutionCache:
    """The last k − 1 inputs of every layer's convolution, [N, R, k−1, D], and the memory that all layers look at."""

    def __init__(self, past: Tensor, memory: KeyValues) -> None:
        self.past = past
        self.memory = memory

    def reorder(self, rows: Tensor) -> None:
        """Hypothesis i goes on from what hypothesis ``rows[i]`` was."""
        self.past = self.past.index_select(1, rows)

    def keep(self, sentences: Tensor, rows: Tensor) -> None:
        """Only these sentences, and their rows, go on."""
        self.memory = KeyValues(*(kept.index_select(0, sentences) for kept in self.memory))
        self.reorder(rows)


class ConvolutionalDecoder(TargetDecoder):
    """Every position of the target, after N times a look at the k − 1 before it and at the source.

    ``wide`` leads from the embedding's width to the blocks', ``narrow`` back, to what the softmax reads.
    """

    def __init__(
        self,
        embed: Embedder,
        wide: nn.Linear,
        blocks: Sequence[ConvolutionalDecoderBlock],
        narrow: nn.Linear,
        dropout_rate: float,
    ) -> None:
        super().__init__()
        self.embed = embed
        self.wide = wide
        self.blocks = nn.ModuleList(blocks)
        self.narrow = narrow
        self.dropout = Dropout(dropout_rate)

    def forward(self, ids: Ids, memory: ConvolutionalMemory, memory_mask: Mask | None) -> Vectors:
        """All positions of a known target at once."""
        remembered = _remember(memory)
        g = self.embed(ids)
        h = self.wide(g)
        for block in self.blocks:
            h = block(h, g, remembered, memory_mask)
        return self.dropout(self.narrow(h))

    def start(self, memory: ConvolutionalMemory, beams: int) -> list[ConvolutionCache]:
        """One cache for all layers: before the first position there are zeros."""
        rows = len(memory.states) * beams
        past = torch.stack([block.block.convolution.nothing(rows) for block in _blocks(self)])
        return [ConvolutionCache(past, _remember(memory))]

    def step(
        self, tokens: StepIds, position: int, caches: list[ConvolutionCache], memory_mask: Mask | None
    ) -> StepHidden:
        """The state [R, 1, D] of the newest token of each hypothesis, which stands at ``position``."""
        (cache,) = caches
        g = self.embed(tokens[:, None], torch.full((1, 1), position, device=tokens.device))
        h, pasts = self.wide(g), []
        for block, past in zip(_blocks(self), cache.past, strict=True):
            h, past = block.step(h, g, past, cache.memory, memory_mask)
            pasts.append(past)
        cache.past = torch.stack(pasts)
        return self.dropout(self.narrow(h))

    def cross_attentions(self) -> list[MultiStepAttention]:
        """One a block."""
        return [block.cross_attention for block in _blocks(self)]


def _remember(memory: ConvolutionalMemory) -> KeyValues:
    return KeyValues(split_heads(memory.states, 1), split_heads(memory.values, 1))


def _blocks(decoder: ConvolutionalDecoder) -> list[Any]:
    return list(decoder.blocks)
