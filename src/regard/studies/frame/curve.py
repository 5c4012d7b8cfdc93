"""Accuracy by the number of examples, as a whole curve: how far one way to learn is above another, and where most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from regard.evaluation.interval import Interval
from regard.looking.trends import Panel, trends
from regard.studies.frame.study import Picture, Table
from regard.studies.frame.verdict import Difference, hits_differ, share_of

Line = Mapping[int, Sequence[np.ndarray]]  # by number of examples, rising: the hits of each seed on the same test


@dataclass(frozen=True)
class Counted:
    """What the examples are called, and what the test is made of."""

    examples: str = "labels"
    tested: str = "texts"

    @property
    def test(self) -> str:
        """Such as "the test's texts"."""
        return f"the test's {self.tested}"


LABELS = Counted()


def gain(first: Line, second: Line, counted: Counted = LABELS) -> Difference:
    """The mean of second minus first over the curve, in points: the area between them over log examples."""
    weights = over_logarithms(list(first))
    return hits_differ(_weighted(first, weights), _weighted(second, weights), counted.test)


def gain_fades(first: Line, second: Line, counted: Counted = LABELS) -> Difference:
    """The gain with few examples minus that with many, in points: the lower half of their numbers, and the upper."""
    weights = few_against_many(len(first))
    return hits_differ(_weighted(first, weights), _weighted(second, weights), counted.test)


def verdict(whole: Difference, fades: Difference) -> bool | None:
    """True where the gain is surely above 0 over the whole curve, and surely larger with few examples than with many.

    False where it is surely below 0 over the whole curve; None otherwise.
    """
    if whole.smaller:
        return False
    return True if whole.larger and fades.larger else None


def accuracies(found: Mapping[str, Line]) -> dict[str, dict[str, list[float]]]:
    """The share of hits of each seed, by way to learn and number of examples, for JSON."""
    return {
        way: {str(n): [float(one.mean()) for one in group] for n, group in line.items()} for way, line in found.items()
    }


def over_logarithms(counts: Sequence[int]) -> np.ndarray:
    """The trapezoidal rule over log n as weights that add up to 1; of a single n, 1."""
    if len(counts) == 1:
        return np.ones(1)
    widths = np.diff(np.log(counts))
    return (np.append(widths, 0.0) + np.insert(widths, 0, 0.0)) / (2 * widths.sum())


def few_against_many(count: int) -> np.ndarray:
    """+1/m for the first m of them, −1/m for the last m, 0 for one in the middle; 0 where there is only one."""
    half = count // 2
    return np.array([1 / half if n < half else -1 / half if n >= count - half else 0.0 for n in range(count)])


def _weighted(line: Line, weights: np.ndarray) -> list[np.ndarray]:
    """Σ weight · hits over the numbers of examples, of each seed."""
    return [np.tensordot(weights, np.array(hits), 1) for hits in zip(*line.values(), strict=True)]


def accuracy_table(
    found: Mapping[str, Line], first: str, second: str, chance: float, counted: Counted = LABELS
) -> Table:
    """A row each number of examples, and what the second way gains on the first there."""
    rows = [
        (
            f"{n:,}",
            *(share_of(line[n]).text() for line in found.values()),
            hits_differ(found[first][n], found[second][n], counted.test).text("points"),
        )
        for n in found[first]
    ]
    note = (
        f"Always the most frequent label: {100 * chance:.1f} %. Of one seed Wilson's interval, of several Student's t."
    )
    headings = (counted.examples, *found, f"{second} minus {first}")
    return Table(f"Accuracy by {counted.examples}, %", headings, rows, note)


def drawn(found: Mapping[str, Line], chance: float, name: str, title: str, counted: Counted = LABELS) -> Picture:
    """A line each way."""
    lines = {way: [(float(n), _percent(share_of(group))) for n, group in line.items()] for way, line in found.items()}
    right, reference = f"right, % of {counted.test}", ("", 100 * chance)
    panel = Panel(lines, counted.examples, right, "", log_x=True, reference=reference)
    caption = f"Accuracy on held-out {counted.tested} by the number of {counted.examples}. Bands: 95 %; dashed: chance."
    return Picture(name, trends([panel], title), caption)


def _percent(one: Interval) -> Interval:
    return Interval(100 * one.value, 100 * one.low, 100 * one.high)
