"""Charts of shares that have an interval: bars beside each other, and lines over an amount."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from regard.errors import DataError
from regard.evaluation.interval import Interval
from regard.looking.lettering import in_legend, lettering, remark
from regard.looking.style import COLOURS, FAINT, INK, heading, new_figure, styled


@styled()
def shares(
    rows: Mapping[str, Mapping[str, Interval]], label: str, title: str = "", chance: float | None = None
) -> Figure:
    """Bars of shares (0–1) in percent with their 95 % intervals: a group each row, a colour each key of the rows.

    ``chance``, the share without any knowledge, is a dashed line. Raises DataError where the rows' keys differ.
    """
    keys = list(next(iter(rows.values()), {}))
    if not keys or any(list(row) != keys for row in rows.values()):
        raise DataError.because("shares", "rows of other keys", "the same keys in each row", "hand in one table")
    names, kinds = lettering(rows, limit=40), lettering(keys, limit=40)
    figure = new_figure(7.4, 1.3 + 0.3 * len(rows) * len(keys) + 0.12 * len(rows))
    axes = figure.add_subplot()
    heading(figure, title)
    height = 0.8 / len(keys)
    for number, (key, kind) in enumerate(zip(keys, kinds.texts, strict=True)):
        for place, row in enumerate(rows.values()):
            one, middle = row[key], place - 0.4 + (number + 0.5) * height
            colour = COLOURS[number % len(COLOURS)]
            seen = in_legend(kind) if place == 0 and len(keys) > 1 else None
            axes.barh(middle, 100 * one.value, height * 0.88, color=colour, alpha=0.85, linewidth=0, label=seen)
            axes.plot([100 * one.low, 100 * one.high], [middle, middle], color=INK, linewidth=1.1)
            axes.text(100 * max(one.high, one.value), middle, f"  {100 * one.value:.1f}", va="center", fontsize=9)
    if chance is not None:
        axes.axvline(100 * chance, color=FAINT, linestyle="--", linewidth=1, label=f"chance: {100 * chance:.1f} %")
    axes.set_xlim(0, 112)
    axes.set_xticks(range(0, 101, 20))
    axes.set_ylim(len(rows) - 0.4, -0.6)  # the first stands at the top
    axes.set_yticks(range(len(rows)), names.texts, **names.style)
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.set_xlabel(label)
    if axes.get_legend_handles_labels()[0]:
        for text in figure.legend(loc="outside lower center", ncols=4).get_texts():
            text.set(**kinds.style)
    remark(figure, names, kinds)
    return figure


@styled()
def growth(
    lines: Mapping[str, Sequence[tuple[float, Interval]]], across: str, label: str, title: str = "", lowest: float = 0.0
) -> Figure:
    """A line for each name through (amount, share) in percent over a logarithmic axis, in the band of its intervals.

    The axis of shares begins at ``lowest`` percent.
    """
    shown = lettering(lines, limit=40)
    figure = new_figure(7.4, 3.8)
    axes = figure.add_subplot()
    heading(figure, title)
    for number, (name, points) in enumerate(zip(shown.texts, lines.values(), strict=True)):
        colour = COLOURS[number % len(COLOURS)]
        amounts = [amount for amount, _ in points]
        values = 100 * np.array([[one.value, one.low, one.high] for _, one in points]).reshape(-1, 3)
        axes.fill_between(amounts, values[:, 1], values[:, 2], color=colour, alpha=0.14, linewidth=0)
        axes.plot(amounts, values[:, 0], color=colour, marker="o", markersize=5, label=in_legend(name))
    axes.set_xscale("log")
    ticks = sorted({amount for points in lines.values() for amount, _ in points})
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda amount, _: f"{amount:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", which="minor", length=0)
    axes.set_ylim(lowest, 103 - 0.03 * lowest)
    axes.set_xlabel(across)
    axes.set_ylabel(label)
    for text in figure.legend(loc="outside lower center", ncols=4).get_texts():
        text.set(**shown.style)
    remark(figure, shown)
    return figure
