"""Scores of labels for each word: how many words are right, and how many spans that the labels mark.

Spans are written in BIO (Ramshaw and Marcus 1995; CoNLL-2003): ``B-X`` begins a span of type X, ``I-X`` continues it,
``O`` is outside. As conlleval does, an ``I-X`` that continues nothing begins a span. A span counts where type and both
ends are right.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from regard.errors import DataError
from regard.evaluation.interval import Interval, wilson

BIO = re.compile(r"O|[BI]-.+")


class Span(NamedTuple):
    """Words ``start`` to ``end`` (excluded) of a sentence, and what they are."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True)
class SpanScore:
    """How well the spans of one kind are found, or all together (kind "")."""

    kind: str
    precision: float
    recall: float
    f1: float
    spans: int


@dataclass(frozen=True)
class Tagging:
    """Accuracy over the labelled words, and where the labels are BIO the spans: all together, then each kind."""

    accuracy: Interval
    words: int
    sentences: int
    spans: tuple[SpanScore, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The scores as plain values for JSON."""
        return {**asdict(self), "spans": [asdict(one) for one in self.spans]}

    def rows(self) -> list[tuple[str, str, str]]:
        """A table: score, value in percent, 95 % interval."""
        low, high = 100 * self.accuracy.low, 100 * self.accuracy.high
        rows = [("accuracy of words", f"{100 * self.accuracy.value:.2f}", f"{low:.2f}–{high:.2f}")]
        return rows + [(f"F1 of spans {one.kind}".strip(), f"{100 * one.f1:.2f}", "") for one in self.spans]


def tagging(predicted: Sequence[Sequence[str]], gold: Sequence[Sequence[str | None]]) -> Tagging:
    """Score the labels of every sentence's words; a word whose gold label is None counts for nothing.

    Words of one sentence depend on each other, so the interval (Wilson's over words) is rather too narrow.
    Raises DataError for no labelled word, and for another number of sentences or of words (the sentence is named).
    """
    pairs = list(_sentences(predicted, gold))
    words = [pair for pair in _flat(pairs) if pair[1] is not None]
    if not words:
        raise DataError.because("labels", "no labelled words", "at least one", "give a test set that is not empty")
    hits = sum(found == true for found, true in words)
    in_bio = all(BIO.fullmatch(label) for pair in words for label in pair if label is not None)
    spans = _span_scores(pairs) if in_bio else ()
    return Tagging(wilson(hits, len(words)), len(words), len(pairs), spans)


def spans_of(labels: Sequence[str | None]) -> set[Span]:
    """The spans that a sentence's BIO labels mark; None, a word without label, is outside.

    Raises DataError for a label that is not BIO.
    """
    spans: set[Span] = set()
    kind, start = "", 0
    for place, label in enumerate([*labels, "O"]):
        if label is not None and not BIO.fullmatch(label):
            raise DataError.because("label", repr(label), "O, B-TYPE or I-TYPE", "write the labels as BIO")
        continues = label == f"I-{kind}" and kind
        if kind and not continues:
            spans.add(Span(kind, start, place))
        if not continues:
            kind, start = (label or "O")[2:], place
    return spans


def _sentences(
    predicted: Sequence[Sequence[str]], gold: Sequence[Sequence[str | None]]
) -> Iterator[tuple[Sequence[str], Sequence[str | None]]]:
    if len(predicted) != len(gold):
        expected = f"as many as were labelled ({len(gold)})"
        raise DataError.because("predictions", f"{len(predicted)} sentences", expected, "give one each, in order")
    for number, (found, true) in enumerate(zip(predicted, gold, strict=True), start=1):
        if len(found) != len(true):
            expected = f"one for each of its {len(true)} words"
            raise DataError.because(f"sentence {number}", f"{len(found)} labels", expected, "predict them all")
        yield found, true


def _flat(pairs: Sequence[tuple[Sequence[str], Sequence[str | None]]]) -> Iterator[tuple[str, str | None]]:
    for found, true in pairs:
        yield from zip(found, true, strict=True)


def _span_scores(pairs: Sequence[tuple[Sequence[str], Sequence[str | None]]]) -> tuple[SpanScore, ...]:
    found, true, right = Counter[str](), Counter[str](), Counter[str]()
    for predicted, gold in pairs:
        shown = [label if mark is not None else None for label, mark in zip(predicted, gold, strict=True)]
        theirs, ours = spans_of(gold), spans_of(shown)
        for counter, spans in ((found, ours), (true, theirs), (right, ours & theirs)):
            for span in spans:
                counter.update(("", span.kind))
    return tuple(
        SpanScore(
            kind,
            right[kind] / found[kind] if found[kind] else 0.0,
            right[kind] / true[kind] if true[kind] else 0.0,
            2 * right[kind] / (found[kind] + true[kind]) if found[kind] + true[kind] else 0.0,
            true[kind],
        )
        for kind in ["", *sorted((found.keys() | true.keys()) - {""})]
    )
