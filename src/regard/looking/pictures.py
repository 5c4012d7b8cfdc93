"""Pictures with what a model says of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from regard.looking.style import FAINT, VERMILION, new_figure, styled

ACROSS, SIDE = 6, 1.5  # pictures in a row, and inches of one


@styled()
def classified(
    pictures: Sequence[np.ndarray], right: Sequence[str], said: Sequence[str], sure: Sequence[float]
) -> Figure:
    """[height, width, 3] pictures with the class that a model gives each, and with the right one where it errs."""
    down = -(-len(pictures) // ACROSS)
    figure = new_figure(ACROSS * SIDE, down * (SIDE + 0.45))
    grid = figure.subplots(down, ACROSS, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, picture, gold, name, share in zip(grid.flat, pictures, right, said, sure, strict=False):
        draw_picture(axes, picture)
        wrong = name != gold
        title = f"{name} {share:.0%}" + (f"\nis {gold}" if wrong else "")
        axes.set_title(title, fontsize=8, color=VERMILION if wrong else FAINT, pad=3)
    return figure


def draw_picture(axes: Axes, picture: np.ndarray) -> None:
    """A picture without axes, its pixels as they are."""
    axes.set_axis_off()
    axes.imshow(picture)
