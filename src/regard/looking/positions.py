"""Codes of positions as maps: a row each position, a column each number of its code."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from regard.looking.lettering import lettering, remark
from regard.looking.style import SIGNED, bare, heading, new_figure, styled


@styled()
def position_codes(codes: Mapping[str, ArrayLike], title: str = "") -> Figure:
    """Codes [positions, width] side by side under their names, all on one scale: orange −1, nothing 0, blue 1."""
    names = lettering(codes, limit=40)
    tables = [np.asarray(table, dtype=np.float64) for table in codes.values()]
    figure = new_figure(9.4, 4.8)
    heading(figure, title)
    widths = [max(0.3, table.shape[1] / max(one.shape[1] for one in tables)) for table in tables]
    places = figure.subplots(1, len(tables), squeeze=False, width_ratios=widths)[0]
    for axes, table, name in zip(places, tables, names.texts, strict=True):
        image = axes.imshow(table, cmap=SIGNED, vmin=-1.0, vmax=1.0, aspect="auto")
        bare(axes)
        axes.set_title(name, loc="left", **names.style)
        axes.set_xlabel("number in the code")
        axes.set_ylabel("position")
    bar = figure.colorbar(image, ax=list(places), fraction=0.03, pad=0.02, ticks=[-1, 0, 1])
    bar.outline.set_visible(False)
    bar.ax.grid(False)
    bar.ax.tick_params(length=0)
    remark(figure, names)
    return figure
