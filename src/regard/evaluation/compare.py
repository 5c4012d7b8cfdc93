"""Several systems on one test set as the rows of a table; the first is what the others are tested against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from regard.errors import DataError
from regard.evaluation.scores import Score
from regard.evaluation.translation import against, score

HEADINGS = ("run", "parameters", "seconds", "perplexity", "BLEU", "chrF", "Δ BLEU", "p")


@dataclass(frozen=True)
class Entry:
    """A system to compare: its translations of the test set, and what is known of it (None: unknown)."""

    name: str
    hypotheses: Sequence[str]
    parameters: int | None = None
    seconds: float | None = None
    perplexity: float | None = None


@dataclass(frozen=True)
class Row:
    """A system's scores; ``delta`` and ``p_value`` are BLEU's against the first system (None for the first itself)."""

    name: str
    parameters: int | None
    seconds: float | None
    perplexity: float | None
    bleu: Score
    chrf: Score
    delta: float | None
    p_value: float | None

    def to_dict(self) -> dict[str, Any]:
        """The row as plain values for JSON."""
        return asdict(self)

    def cells(self) -> tuple[str, ...]:
        """The row as text under HEADINGS; unknown is an empty cell."""
        return (
            self.name,
            "" if self.parameters is None else f"{self.parameters:,}",
            "" if self.seconds is None else f"{self.seconds:.0f}",
            "" if self.perplexity is None else f"{self.perplexity:.2f}",
            _with_interval(self.bleu),
            _with_interval(self.chrf),
            "" if self.delta is None else f"{self.delta:+.2f}",
            "" if self.p_value is None else f"{self.p_value:.4f}",
        )


def compare(
    entries: Sequence[Entry],
    references: Sequence[str],
    *,
    tokenize: str = "13a",
    lowercase: bool = False,
    bootstrap: int = 1000,
    seed: int = 12345,
) -> list[Row]:
    """Score every system, and test each against the first by paired bootstrap.

    Raises DataError where there are no systems or one has another number of lines than the references (it is named).
    """
    if not entries:
        raise DataError.because("runs", "none", "at least one to compare", "name one or more runs")
    for entry in entries:
        if len(entry.hypotheses) != len(references):
            expected = f"as many as there are references ({len(references)})"
            raise DataError.because(
                entry.name, f"{len(entry.hypotheses)} lines", expected, "translate the same test set with every run"
            )
    rows: list[Row] = []
    for number, entry in enumerate(entries):
        known = (entry.name, entry.parameters, entry.seconds, entry.perplexity)
        theirs = score(
            entry.hypotheses, references, tokenize=tokenize, lowercase=lowercase, bootstrap=bootstrap, seed=seed
        )
        delta, p_value = None, None
        if number:
            systems = (entries[0].hypotheses, entry.hypotheses)
            test = against(*systems, references, tokenize=tokenize, lowercase=lowercase, bootstrap=bootstrap, seed=seed)
            delta, p_value = test.bleu.delta, test.bleu.p_value
        rows.append(Row(*known, theirs.bleu, theirs.chrf, delta, p_value))
    return rows


def _with_interval(value: Score) -> str:
    return f"{value.score:.2f}" if value.half_width is None else f"{value.score:.2f} ± {value.half_width:.2f}"
