"""What each head is worth, as a map: a row each layer, a column each head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from regard.errors import DataError
from regard.looking.lettering import lettering, remark
from regard.looking.style import FAINT, SIGNED, bare, heading, new_figure, styled

CELL = (0.72, 0.42)  # inches


@dataclass(frozen=True)
class Worth:
    """One map: what is lost without each head [layers, heads], and whether that is ``sure``. ``linear``: see below.

    Colours grow with the logarithm of what is lost, and within ± ``linear`` with the loss itself, because a few heads
    are worth many times the others.
    """

    title: str
    lost: NDArray[np.float64]
    sure: NDArray[np.bool_]
    linear: float
    digits: int


@styled()
def worth_of_heads(maps: Sequence[Worth], layers: Sequence[str], title: str = "") -> Figure:
    """The maps side by side: vermilion is lost without the head, blue gained, and bold is sure.

    Raises DataError where a map's rows are not those of ``layers``.
    """
    if not maps or any(len(one.lost) != len(layers) or one.lost.shape != one.sure.shape for one in maps):
        raise DataError.because("maps", f"other rows than {len(layers)} layers", "a row each layer", "hand in all")
    shown = lettering(layers, limit=24)
    columns = maps[0].lost.shape[1]
    figure = new_figure(len(maps) * (max(4, columns) * CELL[0] + 0.5) + 1.2, len(layers) * CELL[1] + 1.7)
    heading(figure, title)
    for number, one in enumerate(maps):
        axes = figure.add_subplot(1, len(maps), number + 1)
        _draw(axes, one)
        if number == 0:
            axes.set_yticks(range(len(layers)), shown.texts, **shown.style)
    remark(figure, shown)
    return figure


def _draw(axes: Axes, one: Worth) -> None:
    most = max(2 * one.linear, float(np.abs(one.lost).max()))
    scale = SymLogNorm(one.linear, vmin=-most, vmax=most)
    axes.imshow(one.lost, cmap=SIGNED, norm=scale, aspect="auto")
    bare(axes)
    for (row, column), value in np.ndenumerate(one.lost):
        weight = "bold" if one.sure[row, column] else "normal"
        text = f"{value:+z.{one.digits}f}".replace("-", "−")
        axes.text(column, row, text, ha="center", va="center", fontsize=8, fontweight=weight)
    columns = one.lost.shape[1]
    axes.set_xticks(range(columns), [str(head + 1) for head in range(columns)])
    axes.set_yticks([])
    axes.set_xlabel("head", color=FAINT)
    axes.set_title(one.title, loc="left")
