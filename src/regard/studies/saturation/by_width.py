"""Whether the softmax saturates as d_k grows, and the picture of it: random scores, before any training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from regard.evaluation.interval import Interval
from regard.looking.trends import Panel, exact, trends
from regard.studies.frame.study import Picture
from regard.studies.frame.verdict import over_seeds
from regard.studies.saturation.softmax import ADDITIVE, PLAIN, SCALED, Sharpness

NAMES = (SCALED, PLAIN, ADDITIVE)
THEORY = "d_k, by footnote 4"
Random = Mapping[int, Mapping[str, Sharpness]]  # by d_k and similarity


def saturates(random: Random) -> bool | None:
    """Whether, without scaling, entropy and gradient are surely lower at the largest d_k than scaled, and than at the
    smallest d_k: 95 % intervals over the draws that do not meet. False where one of these four is surely the other way.
    """
    small, large = random[min(random)][PLAIN], random[max(random)]
    plain, scaled = large[PLAIN], large[SCALED]
    signs = [
        _order(over_seeds(low), over_seeds(high))
        for low, high in (
            (plain.entropy, scaled.entropy),
            (plain.gradient, scaled.gradient),
            (plain.entropy, small.entropy),
            (plain.gradient, small.gradient),
        )
    ]
    return False if -1 in signs else True if all(signs) else None


def _order(lower: Interval, higher: Interval) -> int:
    """1: surely in this order. −1: surely in the other. 0: the intervals meet."""
    return int(lower.high < higher.low) - int(lower.low > higher.high)


def drawn(random: Random, keys: int, draws: int) -> Picture:
    """Variance, entropy and gradient by d_k, without scaling and with it."""

    def lines(pick: Any) -> dict[str, Sequence[tuple[float, Interval]]]:
        return {name: [(width, over_seeds(pick(row[name]))) for width, row in random.items()] for name in NAMES}

    theory = {THEORY: [(width, exact(float(width))) for width in random]}
    most = ("n equal weights", math.log(keys))
    panels = [
        Panel({**lines(lambda one: one.variance), **theory}, "d_k", "variance of the scores", log_x=True, log_y=True),
        Panel(lines(lambda one: one.entropy), "d_k", "entropy of a softmax row, nats", log_x=True, reference=most),
        Panel(lines(lambda one: one.gradient), "d_k", "norm of the gradient of a row", log_x=True, limits=(0, None)),
    ]
    caption = (
        f"Scores of random queries with {keys} random keys, components from N(0, 1). Bands: 95 % over {draws} draws."
    )
    return Picture("random-scores", trends(panels, "Softmax by d_k, before any training (section 3.2.1)"), caption)
