"""Charts of data and of the model's inputs: lengths, positional encodings."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from regard.errors import DataError
from regard.looking.style import BLUE, COLOURS, VERMILION, bare, heading, new_figure, styled

MOST_BARS = 60  # of a histogram


@styled()
def lengths(source: ArrayLike, target: ArrayLike, unit: str = "tokens", title: str = "Lengths") -> Figure:
    """How many sentences of the source and of the target have which length; the longest 0.5 % are only counted.

    Raises DataError where a side has no sentence.
    """
    sides = {"source": np.asarray(source), "target": np.asarray(target)}
    if not all(len(values) for values in sides.values()):
        raise DataError.because("lengths", "no sentences", "at least one on each side", "check the corpus")
    everything = np.concatenate(list(sides.values()))
    width = max(1, math.ceil(np.percentile(everything, 99.5) / MOST_BARS))
    bins = np.arange(0, np.percentile(everything, 99.5) + 2 * width, width) - 0.5
    beyond = int((everything > bins[-1]).sum())
    figure = new_figure(7.0, 3.6)
    axes = figure.add_subplot()
    heading(figure, title)
    for (name, values), colour in zip(sides.items(), (BLUE, VERMILION), strict=True):
        label = f"{name}: median {np.median(values):.0f}, 99 % up to {np.percentile(values, 99):.0f}"
        axes.hist(values, bins=bins.tolist(), color=colour, alpha=0.2)
        axes.hist(values, bins=bins.tolist(), color=colour, histtype="step", linewidth=1.6, label=label)
    axes.set_xlim(bins[0], bins[-1])
    axes.set_xlabel(f"length in {unit}" + (f" ({beyond:,} longer, up to {everything.max():,})" if beyond else ""))
    axes.set_ylabel("sentences")
    axes.grid(False, axis="x")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper right")
    return figure


@styled()
def positional_encoding(table: ArrayLike, title: str = "Positional encoding") -> Figure:
    """The table [positions, d_model] as a map, and four of its dimensions as curves.

    Raises DataError where the table has not two axes of at least one.
    """
    values = np.asarray(table, dtype=np.float64)
    if values.ndim != 2 or 0 in values.shape:
        shape = "×".join(map(str, values.shape))
        raise DataError.because(
            "positional encoding", f"a table of {shape}", "[positions, d_model]", "hand in one table"
        )
    figure = new_figure(8.0, 5.6)
    upper, lower = figure.subplots(2, 1, height_ratios=[2.2, 1])
    heading(figure, title)
    most = float(np.abs(values).max()) or 1.0
    image = upper.imshow(values, cmap="RdBu_r", vmin=-most, vmax=most, aspect="auto", origin="lower")
    bare(upper)
    upper.set_xlabel("dimension")
    upper.set_ylabel("position")
    bar = figure.colorbar(image, ax=upper, aspect=18, pad=0.015)
    bar.outline.set_visible(False)
    bar.ax.grid(False)
    bar.ax.tick_params(length=0, labelsize=8)
    chosen = sorted({round(share * (values.shape[1] - 1)) for share in (0.04, 0.12, 0.25, 0.4)})
    for dimension, colour in zip(chosen, COLOURS, strict=False):
        lower.plot(values[:, dimension], color=colour, label=f"dimension {dimension}")
    lower.set_xlim(0, max(1, len(values) - 1))
    lower.set_xlabel("position")
    lower.set_ylabel("value")
    figure.legend(loc="outside lower center", ncols=len(chosen))
    return figure
