"""How fast depth takes away what distinguishes positions: exponentially, or doubly exponentially (Dong et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from regard.evaluation.interval import Interval
from regard.looking.trends import Panel, trends
from regard.studies.depth.alikeness import ATTENTION, RESIDUAL, geometric
from regard.studies.frame.study import Picture
from regard.studies.frame.verdict import over_seeds

Alike = Mapping[str, Mapping[str, np.ndarray]]  # by kind: ``apart`` and ``cosine`` [draws, layers + 1]
FLOOR = 1e-12  # below it, float64 cannot tell what is left of differences from rounding
BETWEEN = 2.0  # powers: 1 is an exponential fall, 3 that of Dong et al. (2021, section 2)


def power(apart: np.ndarray) -> Interval:
    """The k of r_{l+1} = c · r_l^k, where r_l [draws, layers + 1] is what distinguishes positions after layer l.

    With k = 1 it falls exponentially with depth, with more than 1 doubly so. Least squares in logarithms, a k each
    draw, by the layers before r falls below FLOOR, or the first two; the mean over draws and its t interval.
    """
    logs = [np.log(row[: max(3, _above(row))]) for row in apart]
    return over_seeds([float(np.polyfit(one[:-1], one[1:], 1)[0]) for one in logs])


def _above(row: np.ndarray) -> int:
    below = np.flatnonzero(row < FLOOR)
    return int(below[0]) if len(below) else len(row)


def collapses(alone: Interval, skipped: Interval) -> bool | None:
    """Of the power with attention alone, and with residual connections. True: the first is surely nearer to Dong et
    al.'s 3 than to 1, the second surely nearer to 1. False: one of the two is surely the other way.
    """
    if alone.low > BETWEEN > skipped.high:
        return True
    return False if alone.high < BETWEEN or skipped.low > BETWEEN else None


def sentence_of(alike: Alike) -> str:
    """What untrained encoders show."""
    alone, skipped = (alike[kind]["apart"] for kind in (ATTENTION, RESIDUAL))
    left = [100 * geometric(one[:, -1]).value for one in (alone, skipped)]
    return (
        f"Untrained, each block of attention alone raises what distinguishes positions to the power "
        f"{power(alone).text(2, 1.0)}, with residual connections to the power {power(skipped).text(2, 1.0)} (1: it "
        f"falls exponentially with depth; 3: doubly so, Dong et al.'s bound); after {alone.shape[1] - 1} blocks "
        f"{left[0]:.1g} % and {left[1]:.1f} % of their length are left of it."
    )


def drawn(alike: Alike) -> Picture:
    """After each layer: what distinguishes positions, and how alike they are."""
    parts = {kind: list(enumerate(map(geometric, measured["apart"].T))) for kind, measured in alike.items()}
    cosines = {kind: list(enumerate(map(over_seeds, measured["cosine"].T))) for kind, measured in alike.items()}
    title = "What distinguishes positions"
    panels = [
        Panel(parts, "layers", "‖X − 1x̄ᵀ‖ / ‖X‖", title, log_y=True),
        Panel(cosines, "layers", "mean cosine of two positions", "How alike positions are", limits=(None, 1.03)),
    ]
    caption = (
        "Untrained encoders, after each layer: the part of the positions' vectors that is not common to all, and the "
        "mean cosine of two positions. Means over the draws, on the left geometric ones; bands: 95 %. Where the curve "
        "on the left is flat at the bottom, float64 has no smaller differences."
    )
    return Picture("untrained", trends(panels, "What depth leaves of the positions, before any training"), caption)
