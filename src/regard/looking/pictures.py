"""Pictures with what a model says of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from regard.looking.style import COLOURS, FAINT, VERMILION, new_figure, styled

ACROSS, SIDE = 6, 1.5  # pictures in a row, and inches of one
WIDE = 3.2  # inches of one with boxes


def classified(
    pictures: Sequence[np.ndarray], right: Sequence[str], said: Sequence[str], sure: Sequence[float]
) -> Figure:
    """[height, width, 3] pictures with the class that a model gives each, and with the right one where it errs."""
    titles, colours = [], []
    for gold, name, share in zip(right, said, sure, strict=True):
        wrong = name != gold
        titles.append(f"{name} {share:.0%}" + (f"\nis {gold}" if wrong else ""))
        colours.append(VERMILION if wrong else FAINT)
    return _titled(pictures, titles, colours)


def named(pictures: Sequence[np.ndarray], names: Sequence[str]) -> Figure:
    """[height, width, 3] pictures with their names."""
    return _titled(pictures, names, [FAINT] * len(names))


@styled()
def _titled(pictures: Sequence[np.ndarray], titles: Sequence[str], colours: Sequence[str]) -> Figure:
    down = -(-len(pictures) // ACROSS)
    figure = new_figure(ACROSS * SIDE, down * (SIDE + 0.45))
    grid = figure.subplots(down, ACROSS, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, picture, title, colour in zip(grid.flat, pictures, titles, colours, strict=False):
        draw_picture(axes, picture)
        axes.set_title(title, fontsize=8, color=colour, pad=3)
    return figure


class Seen(Protocol):
    """An object that a model found: what it is, how surely, and where (left, top, right, bottom in pixels)."""

    @property
    def label(self) -> str:
        """Its class."""

    @property
    def score(self) -> float:
        """From 0 to 1."""

    @property
    def box(self) -> tuple[float, float, float, float]:
        """In pixels of the picture's own size."""


@styled()
def detected(
    pictures: Sequence[np.ndarray],
    found: Sequence[Sequence[Seen]],
    sizes: Sequence[tuple[int, int]],
    labels: Sequence[str],
) -> Figure:
    """[height, width, 3] pictures with boxes around what was found; ``sizes``: width and height that boxes are of."""
    across = min(3, len(pictures))
    down = -(-len(pictures) // across)
    height = WIDE * max(size[1] / size[0] for size in sizes)
    figure = new_figure(across * WIDE, down * height)
    grid = figure.subplots(down, across, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, picture, objects, size in zip(grid.flat, pictures, found, sizes, strict=False):
        draw_picture(axes, picture)
        draw_boxes(axes, objects, picture.shape[1] / size[0], labels)
    return figure


def draw_boxes(axes: Axes, objects: Sequence[Seen], scale: float, labels: Sequence[str]) -> None:
    """A frame around each object, in the colour of its class, with its name and how sure it is."""
    for one in objects:
        left, top, right, bottom = (scale * side for side in one.box)
        colour = COLOURS[labels.index(one.label) % len(COLOURS)]
        axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=colour, linewidth=1.2))
        box = {"facecolor": colour, "edgecolor": "none", "pad": 0.8, "alpha": 0.85}
        text = f"{one.label} {one.score:.0%}"
        axes.text(left, top, text, fontsize=6, color="white", va="bottom", bbox=box, clip_on=True)


def draw_picture(axes: Axes, picture: np.ndarray) -> None:
    """A picture without axes, its pixels as they are."""
    axes.set_axis_off()
    axes.imshow(picture)
