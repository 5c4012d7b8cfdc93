"""A model that writes on a test set: its translations, their scores, and its perplexity on the references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from regard.data.batching import rectangles
from regard.data.tokenizers.tokenizer import Tokenizer
from regard.decoding.settings import DecodingSettings
from regard.decoding.translator import Progress
from regard.evaluation.compare import Entry, Facts
from regard.evaluation.perplexity import Perplexity, perplexity
from regard.evaluation.scores import Scores
from regard.evaluation.summaries import Summaries, rouge
from regard.evaluation.translation import score
from regard.runs.folder import METRICS, training_seconds
from regard.runs.journal import read_journal
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


def facts_of(name: str, model: Model) -> Facts:
    """What a run's folder tells of it; a public checkpoint has no story of its training."""
    return Facts(name, model.family, model.parameters, training_seconds(model.folder), training_speed(model.folder))


def training_speed(folder: Path) -> float | None:
    """What training went through in a second, by the run's journal: target tokens, or texts; None where none tells.

    n / Σᵢ(1/vᵢ) over the journal's n speeds, since each record stands for as many steps, not for as much time.
    """
    if not (folder / METRICS).exists():
        return None
    found = [record.get("tokens_per_second") for record in read_journal(folder / METRICS)]
    speeds = [speed for speed in found if isinstance(speed, int | float) and speed > 0]
    return len(speeds) / sum(1 / speed for speed in speeds) if speeds else None


def translated(
    facts: Facts,
    model: Model,
    sources: Sequence[str],
    references: Sequence[str],
    settings: DecodingSettings,
    progress: Progress | None = None,
) -> Entry:
    """A translator's part of a comparison: its translations, and its perplexity on the references."""
    translations = [found.text for found in model.translations(sources, settings, progress)]
    return Entry(facts, translations, reference_perplexity(model, sources, references))


def same_pieces(tokenizers: Sequence[Tokenizer], texts: Sequence[str]) -> bool:
    """Whether all have one vocabulary and cut ``texts`` alike, so that their perplexities per token compare."""

    def cut(tokenizer: Tokenizer) -> tuple[list[str], list[list[int]]]:
        return tokenizer.pieces_of(range(tokenizer.size)), tokenizer.encode_batch(list(texts))

    first = cut(tokenizers[0])
    return all(cut(other) == first for other in tokenizers[1:])
