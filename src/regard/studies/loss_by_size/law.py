"""The loss by size and by text: a power law through the sizes (Kaplan et al. 2020), and the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import linregress
from scipy.stats import t as student

from regard.evaluation.interval import Interval, bootstrap
from regard.looking.trends import Panel, exact, trends
from regard.studies.frame.study import Picture
from regard.studies.frame.verdict import over_seeds
from regard.studies.loss_by_size.lessons import Lesson
from regard.studies.text_tasks.measures import Nats


def power_law(parameters: Sequence[float], losses: Sequence[float]) -> Interval:
    """α of loss = (c / N)^α (Kaplan et al. 2020, equation 1.1), by least squares in logarithms; 95 % t interval.

    The interval says how far the sizes are from one straight line; of two sizes it is the value alone.
    """
    found = linregress(np.log(parameters), np.log(losses))
    if len(losses) < 3:
        return exact(-float(found.slope))
    half = float(student.ppf(0.975, len(losses) - 2) * found.stderr)
    return Interval(-float(found.slope), -float(found.slope) - half, -float(found.slope) + half)


def drawn(sizes: Sequence[int], lessons: Sequence[Sequence[Lesson]]) -> Picture:
    """The loss in the end by the parameters, and on the way by the tokens seen."""
    line = [(size, _interval([one.test for one in group])) for size, group in zip(sizes, lessons, strict=True)]
    curves: Mapping[str, list[tuple[float, Interval]]] = {
        f"{size:,} parameters": [
            (seen, over_seeds([one.curve[place][1] for one in group])) for place, (seen, _) in enumerate(group[0].curve)
        ]
        for size, group in zip(sizes, lessons, strict=True)
    }
    loss = "loss on held-out text, nats per token"
    panels = [
        Panel({"after all tokens": line}, "parameters without embeddings", loss, "Larger models", True, True),
        Panel(curves, "tokens seen", loss, "More text", True, True),
    ]
    caption = "Loss on held-out text by the size of the model (left) and by the tokens seen (right); bands: 95 %."
    return Picture("scale", trends(panels, "Loss by size and by text"), caption)


def _interval(group: Sequence[Nats]) -> Interval:
    """Over the seeds, or of one seed over the texts."""
    if len(group) > 1:
        return over_seeds([one.per_token for one in group])
    found = bootstrap(group[0].nats / group[0].tokens.mean())
    return Interval(group[0].per_token, found.low, found.high)
