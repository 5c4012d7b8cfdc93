"""A model that writes on a test set: its translations, their scores, and its perplexity on the references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from regard.data.batching import rectangles
from regard.decoding.settings import DecodingSettings
from regard.decoding.translator import Progress
from regard.evaluation.perplexity import Perplexity, perplexity
from regard.evaluation.scores import Scores
from regard.evaluation.summaries import Summaries, rouge
from regard.evaluation.translation import score
from regard.runs.model import Model

BATCH_TOKENS = 4096


@dataclass(frozen=True)
class Measured:
    """What ``measure`` found."""

    translations: list[str]
    scores: Scores
    perplexity: Perplexity
    summaries: Summaries | None = None

    def to_dict(self) -> dict[str, Any]:
        """Everything but the translations, for JSON."""
        table = {**self.scores.to_dict(), "perplexity": self.perplexity.to_dict()}
        return {**table, "rouge": self.summaries.to_dict()} if self.summaries else table

    def rows(self) -> list[tuple[str, str, str, str]]:
        """A table: metric, score, 95 % interval, signature."""
        return [*self.scores.rows(), *(self.summaries.rows() if self.summaries else [])]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the scores should know."""
        return (*self.scores.notes, *(self.summaries.notes if self.summaries else ()))


def measure(
    model: Model,
    sources: Sequence[str],
    references: Sequence[str],
    settings: DecodingSettings,
    progress: Progress | None = None,
    with_rouge: bool = False,
) -> Measured:
    """Translate ``sources`` and compare with ``references``. Raises DataError as ``score`` does."""
    translations = [found.text for found in model.translations(sources, settings, progress)]
    surprise = reference_perplexity(model, sources, references)
    summaries = rouge(translations, references) if with_rouge else None
    return Measured(translations, score(translations, references), surprise, summaries)


def reference_perplexity(model: Model, sources: Sequence[str], references: Sequence[str]) -> Perplexity:
    """The model's perplexity on the references, per target token and per word."""
    pairs = [pair for pair in zip(sources, references, strict=True) if all(side.strip() for side in pair)]
    sides = (
        model.source_tokenizer.encode_batch([source for source, _ in pairs]),
        model.target_tokenizer.encode_batch([target for _, target in pairs]),
    )
    ids = model.module.ids
    batches = rectangles(sides, BATCH_TOKENS, (ids.source_pad, ids.pad), ids.eos)
    with torch.inference_mode():
        return perplexity(model.module, batches, words=sum(len(target.split()) for _, target in pairs))
