"""Scores of captions, each against the one that is right: the share that is it, word for word, and BLEU and chrF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from regard.evaluation.interval import Interval, wilson
from regard.evaluation.scores import Score, Scores
from regard.evaluation.translation import score

WILSON = "interval:wilson"


@dataclass(frozen=True)
class CaptionScores:
    """``exact`` with Wilson's interval, and what sacreBLEU says."""

    exact: Interval
    text: Scores

    def to_dict(self) -> dict[str, Any]:
        """The scores as plain values for JSON. ``exact`` is in percent, its interval as centre ± half width."""
        low, high = 100 * self.exact.low, 100 * self.exact.high
        share = Score("exact match", 100 * self.exact.value, (low + high) / 2, (high - low) / 2, WILSON)
        return {"exact": asdict(share), **self.text.to_dict()}

    def rows(self) -> list[tuple[str, str, str, str]]:
        """A table: metric, score, 95 % interval, signature."""
        low, high = (f"{100 * share:.2f}" for share in (self.exact.low, self.exact.high))
        first = ("exact match", f"{100 * self.exact.value:.2f}", f"{low}–{high}", WILSON)
        return [first, *(row for row in self.text.rows() if row[0] != "TER")]


def captions(found: Sequence[str], right: Sequence[str]) -> CaptionScores:
    """Compare caption by caption. Raises DataError as ``score``."""
    hits = sum(one.strip() == other.strip() for one, other in zip(found, right, strict=True))
    return CaptionScores(wilson(hits, max(1, len(right))), score(found, right))
