"""Several systems on one test set as the rows of a table; the first is what the others are tested against.

Three kinds of systems: translators (``compare``), classifiers (``compare_labels``) and those that predict a text
(``TextRow``). A picture needs of each kind only what ``Compared`` says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from regard.errors import DataError
from regard.evaluation.classification import classification, mcnemar
from regard.evaluation.interval import Interval
from regard.evaluation.perplexity import Perplexity
from regard.evaluation.scores import Bucket, Score
from regard.evaluation.translation import against, bleu_by_length, score

EDGES = (10, 20, 30, 40)  # the ends of the buckets of source length


@dataclass(frozen=True)
class Facts:
    """What is known of a system before it is measured; None, or no family: unknown.

    ``seconds`` is the time of its training, ``speed`` what it learnt from in each of them (see ``unit``).
    """

    name: str
    family: str = ""
    parameters: int | None = None
    seconds: float | None = None
    speed: float | None = None

    def cells(self, unit: str = "tokens") -> dict[str, str]:
        """Heading → text, without the name; what is unknown is an empty cell."""
        return {
            "family": self.family,
            "parameters": _told(self.parameters, ","),
            "seconds": _told(self.seconds, ".0f"),
            f"{unit}/s": _told(self.speed, ",.0f"),
        }


@runtime_checkable
class Compared(Protocol):
    """What a table or a picture asks of a row, whatever the kind of its system."""

    @property
    def facts(self) -> Facts:
        """What is known of the system."""

    @property
    def p_value(self) -> float | None:
        """That of "the first measure is the first system's"; None for the first, and where there is no such test."""

    @property
    def measures(self) -> Mapping[str, Interval]:
        """What is drawn, the most important first; an interval of no width: none is known."""

    @property
    def by_length(self) -> Sequence[Bucket]:
        """The scores by source length, where these were counted."""

    def cells(self) -> dict[str, str]:
        """Heading → text of the scores."""

    def to_dict(self) -> dict[str, Any]:
        """The row as plain values for JSON."""


@dataclass(frozen=True)
class Entry:
    """A translator to compare: what is known of it, its translations of the test set, and its surprise (or None)."""

    facts: Facts
    hypotheses: Sequence[str]
    surprise: Perplexity | None = None


@dataclass(frozen=True)
class Row:
    """A translator's scores; ``delta`` and ``p_value`` are BLEU's against the first (None for the first itself)."""

    facts: Facts
    bleu: Score
    chrf: Score
    surprise: Perplexity | None = None
    delta: float | None = None
    p_value: float | None = None
    by_length: tuple[Bucket, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def measures(self) -> dict[str, Interval]:
        """BLEU and chrF."""
        return {"BLEU": _interval(self.bleu), "chrF": _interval(self.chrf)}

    def cells(self) -> dict[str, str]:
        """Heading → text."""
        known = self.surprise
        return {
            "perplexity": "" if known is None else f"{known.perplexity:.2f}",
            "nats/word": "" if known is None else _told(known.nats_per_word, ".3f"),
            "BLEU": _with_interval(self.bleu),
            "chrF": _with_interval(self.chrf),
            "Δ BLEU": _told(self.delta, "+.2f"),
            "p": _told(self.p_value, ".4f"),
        }

    def to_dict(self) -> dict[str, Any]:
        """As plain values; the facts and the perplexity stand beside the scores."""
        known = self.surprise
        table = {name: value for name, value in asdict(self).items() if name not in ("facts", "surprise")}
        perplexity = None if known is None else _finite(known.perplexity)
        nats_per_word = None if known is None else known.nats_per_word
        return {**asdict(self.facts), "perplexity": perplexity, "nats_per_word": nats_per_word, **table}


def compare(
    entries: Sequence[Entry],
    references: Sequence[str],
    lengths: Sequence[int] | None = None,
    *,
    edges: Sequence[int] = EDGES,
    tokenize: str = "13a",
    lowercase: bool = False,
    bootstrap: int = 1000,
    seed: int = 12345,
) -> list[Row]:
    """Score every translator, and test each against the first by paired bootstrap.

    ``lengths`` are those of the sources; with them, BLEU is told for each bucket of length too. Raises DataError where
    there are no entries or one has another number of lines than the references (it is named).
    """
    if not entries:
        raise DataError.because("runs", "none", "at least one to compare", "name one or more runs")
    for entry in entries:
        if len(entry.hypotheses) != len(references):
            got, expected = f"{len(entry.hypotheses)} lines", f"as many as there are references ({len(references)})"
            raise DataError.because(entry.facts.name, got, expected, "translate the same test set with every run")
    rows: list[Row] = []
    for number, entry in enumerate(entries):
        theirs = score(
            entry.hypotheses, references, tokenize=tokenize, lowercase=lowercase, bootstrap=bootstrap, seed=seed
        )
        delta, p_value, buckets = None, None, list[Bucket]()
        if number:
            systems = (entries[0].hypotheses, entry.hypotheses)
            test = against(*systems, references, tokenize=tokenize, lowercase=lowercase, bootstrap=bootstrap, seed=seed)
            delta, p_value = test.bleu.delta, test.bleu.p_value
        if lengths is not None:
            texts = entry.hypotheses, references, lengths
            buckets = bleu_by_length(*texts, edges=edges, tokenize=tokenize, lowercase=lowercase)
        scores = theirs.bleu, theirs.chrf, entry.surprise, delta, p_value
        rows.append(Row(entry.facts, *scores, tuple(buckets), theirs.notes))
    return rows


@dataclass(frozen=True)
class LabelRow:
    """A classifier's scores, as shares; ``delta`` is the accuracy's, ``p_value`` McNemar's, against the first."""

    facts: Facts
    accuracy: Interval
    macro_f1: Interval
    delta: float | None = None
    p_value: float | None = None
    notes: tuple[str, ...] = ()
    by_length: tuple[Bucket, ...] = ()

    @property
    def measures(self) -> dict[str, Interval]:
        """In percent."""
        return {"accuracy, %": _percent(self.accuracy), "macro F1, %": _percent(self.macro_f1)}

    def cells(self) -> dict[str, str]:
        """Heading → text, in percent."""
        return {
            "accuracy, %": self.accuracy.text(2),
            "macro F1, %": self.macro_f1.text(2),
            "Δ accuracy": "" if self.delta is None else f"{100 * self.delta:+.2f}",
            "p": _told(self.p_value, ".4f"),
        }

    def to_dict(self) -> dict[str, Any]:
        """As plain values; the facts stand beside the scores."""
        table = {name: value for name, value in asdict(self).items() if name not in ("facts", "by_length")}
        return {**asdict(self.facts), **table}


def compare_labels(
    entries: Sequence[tuple[Facts, Sequence[str]]], gold: Sequence[str], labels: Sequence[str]
) -> list[LabelRow]:
    """Score the labels of every classifier, and test each against the first by McNemar's exact test.

    The macro F1 of all is the mean over the same classes, ``labels``. Raises DataError as ``classification`` does.
    """
    rows: list[LabelRow] = []
    for number, (facts, predicted) in enumerate(entries):
        scores = classification(predicted, gold, labels=labels)
        delta, p_value = None, None
        if number:
            test = mcnemar(entries[0][1], predicted, gold)
            delta, p_value = test.delta, test.p_value
        interval = macro_f1_interval(scores.confusion)
        rows.append(LabelRow(facts, scores.accuracy, interval, delta, p_value, scores.notes))
    return rows


def macro_f1(confusion: np.ndarray) -> np.ndarray:
    """The mean over the classes of F1 = 2 · hits / (examples + predictions), 0 where a class has neither.

    [… C C] → […]. A row of ``confusion`` is a true class, a column a predicted one.
    """
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    both = confusion.sum(-1) + confusion.sum(-2)
    return np.asarray((2 * hits / np.maximum(both, 1)).mean(-1))


def macro_f1_interval(confusion: Sequence[Sequence[int]], resamples: int = 1000, seed: int = 12345) -> Interval:
    """Macro F1 between the 2.5th and 97.5th percentile of its bootstrap over the examples.

    Drawing n examples with replacement is drawing the counts of the confusion matrix from a multinomial distribution.
    """
    counts = np.asarray(confusion)
    seen = counts.nonzero()
    examples, generator = int(counts.sum()), np.random.default_rng(seed)
    drawn, means = np.zeros_like(counts), np.empty(resamples)
    for number in range(resamples):
        drawn[seen] = generator.multinomial(examples, counts[seen] / examples)
        means[number] = macro_f1(drawn)
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(macro_f1(counts)), float(low), float(high))


@dataclass(frozen=True)
class TextRow:
    """How well a model predicts a text; no test says whether two differ. ``predicted``: of which tokens it is told."""

    facts: Facts
    surprise: Perplexity
    predicted: str
    p_value: float | None = None
    by_length: tuple[Bucket, ...] = ()

    @property
    def measures(self) -> dict[str, Interval]:
        """The lower the better; those that compare between tokenizers first, where they are known."""
        known = {"nats per byte": self.surprise.nats_per_byte, "nats per word": self.surprise.nats_per_word}
        found = {name: value for name, value in known.items() if value is not None}
        return {name: Interval(value, value, value) for name, value in (found or self._per_token).items()}

    @property
    def _per_token(self) -> dict[str, float]:
        return {"nats per predicted token": self.surprise.nats_per_token}

    def cells(self) -> dict[str, str]:
        """Heading → text."""
        known = self.surprise
        return {
            "perplexity": f"{known.perplexity:.2f}",
            "nats/token": f"{known.nats_per_token:.4f}",
            "nats/word": _told(known.nats_per_word, ".4f"),
            "nats/byte": _told(known.nats_per_byte, ".4f"),
            "tokens": f"{known.tokens:,}",
        }

    def to_dict(self) -> dict[str, Any]:
        """As plain values; the facts stand beside the numbers."""
        numbers = {**self.surprise.to_dict(), "perplexity": _finite(self.surprise.perplexity)}
        return {**asdict(self.facts), **numbers, "predicted": self.predicted}


def _told(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None  # JSON has no word for it


def _interval(value: Score) -> Interval:
    if value.mean is None or value.half_width is None:
        return Interval(value.score, value.score, value.score)
    return Interval(value.score, value.mean - value.half_width, value.mean + value.half_width)


def _percent(share: Interval) -> Interval:
    return Interval(100 * share.value, 100 * share.low, 100 * share.high)


def _with_interval(value: Score) -> str:
    return f"{value.score:.2f}" if value.half_width is None else f"{value.score:.2f} ± {value.half_width:.2f}"
