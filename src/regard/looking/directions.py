"""Two measurements of the same changes beside each other: which way, and how far, does each move a number?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from regard.looking.lettering import lettering, remark
from regard.looking.style import BLUE, FAINT, LINE, VERMILION, heading, new_figure, styled


@dataclass(frozen=True)
class Movement:
    """What a change did, as a factor (1: nothing): there, and here; ``sure``: ours is more than chance."""

    name: str
    theirs: float
    ours: float
    sure: bool


@styled()
def movements(
    rows: Sequence[Movement], label: str, title: str = "", names: tuple[str, str] = ("paper", "here")
) -> Figure:
    """Two points a row on a logarithmic axis, joined by a line; ours is hollow where it is not sure."""
    shown = lettering([row.name for row in rows], limit=32)
    figure = new_figure(7.6, 1.4 + 0.3 * len(rows))
    axes = figure.add_subplot()
    heading(figure, title)
    axes.axvline(1.0, color=FAINT, linewidth=1)
    for place, row in enumerate(rows):
        axes.plot([row.theirs, row.ours], [place, place], color=LINE, linewidth=2, zorder=1)
        axes.plot(row.theirs, place, "s", color=VERMILION, markersize=6)
        axes.plot(row.ours, place, "o", color=BLUE, markersize=7, markerfacecolor=BLUE if row.sure else "none")
    handles = [
        axes.plot([], [], mark, color=colour, markersize=6)[0] for mark, colour in (("s", VERMILION), ("o", BLUE))
    ]
    axes.set_xscale("log")
    _ticks_around_one(axes, [value for row in rows for value in (row.theirs, row.ours)])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), shown.texts, **shown.style)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(label)
    figure.legend(handles, names, loc="outside lower center", ncols=2)
    remark(figure, shown)
    return figure


def _ticks_around_one(axes: Axes, values: Sequence[float]) -> None:
    """A few round factors, written out."""
    least, most = min([0.95, *values]), max([1.05, *values])
    steps = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.5, 2.0, 3.0, 5.0, 10.0)
    ticks = [step for step in steps if 0.9 * least <= step <= 1.1 * most]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlim(0.96 * least, 1.04 * most)
