"""Scores as data: what ``translation`` returns, as JSON values and as rows of a table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Score:
    """One metric's value, with mean ± half width of its 95 % bootstrap interval (None without bootstrap)."""

    name: str
    score: float
    mean: float | None
    half_width: float | None
    signature: str


@dataclass(frozen=True)
class Scores:
    """The three scores of one system on one test set; ``notes`` are sentences that a reader of them should know."""

    bleu: Score
    chrf: Score
    ter: Score
    lines: int
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The scores as plain values for JSON: ``{"bleu": {"score": …, "signature": …}, …, "lines": …}``."""
        table = asdict(self)
        table["notes"] = list(self.notes)
        return table

    def rows(self) -> list[tuple[str, str, str, str]]:
        """A table: metric, score, 95 % interval, signature."""
        return [
            (score.name, f"{score.score:.2f}", interval_text(score), score.signature)
            for score in (self.bleu, self.chrf, self.ter)
        ]


@dataclass(frozen=True)
class Difference:
    """One metric of two systems. ``delta`` is second − first; ``p_value`` that of "there is no difference"."""

    name: str
    first: float
    second: float
    delta: float
    p_value: float
    signature: str

    @property
    def significant(self) -> bool:
        """Whether a difference this large would come by chance less than once in twenty times."""
        return self.p_value < 0.05


@dataclass(frozen=True)
class Comparison:
    """Two systems on one test set by paired bootstrap, metric by metric."""

    bleu: Difference
    chrf: Difference
    ter: Difference
    lines: int

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain values for JSON."""
        table = asdict(self)
        for name in ("bleu", "chrf", "ter"):
            table[name]["significant"] = getattr(self, name).significant
        return table

    def rows(self) -> list[tuple[str, str, str, str, str, str]]:
        """A table: metric, first, second, second − first, p-value, signature."""
        return [
            (d.name, f"{d.first:.2f}", f"{d.second:.2f}", f"{d.delta:+.2f}", f"{d.p_value:.4f}", d.signature)
            for d in (self.bleu, self.chrf, self.ter)
        ]


@dataclass(frozen=True)
class Bucket:
    """BLEU of the sentences whose source has ``shortest`` to ``longest`` words (None: no limit)."""

    shortest: int
    longest: int | None
    lines: int
    bleu: float

    @property
    def label(self) -> str:
        """The range of lengths, as it stands under a bar."""
        return f"{self.shortest}–{self.longest}" if self.longest is not None else f"≥ {self.shortest}"


def interval_text(score: Score) -> str:
    """``mean ± half width``, or nothing without bootstrap."""
    return "" if score.mean is None else f"{score.mean:.2f} ± {score.half_width:.2f}"
