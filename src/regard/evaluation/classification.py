"""Scores of classifiers, computed by scikit-learn; a test of two classifiers on the same examples.

Accuracy, F1 and the others are shares, 0–1; the correlation of Matthews is −1 to 1, 0 being chance. The interval of the
accuracy is Wilson's. Where every example has exactly one label, micro F1 is the accuracy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import comb
from typing import Any

from regard.errors import DataError
from regard.evaluation.interval import Interval, wilson

FEW = 100  # examples, below which a score is said to be uncertain


@dataclass(frozen=True)
class ClassScore:
    """How well one class is found: of those called so (precision), of those that are so (recall), and F1 of the two."""

    label: str
    precision: float
    recall: float
    f1: float
    examples: int


@dataclass(frozen=True)
class Classification:
    """The scores of one classifier; ``confusion`` has a row each true class, a column each predicted one."""

    accuracy: Interval
    macro_f1: float
    micro_f1: float
    matthews: float
    classes: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    examples: int
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The scores as plain values for JSON."""
        return {**asdict(self), "notes": list(self.notes), "confusion": [list(row) for row in self.confusion]}

    def rows(self) -> list[tuple[str, str, str]]:
        """A table: score, value in percent, 95 % interval."""
        low, high = 100 * self.accuracy.low, 100 * self.accuracy.high
        return [
            ("accuracy", f"{100 * self.accuracy.value:.2f}", f"{low:.2f}–{high:.2f}"),
            ("macro F1", f"{100 * self.macro_f1:.2f}", ""),
            ("micro F1", f"{100 * self.micro_f1:.2f}", ""),
            ("Matthews correlation", f"{100 * self.matthews:.2f}", ""),
        ]

    def class_rows(self) -> list[tuple[str, str, str, str, str]]:
        """A table: class, precision, recall, F1 in percent, examples."""
        return [
            (c.label, f"{100 * c.precision:.2f}", f"{100 * c.recall:.2f}", f"{100 * c.f1:.2f}", f"{c.examples:,}")
            for c in self.classes
        ]


@dataclass(frozen=True)
class PairedAccuracy:
    """Two classifiers on the same examples; ``delta`` is second − first, ``p_value`` that of "no difference"."""

    first: float
    second: float
    delta: float
    only_first: int
    only_second: int
    p_value: float
    examples: int

    @property
    def significant(self) -> bool:
        """Whether a difference this large would come by chance less than once in twenty times."""
        return self.p_value < 0.05

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain values for JSON."""
        return {**asdict(self), "significant": self.significant}

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """A table: score, first, second, second − first (all in percent), p-value."""
        values = f"{100 * self.first:.2f}", f"{100 * self.second:.2f}", f"{100 * self.delta:+.2f}"
        return [("accuracy", *values, f"{self.p_value:.4f}")]


def classification(
    predicted: Sequence[str], gold: Sequence[str], *, labels: Sequence[str] | None = None
) -> Classification:
    """Score ``predicted`` against ``gold``; ``labels`` gives the classes and their order (None: those that occur).

    A class that is never predicted has precision 0, one that never occurs recall 0; both count in the macro average.
    Raises DataError for no or unequal examples and for a label that is not among ``labels``.
    """
    from sklearn.metrics import f1_score, matthews_corrcoef, precision_recall_fscore_support

    _check(predicted, gold)
    occurring = sorted({*predicted, *gold})
    names = list(labels) if labels is not None else occurring
    for name in occurring:
        if name not in names:
            raise DataError.because("label", repr(name), "one of " + ", ".join(names), "correct it or name it too")
    numbers = {name: number for number, name in enumerate(names)}
    found, true = [numbers[name] for name in predicted], [numbers[name] for name in gold]
    every = list(range(len(names)))
    parts = precision_recall_fscore_support(true, found, labels=every, zero_division=0.0)
    pairs = Counter(zip(true, found, strict=True))
    hits = sum(count for (one, other), count in pairs.items() if one == other)
    return Classification(
        accuracy=wilson(hits, len(true)),
        macro_f1=float(f1_score(true, found, labels=every, average="macro", zero_division=0.0)),
        micro_f1=float(f1_score(true, found, labels=every, average="micro", zero_division=0.0)),
        matthews=float(matthews_corrcoef(true, found)) if len(occurring) > 1 else 0.0,
        classes=tuple(
            ClassScore(name, float(precision), float(recall), float(f1), int(count))
            for name, precision, recall, f1, count in zip(names, *parts, strict=True)
        ),
        confusion=tuple(tuple(pairs[row, column] for column in every) for row in every),
        examples=len(true),
        notes=_notes(true, names),
    )


def mcnemar(first: Sequence[str], second: Sequence[str], gold: Sequence[str]) -> PairedAccuracy:
    """McNemar's exact test: only examples that one classifier alone has right can tell the two apart.

        p = min(1, 2 · Σ_{i ≤ min(b, c)} C(b + c, i) / 2^(b + c))

    with b and c those that the first and the second alone have right. Raises DataError for no or unequal examples.
    """
    _check(first, gold, "first system")
    _check(second, gold, "second system")
    rights = [(one == true, other == true) for one, other, true in zip(first, second, gold, strict=True)]
    only_first, only_second = rights.count((True, False)), rights.count((False, True))
    differing = only_first + only_second
    tail = sum(comb(differing, right) for right in range(min(only_first, only_second) + 1))
    accuracies = (sum(right for right, _ in rights) / len(gold), sum(right for _, right in rights) / len(gold))
    p_value = min(1.0, 2 * tail / 2**differing)
    return PairedAccuracy(*accuracies, accuracies[1] - accuracies[0], only_first, only_second, p_value, len(gold))


def _check(predicted: Sequence[str], gold: Sequence[str], name: str = "predictions") -> None:
    if not gold:
        raise DataError.because("labels", "no examples", "at least one", "give a test set that is not empty")
    if len(predicted) != len(gold):
        expected = f"as many as there are labels ({len(gold)})"
        raise DataError.because(name, f"{len(predicted)} labels", expected, "give one for each example, in order")


def _notes(true: Sequence[int], names: Sequence[str]) -> tuple[str, ...]:
    notes = []
    if len(true) < FEW:
        notes.append(f"The test set has {len(true)} {'example' if len(true) == 1 else 'examples'}: few; see interval.")
    missing = [name for number, name in enumerate(names) if number not in true]
    if missing:
        notes.append(f"No example of {', '.join(missing)} in the test set; their recall and F1 are 0.")
    return tuple(notes)
