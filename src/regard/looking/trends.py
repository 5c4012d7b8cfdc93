"""Charts of what an experiment measured: lines over an amount, curves of training, bars; each with its uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from regard.evaluation.interval import Interval
from regard.looking.lettering import in_legend, lettering, remark
from regard.looking.style import COLOURS, FAINT, INK, heading, new_figure, styled

MARKERS = ("o", "s", "D", "^", "v", "P", "X")
MARKED_POINTS = 24  # a line of more points is drawn without markers
Line = Sequence[tuple[float, Interval]]


@dataclass(frozen=True)
class Panel:
    """One pair of axes: a line for each name through (amount, value), in the band of its intervals.

    ``reference`` is a dashed line of its own ("chance", 50.0), ``border`` one across it, at an amount. ``limits`` are
    those of the values.
    """

    lines: Mapping[str, Line]
    across: str
    label: str
    title: str = ""
    log_x: bool = False
    log_y: bool = False
    reference: tuple[str, float] | None = None
    limits: tuple[float | None, float | None] = (None, None)
    border: tuple[str, float] | None = None


def exact(value: float) -> Interval:
    """A value without uncertainty."""
    return Interval(value, value, value)


def smoothed(values: Sequence[float], window: int = 25) -> list[float]:
    """The mean of each value and the ``window`` − 1 before it: a curve of training that can be read."""
    sums = np.concatenate(([0.0], np.cumsum(np.asarray(values, dtype=np.float64))))
    ends = np.arange(1, len(sums))
    begins = np.maximum(0, ends - window)
    return list((sums[ends] - sums[begins]) / (ends - begins))


@styled()
def trends(panels: Sequence[Panel], title: str = "", columns: int = 3) -> Figure:
    """Panels side by side, at most ``columns`` in a row; a name has the same colour in all, and one legend."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    shown = lettering(names, limit=40)
    across = min(columns, len(panels))
    down = -(-len(panels) // across)
    figure = new_figure(7.4 if across == 1 else 4.4 * across, 3.9 * down)
    heading(figure, title)
    places = figure.subplots(down, across, squeeze=False).flatten()
    for axes, panel in zip(places, panels, strict=False):
        _draw(axes, panel, names)
    for axes in places[len(panels) :]:
        axes.set_visible(False)
    handles = [
        places[0].plot([], [], color=COLOURS[i % len(COLOURS)], marker=MARKERS[i % len(MARKERS)], markersize=5)[0]
        for i in range(len(names))
    ]
    if len(names) > 1:
        labels = [in_legend(text) for text in shown.texts]
        legend = figure.legend(handles, labels, loc="outside lower center", ncols=min(len(names), 2 + across))
        for text in legend.get_texts():
            text.set(**shown.style)
    remark(figure, shown)
    return figure


def draw_lines(axes: Axes, lines: Mapping[str, Line], names: Sequence[str]) -> None:
    """Each line in the band of its intervals, in the colour and with the marker of its place in ``names``."""
    for name, points in lines.items():
        number = names.index(name)
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        amounts = [amount for amount, _ in points]
        values = np.array([[one.value, one.low, one.high] for _, one in points]).reshape(-1, 3)
        axes.fill_between(amounts, values[:, 1], values[:, 2], color=colour, alpha=0.14, linewidth=0)
        few = len(points) <= MARKED_POINTS
        axes.plot(amounts, values[:, 0], color=colour, marker=marker if few else "", markersize=5, label=name)


def draw_border(axes: Axes, name: str, amount: float) -> None:
    """A dashed line across, with its name at its upper end."""
    axes.axvline(amount, color=FAINT, linestyle="--", linewidth=1)
    axes.text(amount, 0.99, f" {name}", transform=axes.get_xaxis_transform(), ha="left", va="top", color=FAINT)


def _draw(axes: Axes, panel: Panel, names: Sequence[str]) -> None:
    draw_lines(axes, panel.lines, names)
    if panel.reference is not None:
        name, level = panel.reference
        axes.axhline(level, color=FAINT, linestyle="--", linewidth=1)
        axes.text(0.99, level, name, transform=axes.get_yaxis_transform(), ha="right", va="bottom", color=FAINT)
    if panel.border is not None:
        draw_border(axes, *panel.border)
    if panel.log_x:
        _logarithmic_ticks(axes, sorted({amount for points in panel.lines.values() for amount, _ in points}))
    if panel.log_y:
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        if high < 20 * low:  # hardly a power of ten within, so there would be no tick
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(*panel.limits)
    axes.set_xlabel(panel.across)
    axes.set_ylabel(panel.label)
    axes.set_title(panel.title, loc="left")


def _logarithmic_ticks(axes: Axes, amounts: Sequence[float]) -> None:
    """A tick at each amount that was measured, where these are few."""
    axes.set_xscale("log")
    if len(amounts) <= 10:
        axes.set_xticks(amounts)
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda amount, _: f"{amount:,g}"))  # matplotlib's own are formulas
    axes.xaxis.set_minor_formatter(NullFormatter())


@styled()
def bars(rows: Mapping[str, Interval], label: str, title: str = "", digits: int = 1) -> Figure:
    """A bar for each name with its 95 % interval, the first at the top."""
    shown = lettering(rows, limit=40)
    figure = new_figure(7.4, 1.2 + 0.4 * len(rows))
    axes = figure.add_subplot()
    heading(figure, title)
    furthest = max([max(one.value, one.high) for one in rows.values()], default=1.0)
    for place, one in enumerate(rows.values()):
        axes.barh(place, one.value, 0.66, color=COLOURS[0], alpha=0.85, linewidth=0)
        if one.high > one.low:
            axes.plot([one.low, one.high], [place, place], color=INK, linewidth=1.1)
        axes.text(max(one.value, one.high), place, f"  {one.value:,.{digits}f}", va="center", fontsize=9)
    axes.set_xlim(min([0.0, *(min(one.value, one.low) for one in rows.values())]), 1.14 * (furthest or 1.0))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), shown.texts, **shown.style)
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.set_xlabel(label)
    remark(figure, shown)
    return figure
