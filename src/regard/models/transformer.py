"""The encoder–decoder of "Attention Is All You Need", section 3.1, and of those that came before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from regard.layers.embedding import OutputLayer
from regard.layers.mask import padding_mask
from regard.models.halves import Attentions, SourceEncoder, StepCache, TargetDecoder
from regard.models.heads import TextHead, TokenHead
from regard.models.vocabulary import Vocabulary
from regard.notation import Ids, ImageSource, Mask, Memory, RowHidden, RowIds, RowNumbers, StepIds, StepLogits

Shift = Callable[[Tensor], Tensor]


class EncoderDecoder(nn.Module):
    """P(target | source) = Π_t P(y_t | y_<t, memory), with memory = encoder(source).

    ``shift``: what the decoder reads of a text that is to be classified. Unless given, ``start`` and the text but for
    its last token.
    """

    def __init__(
        self,
        encoder: SourceEncoder,
        decoder: TargetDecoder,
        vocabulary: Vocabulary,
        *,
        output: OutputLayer | None = None,
        before_output: nn.Module | None = None,
        head: TextHead | TokenHead | None = None,
        most_tokens: int | None = None,
        shift: Shift | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.before_output = before_output
        self.output = output
        self.head = head
        self.ids = vocabulary
        self.most_tokens = most_tokens
        self.shift = shift

    @property
    def source_pad(self) -> int | None:
        """The id of padding in the source."""
        return self.ids.source_pad

    @property
    def pad(self) -> int | None:
        """The id of padding in the target."""
        return self.ids.pad

    @property
    def start(self) -> int | None:
        """The id that the decoder is fed first."""
        return self.ids.start

    @property
    def eos(self) -> int:
        """The id that ends a text."""
        return self.ids.eos

    def forward(self, source: ImageSource, target_in: RowIds, which: RowNumbers | None = None) -> RowHidden:
        """The decoder's states for known targets; ``logits`` turns them into predictions of the next token.

        ``which``: the number of each target's source, where several have one source, which is then read once.
        """
        mask = self._memory_mask(source)
        memory = self.encoder(source, mask)
        if which is not None:
            memory, mask = rows_of(memory, which), None if mask is None else mask[which]
        return self.decoder(target_in, memory, mask)

    def transform(self, hidden: Tensor) -> Tensor:
        """What the output layer reads."""
        return hidden if self.before_output is None else self.before_output(hidden)

    def logits(self, hidden: Tensor) -> Tensor:
        """[…, D] → [… V]."""
        assert self.output is not None, "a model without an output layer predicts no tokens"
        return self.output(self.transform(hidden))

    def classify(self, ids: Ids, types: Ids | None = None) -> Tensor:
        """The classes' logits [B, C]: the decoder reads the same text as the encoder (Lewis et al. 2020, 3.1)."""
        assert self.head is not None, "a model without a head has no classes"
        shift = self._after_start if self.shift is None else self.shift
        return self.head(self(ids, shift(ids)), ids)

    def encode(self, source: ImageSource) -> Memory:
        """The encoder's state of every token of a source, or cell of a picture."""
        memory = self._read(source)
        return memory if isinstance(memory, Tensor) else memory.states

    def _read(self, source: ImageSource) -> Any:
        return self.encoder(source, self._memory_mask(source))

    def attentions(self) -> Attentions:
        """All three kinds, each without layers where there is none."""
        return {
            "encoder": self.encoder.self_attentions(),
            "decoder": self.decoder.self_attentions(),
            "cross": self.decoder.cross_attentions(),
        }

    def start_decoding(self, source: ImageSource, beams: int = 1) -> DecodingState:
        """Encode, and make room for ``beams`` hypotheses a sentence, which stand in adjacent rows."""
        return DecodingState(
            caches=self.decoder.start(self._read(source), beams),
            first=torch.full((len(source) * beams,), _given(self.start), device=source.device),
            memory_mask=self._memory_mask(source),
            beams=beams,
        )

    def step(self, tokens: StepIds, state: DecodingState) -> StepLogits:
        """Feed each hypothesis its newest token (``state.first`` at first); the logits of what comes next."""
        hidden = self.decoder.step(tokens, state.position, state.caches, state.memory_mask)
        state.position += 1
        return self.logits(hidden[:, 0])

    def _after_start(self, ids: Tensor) -> Tensor:
        first = ids.new_full((len(ids), 1), _given(self.start))
        return torch.cat((first, ids[:, :-1]), 1)

    def _memory_mask(self, source: ImageSource) -> Mask | None:
        return None if self.source_pad is None else padding_mask(source, self.source_pad)


@dataclass
class DecodingState:
    """What a search keeps between steps. R = sentences × beams rows; a sentence's beams are adjacent.

    ``first`` are the tokens to feed at first.
    """

    caches: Sequence[StepCache]
    first: StepIds
    memory_mask: Mask | None
    beams: int
    position: int = 0

    def reorder(self, rows: Tensor) -> None:
        """Row i goes on from what row ``rows[i]`` was; rows stay within their sentence."""
        for cache in self.caches:
            cache.reorder(rows)

    def keep(self, sentences: Tensor) -> None:
        """Only these sentences go on."""
        beams = torch.arange(self.beams, device=sentences.device)
        rows = (sentences[:, None] * self.beams + beams).flatten()
        self.first = self.first[rows]
        self.memory_mask = None if self.memory_mask is None else self.memory_mask[sentences]
        for cache in self.caches:
            cache.keep(sentences, rows)


def rows_of(memory: Any, rows: Tensor) -> Any:
    """These rows of every tensor of a memory."""
    if isinstance(memory, Tensor):
        return memory.index_select(0, rows)
    parts = (rows_of(part, rows) for part in memory)
    return type(memory)(*parts) if hasattr(memory, "_fields") else tuple(parts)


def _given(start: int | None) -> int:
    assert start is not None, "a decoder needs an id to start from"
    return start
