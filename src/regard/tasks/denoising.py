"""Denoising: restore a text, or what is missing from it, out of what noise has left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from regard.data.batching import Batch, batch_of
from regard.data.noise import (
    InfillNoise,
    Pieces,
    SpanNoise,
    infill,
    leave_out_spans,
    numpy_chance,
    permute_sentences,
)
from regard.tasks.loss import Losses
from regard.tasks.text_to_text import SequenceModel, text_to_text_losses


@dataclass(frozen=True)
class SpanCorruption:
    """Predict the spans that were left out, one after the other (Raffel et al. 2020, section 3.1.4: T5)."""

    noise: SpanNoise = field(default_factory=SpanNoise)
    label_smoothing: float = 0.0

    def collate(self, texts: Sequence[np.ndarray], sentinels: Sequence[int], pads: tuple[int, int], eos: int) -> Batch:
        """Texts of ids without specials, noised anew each time."""
        chance = numpy_chance()
        sides = [leave_out_spans(text, sentinels, self.noise, chance) for text in texts]
        return batch_of([source for source, _ in sides], [target for _, target in sides], pads, eos)

    def losses(self, model: SequenceModel, batch: Batch) -> Losses:
        """Sums over the batch's target tokens, in nats. Padding is no token."""
        return text_to_text_losses(model, batch, self.label_smoothing)


@dataclass(frozen=True)
class Infilling:
    """Predict the whole text from one with spans masked and sentences out of order (Lewis et al. 2020: BART)."""

    noise: InfillNoise = field(default_factory=InfillNoise)
    label_smoothing: float = 0.0

    def collate(self, texts: Sequence[np.ndarray], pieces: Pieces, pads: tuple[int, int], eos: int) -> Batch:
        """Texts of ids without specials, noised anew each time."""
        assert pieces.mask is not None, "a vocabulary without a mask"
        chance = numpy_chance()
        sources = list(texts)
        if self.noise.permute and pieces.sentence_ends is not None:
            sources = [permute_sentences(text, pieces.sentence_ends, chance) for text in sources]
        return batch_of([infill(text, pieces.mask, self.noise, chance) for text in sources], texts, pads, eos)

    def losses(self, model: SequenceModel, batch: Batch) -> Losses:
        """Sums over the batch's target tokens, in nats. Padding is no token."""
        return text_to_text_losses(model, batch, self.label_smoothing)
