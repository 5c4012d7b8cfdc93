"""Costs that grow as a power of a size: straight lines on logarithmic axes, whose slopes are the exponents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from regard.looking.style import COLOURS, heading, new_figure, styled
from regard.looking.trends import Line, draw_border, draw_lines


@dataclass(frozen=True)
class Growth:
    """One pair of axes. ``exponents``: of each line, written beside its end. ``border``: a place across, as n = d."""

    lines: Mapping[str, Line]
    exponents: Mapping[str, float]
    across: str
    label: str
    title: str
    border: tuple[str, float] | None = None


@styled()
def powers(panels: Sequence[Growth], title: str) -> Figure:
    """Panels side by side, with one legend for all; a name has the same colour in each."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    figure = new_figure(5.2 * len(panels), 4.7)
    heading(figure, title)
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _draw(axes, panel, names)
        _write_exponents(axes, panel, names)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(names)))
    return figure


def _draw(axes: Axes, panel: Growth, names: Sequence[str]) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    draw_lines(axes, panel.lines, names)
    if panel.border is not None:
        draw_border(axes, *panel.border)
    axes.set_xticks(sorted({size for points in panel.lines.values() for size, _ in points}))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:g}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel=panel.across, ylabel=panel.label)
    axes.set_title(panel.title, loc="left")


def _write_exponents(axes: Axes, panel: Growth, names: Sequence[str]) -> None:
    low, high = np.log(axes.get_ylim())
    ends = {name: (np.log(points[-1][1].value) - low) / (high - low) for name, points in panel.lines.items()}
    for (name, end), place in zip(ends.items(), apart(list(ends.values()), 0.065), strict=True):
        colour = COLOURS[names.index(name) % len(COLOURS)]
        axes.annotate(
            f"{panel.exponents[name]:.2f}",
            (1.0, end),
            (1.03, place),
            xycoords="axes fraction",
            textcoords="axes fraction",
            va="center",
            color=colour,
        )


def apart(places: Sequence[float], least: float) -> list[float]:
    """The places in their order, the upper ones moved up where two would be nearer to each other than ``least``."""
    found = list(places)
    order = sorted(range(len(found)), key=lambda number: found[number])
    for below, above in pairwise(order):
        found[above] = max(found[above], found[below] + least)
    return found
