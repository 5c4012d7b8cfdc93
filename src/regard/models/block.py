"""One layer of the encoder and one of the decoder (the two boxes of figure 1).

The encoder's block, with the future hidden by a mask, is also the block of a decoder-only model such as GPT.
"""

from __future__ import annotations

from torch import nn

from regard.layers.cache import LayerCache
from regard.layers.feedforward import FeedForward
from regard.layers.multihead import KeyValues, MultiHeadAttention
from regard.layers.residual import NoResidual, PostNorm, PreNorm
from regard.notation import (
    Bias,
    Hidden,
    Mask,
    Memory,
    Places,
    Real,
    SelfBias,
    SelfMask,
    StepBias,
    StepHidden,
    StepMask,
)

Residual = PostNorm | PreNorm | NoResidual


class EncoderBlock(nn.Module):
    """Self-attention, then the feed-forward network, each inside its residual connection."""

    def __init__(
        self,
        self_attention: MultiHeadAttention,
        feed_forward: FeedForward,
        around_self_attention: Residual,
        around_feed_forward: Residual,
    ) -> None:
        super().__init__()
        self.self_attention = self_attention
        self.feed_forward = feed_forward
        self.around_self_attention = around_self_attention
        self.around_feed_forward = around_feed_forward

    def forward(
        self,
        x: Hidden,
        mask: Mask | None,
        bias: Bias | None = None,
        places: Places | None = None,
        cache: LayerCache | None = None,
        real: Real | None = None,
        marks: Hidden | None = None,
    ) -> Hidden:
        """One layer on. ``mask`` hides padding, or the future; with a ``cache``, ``x`` goes on from what is in it.

        ``real``: the positions that are no padding, for norms over several of them. ``marks``: added to what queries
        and keys are made of, not to what values are (positions, in DETR).
        """
        attention = self.self_attention
        x = self.around_self_attention(x, lambda y: _attend(attention, y, mask, bias, places, cache, marks), real)
        return self.around_feed_forward(x, self.feed_forward, real)


class DecoderBlock(nn.Module):
    """Masked self-attention, attention to the memory, then the feed-forward network."""

    def __init__(
        self,
        self_attention: MultiHeadAttention,
        cross_attention: MultiHeadAttention,
        feed_forward: FeedForward,
        around_self_attention: Residual,
        around_cross_attention: Residual,
        around_feed_forward: Residual,
    ) -> None:
        super().__init__()
        self.self_attention = self_attention
        self.cross_attention = cross_attention
        self.feed_forward = feed_forward
        self.around_self_attention = around_self_attention
        self.around_cross_attention = around_cross_attention
        self.around_feed_forward = around_feed_forward

    def forward(
        self,
        x: Hidden,
        memory: Memory,
        self_mask: SelfMask | None,
        memory_mask: Mask | None,
        bias: SelfBias | None = None,
        places: Places | None = None,
        real: Real | None = None,
        marks: Hidden | None = None,
        marked_memory: Memory | None = None,
    ) -> Hidden:
        """One layer on, for all positions of a target that is known (teacher forcing).

        ``marks`` as above, in both attentions; ``marked_memory``: the memory with its own.
        """
        attention, cross = self.self_attention, self.cross_attention
        x = self.around_self_attention(x, lambda y: _attend(attention, y, self_mask, bias, places, marks=marks), real)
        remembered = cross.remember(memory, marked=marked_memory)
        x = self.around_cross_attention(x, lambda y: cross(_marked(y, marks), remembered, memory_mask), real)
        return self.around_feed_forward(x, self.feed_forward, real)

    def step(
        self,
        x: StepHidden,
        cache: LayerCache,
        memory_mask: Mask | None,
        bias: StepBias | None = None,
        places: Places | None = None,
        mask: StepMask | None = None,
    ) -> StepHidden:
        """One layer on, for the newest position of R hypotheses: what came before is in the cache."""
        memory = cache.memory
        assert memory is not None, "a decoder's cache holds the memory"
        x = self.around_self_attention(x, lambda y: _attend(self.self_attention, y, mask, bias, places, cache))
        x = self.around_cross_attention(x, lambda y: self._attend_to_memory(y, memory, memory_mask))
        return self.around_feed_forward(x, self.feed_forward)

    def _attend_to_memory(self, x: StepHidden, memory: KeyValues, mask: Mask | None) -> StepHidden:
        """The beams of a sentence look at one memory: to attention they are just more target positions."""
        beams_as_positions = x.reshape(memory.key.shape[0], -1, x.shape[2])
        return self.cross_attention(beams_as_positions, memory, mask).view_as(x)


def _attend(
    attention: MultiHeadAttention,
    x: Hidden,
    mask: Mask | None,
    bias: Bias | None,
    places: Places | None,
    cache: LayerCache | None = None,
    marks: Hidden | None = None,
) -> Hidden:
    """Self-attention, of ``x`` alone or also to what the cache holds."""
    marked = _marked(x, marks)
    own = attention.remember(x, places, marked)
    return attention(marked, own if cache is None else cache.extend(own), mask, bias, places)


def _marked(x: Hidden, marks: Hidden | None) -> Hidden:
    return x if marks is None else x + marks
