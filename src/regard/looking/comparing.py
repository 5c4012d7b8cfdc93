"""Several runs side by side: their scores with intervals, their scores by source length, and what they cost.

A run has the same colour and mark everywhere; the bars, which have the names, are the legend of the rest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from regard.evaluation.compare import Compared
from regard.evaluation.interval import Interval
from regard.evaluation.scores import Bucket
from regard.looking.lettering import Lettering, in_legend, lettering, remark
from regard.looking.style import COLOURS, INK, heading, new_figure, styled

MARKS = "osD^vPX"  # as many as make 42 pairs with the colours
WIDE = 10  # times as much as another, from where on a cost is drawn on a logarithmic axis
BAR, BELOW = 0.36, 3.1  # inches: a run's bar, and the pictures below


@styled()
def bleu_by_length(
    runs: Mapping[str, Sequence[Bucket]], title: str = "BLEU by source length", unit: str = "words"
) -> Figure:
    """A line each run over the buckets of source length; a bucket that a run lacks is left out of its line."""
    figure = new_figure(7.0, 3.6)
    heading(figure, title)
    shown = lettering(runs)
    _lines(figure.add_subplot(), shown.texts, list(runs.values()), unit)
    for text in figure.legend(loc="outside right center").get_texts():
        text.set(**shown.style)
    remark(figure, shown)
    return figure


@styled()
def comparison(
    names: Sequence[str], rows: Sequence[Compared], title: str = "Runs on one test set", length_unit: str = "words"
) -> Figure:
    """Bars of every measure with 95 % intervals; where known, the first one by source length, and by what a run cost.

    ✱ marks a first measure that is not the first run's (p < 0.05).
    """
    shown = lettering(names)
    by_length, cost = any(len(row.by_length) > 1 for row in rows), _cost(rows)
    above = 0.95 + BAR * len(rows)
    figure = new_figure(9.6, above + 0.35 + (BELOW if by_length or cost else 0))
    figure.set_layout_engine("constrained", wspace=0.05)
    heading(figure, title)
    parts: Any = [figure]
    if by_length or cost:
        parts = figure.subfigures(2, 1, height_ratios=[above, BELOW], hspace=0.04)
    _bars(parts[0], shown, rows)
    panels = list(parts[-1].subplots(1, 2, width_ratios=[1.25, 1])) if by_length and cost else []
    if not panels and (by_length or cost):
        panels = [parts[-1].add_subplot()]
    if by_length:
        _lines(panels[0], shown.texts, [row.by_length for row in rows], length_unit)
    if cost:
        _against(panels[-1], rows, cost)
    remark(figure, shown)
    return figure


def _bars(figure: Figure | SubFigure, shown: Lettering, rows: Sequence[Compared]) -> None:
    measures = list(rows[0].measures)
    panels = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    for place, (axes, measure) in enumerate(zip(panels, measures, strict=True)):
        furthest = 0.0
        for number, row in enumerate(rows):
            one = row.measures[measure]
            furthest = max(furthest, one.high, one.value)
            axes.barh(number, one.value, height=0.62, color=_look(number)["color"], alpha=0.85, linewidth=0)
            if one.high > one.low:
                axes.plot([one.low, one.high], [number, number], color=INK, linewidth=1.2, solid_capstyle="butt")
            star = " ✱" if not place and row.p_value is not None and row.p_value < 0.05 else ""
            axes.text(max(one.high, one.value), number, f"  {_told(one)}{star}", va="center", fontsize=9)
        starred = not place and any(row.p_value is not None for row in rows)
        axes.set_xlabel(f"{measure} (✱: p < 0.05 against the first)" if starred else measure)
        axes.set_xlim(0, furthest * 1.22 or 1.0)
        axes.grid(False, axis="y")
        axes.tick_params(axis="y", length=0, pad=9)  # room for the marks
        axes.set_yticks(range(len(rows)), shown.texts, **shown.style)
        axes.set_ylim(len(rows) - 0.4, -0.6)  # the first stands at the top
    for number in range(len(rows)):  # the mark by which the other pictures know the run, at the foot of its bar
        look = {**_look(number), "markersize": 6.5, "markeredgecolor": "white", "markeredgewidth": 0.9}
        panels[0].plot([0], [number], clip_on=False, zorder=5, linestyle="none", **look)


def _lines(axes: Axes, names: Sequence[str], runs: Sequence[Sequence[Bucket]], unit: str) -> None:
    buckets = {bucket.shortest: bucket for run in runs for bucket in run}
    places = {shortest: place for place, shortest in enumerate(sorted(buckets))}
    for number, (name, run) in enumerate(zip(names, runs, strict=True)):
        points = [places[bucket.shortest] for bucket in run], [bucket.bleu for bucket in run]
        axes.plot(*points, label=in_legend(name), markersize=5.5, clip_on=False, zorder=3, **_look(number))
    ordered = [buckets[shortest] for shortest in places]
    axes.set_xticks(range(len(ordered)), [f"{bucket.label}\n{bucket.lines:,}" for bucket in ordered])
    axes.set_xlim(-0.3, len(ordered) - 0.7)
    axes.set_xlabel(f"length of the source in {unit}, and how many sentences have it")
    axes.set_ylabel("BLEU")
    axes.set_ylim(bottom=0)


def _against(axes: Axes, rows: Sequence[Compared], cost: tuple[str, Sequence[float]]) -> None:
    """The first measure over the cost, a point each run with its interval."""
    label, costs = cost
    for number, (row, spent) in enumerate(zip(rows, costs, strict=True)):
        measure, one = next(iter(row.measures.items()))
        if one.high > one.low:
            axes.plot([spent, spent], [one.low, one.high], color=_look(number)["color"], linewidth=1.2, alpha=0.6)
        axes.plot([spent], [one.value], markersize=8, linestyle="none", **_look(number))
        axes.set_ylabel(measure)
    axes.set_xlabel(label)
    axes.margins(0.12, 0.15)
    axes.set_ylim(bottom=max(0.0, axes.get_ylim()[0]))  # no measure is below 0
    least, most = min(costs), max(costs)
    if least > 0 and most > WIDE * least:
        axes.set_xscale("log")
        tenths = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
        steps = (1,) if len(tenths) > 3 else (1, 3)
        axes.xaxis.set_major_locator(FixedLocator([step * 10.0**tenth for tenth in tenths for step in steps]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlim(least / 1.6, most * 1.6)
    else:
        axes.set_xlim(0, most * 1.15 or 1.0)
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _amount(value)))


def _cost(rows: Sequence[Compared]) -> tuple[str, list[float]] | None:
    """The training time if all tell theirs and they are not all the same; else the parameters; None with neither."""
    seconds = [row.facts.seconds for row in rows if row.facts.seconds is not None]
    if len(seconds) == len(rows) and max(seconds) > 1.1 * min(seconds):
        for unit, length in (("hours", 3600), ("minutes", 60), ("seconds", 1)):
            if max(seconds) >= 2 * length or length == 1:
                return f"training time in {unit}", [second / length for second in seconds]
    parameters = [float(row.facts.parameters) for row in rows if row.facts.parameters is not None]
    if len(parameters) == len(rows) and max(parameters) > min(parameters):
        return "parameters", parameters
    return None


def _look(number: int) -> dict[str, Any]:
    return {"color": COLOURS[number % len(COLOURS)], "marker": MARKS[number % len(MARKS)]}


def _told(one: Interval) -> str:
    return f"{one.value:.1f}" if one.value >= 10 or one.high > one.low else f"{one.value:.3f}"


def _amount(value: float) -> str:
    """12,300,000 as 12.3 M."""
    for unit, size in ((" G", 1e9), (" M", 1e6), (" k", 1e3)):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"
