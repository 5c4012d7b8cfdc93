"""The encoder–decoder of "Attention Is All You Need", section 3.1."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from regard.layers.cache import LayerCache
from regard.layers.embedding import OutputLayer
from regard.layers.mask import padding_mask
from regard.models.stack import Decoder, Encoder
from regard.models.vocabulary import Vocabulary
from regard.notation import Hidden, Ids, Mask, Memory, SourceIds, StepIds, StepLogits


class EncoderDecoder(nn.Module):
    """P(target | source) = Π_t P(y_t | y_<t, memory), with memory = encoder(source)."""

    def __init__(self, encoder: Encoder, decoder: Decoder, output: OutputLayer, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.output = output
        self.ids = vocabulary

    @property
    def source_pad(self) -> int:
        """The id of padding in the source."""
        return self.ids.source_pad

    @property
    def pad(self) -> int:
        """The id of padding in the target."""
        return self.ids.pad

    @property
    def start(self) -> int:
        """The id that the decoder is fed first."""
        return self.ids.start

    @property
    def eos(self) -> int:
        """The id that ends a text."""
        return self.ids.eos

    @property
    def d_model(self) -> int:
        """The width of every hidden state."""
        return self.output.weight.shape[1]

    @property
    def vocabulary(self) -> int:
        """The number of target ids."""
        return self.output.weight.shape[0]

    def forward(self, source: SourceIds, target_in: Ids) -> Hidden:
        """The decoder's states for a known target; ``logits`` turns them into predictions of the next token."""
        mask = padding_mask(source, self.source_pad)
        return self.decoder(target_in, self.encoder(source, mask), mask)

    def logits(self, hidden: Tensor) -> Tensor:
        """[…, D] → [… V]; padding's is −∞."""
        return self.output(hidden)

    def encode(self, source: SourceIds) -> Memory:
        """The encoder's output for a source of padded ids."""
        return self.encoder(source, padding_mask(source, self.source_pad))

    def start_decoding(self, source: SourceIds, beams: int = 1) -> DecodingState:
        """Encode, and make room for ``beams`` hypotheses a sentence, which stand in adjacent rows."""
        return DecodingState(
            caches=self.decoder.start(self.encode(source)),
            memory_mask=padding_mask(source, self.source_pad),
            beams=beams,
        )

    def step(self, tokens: StepIds, state: DecodingState) -> StepLogits:
        """Feed each hypothesis its newest token (``start`` at first); the logits of what comes next."""
        hidden = self.decoder.step(tokens, state.position, state.caches, state.memory_mask)
        state.position += 1
        return self.logits(hidden[:, 0])


@dataclass
class DecodingState:
    """What a search keeps between steps. R = sentences × beams rows; a sentence's beams are adjacent."""

    caches: list[LayerCache]
    memory_mask: Mask
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
        self.memory_mask = self.memory_mask[sentences]
        for cache in self.caches:
            cache.keep(sentences, rows)
