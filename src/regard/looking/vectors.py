"""Pictures of vectors that stand for words: maps in two dimensions beside each other, and tables of neighbours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from regard.errors import DataError
from regard.looking.lettering import Lettering, in_legend, lettering, remark
from regard.looking.style import BLUE, COLOURS, FAINT, INK, LINE, VERMILION, bare, heading, new_figure, styled

Neighbour = tuple[str, float, bool | None]  # the word, its similarity, and whether it is of the same class

MARKERS = "os^Dvp"
PANEL = 4.9  # inches, of a map
LABEL_SIZE, GAP = 8, 4  # points: of the letters, and between labels
AROUND = [(math.cos(turn), math.sin(turn)) for turn in np.arange(0, 2 * math.pi, math.pi / 8)]
DISTANCES = (5, 9, 14, 20, 28, 38, 50)  # points from a place to its label, the nearest tried first


@styled()
def word_maps(
    maps: Mapping[str, ArrayLike], words: Sequence[str], classes: Sequence[str] | None = None, title: str = ""
) -> Figure:
    """Points [n 2] of the same ``words`` on several maps, each called by its name; a colour and a mark each class.

    Labels keep clear of each other and of the points, with a line to their point where they had to move away.
    Raises DataError where points, words and classes don't fit together.
    """
    tables = {name: np.asarray(points, dtype=np.float64) for name, points in maps.items()}
    groups = list(classes) if classes is not None else [""] * len(words)
    for name, points in tables.items():
        if points.shape != (len(words), 2) or len(groups) != len(words):
            got = f"points of {'×'.join(map(str, points.shape))}, {len(words)} words, {len(groups)} classes"
            raise DataError.because(name, got, "two numbers and a class for each word", "hand in as many")
    shown, named = lettering(words, limit=16), lettering(maps, limit=60)
    kinds = lettering(dict.fromkeys(groups))
    figure = new_figure(PANEL * len(tables) + 0.2, PANEL + 0.9)
    panels = np.atleast_1d(figure.subplots(1, len(tables)))
    heading(figure, title)
    for axes, points, name in zip(panels, tables.values(), named.texts, strict=True):
        _points(axes, points, groups, kinds)
        axes.set_title(name, loc="left", color=FAINT, **named.style)
    if classes is not None:
        keys = figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(COLOURS))
        for text in keys.get_texts():
            text.set(**kinds.style)
    remark(figure, shown, named, kinds)
    figure.draw_without_rendering()  # only now is it known where the points lie
    for axes, points in zip(panels, tables.values(), strict=True):
        _place_labels(axes, points, shown)
    return figure


@styled()
def neighbours(columns: Mapping[str, Mapping[str, Sequence[Neighbour]]], title: str = "") -> Figure:
    """The nearest words of some words: a row each word, a column each kind of vectors, longer bars for more similar.

    A neighbour of the same class is blue, of another one red; grey where classes are unknown. Bars are lengthened so
    that the most similar of a column fills its place. Raises DataError where the columns are not of the same words.
    """
    words = list(next(iter(columns.values()), {}))
    if not words or any(list(column) != words for column in columns.values()):
        raise DataError.because("neighbours", "columns of other words", "the same words in each", "hand in one list")
    rows = max(len(found) for column in columns.values() for found in column.values())
    named, shown = lettering(columns, limit=40), lettering(words, limit=18)
    texts = lettering([one[0] for column in columns.values() for found in column.values() for one in found], limit=20)
    remaining = iter(texts.texts)
    figure = new_figure(1.3 + 2.15 * len(columns), 0.7 + (0.21 * rows + 0.16) * len(words))
    panels = figure.subplots(len(words), len(columns), squeeze=False)
    heading(figure, title)
    for across, (name, column) in enumerate(zip(named.texts, columns.values(), strict=True)):
        longest = max((one[1] for found in column.values() for one in found), default=1.0)
        for down, found in enumerate(column.values()):
            axes = panels[down, across]
            _bars(axes, found, [next(remaining) for _ in found], longest, rows, texts)
            if down == 0:
                axes.set_title(name, loc="left", fontsize=10, color=FAINT, pad=4, **named.style)
            if across == 0:
                label = axes.set_ylabel(
                    shown.texts[down], rotation=0, ha="right", va="center", fontsize=12, labelpad=8, **shown.style
                )
                label.set_color(INK)
    remark(figure, named, shown, texts)
    return figure


def _points(axes: Axes, points: np.ndarray, groups: Sequence[str], kinds: Lettering) -> None:
    for number, (group, name) in enumerate(zip(dict.fromkeys(groups), kinds.texts, strict=True)):
        chosen = points[[each == group for each in groups]]
        colour = COLOURS[number % len(COLOURS)]
        marker = MARKERS[(number + number // len(COLOURS)) % len(MARKERS)]
        axes.scatter(
            chosen[:, 0], chosen[:, 1], s=18, color=colour, marker=marker, linewidths=0, label=in_legend(name), zorder=3
        )
    axes.margins(0.14)
    axes.spines[:].set(visible=True, color=LINE)
    axes.grid(False)
    axes.set_xticks([])
    axes.set_yticks([])


def _place_labels(axes: Axes, points: np.ndarray, shown: Lettering) -> None:
    """Give each point its label where it covers least; points with many others near them choose first."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    scale = figure.dpi / 72  # pixels in a point
    places = axes.transData.transform(points)
    frame = np.array(axes.get_window_extent().extents)
    taken = [*np.concatenate([places - 3 * scale, places + 3 * scale], axis=1)]  # the points themselves
    crowd = (np.linalg.norm(places[:, None] - places[None], axis=-1) < 40 * scale).sum(1)
    for number in np.argsort(-crowd, kind="stable"):
        note = axes.annotate(
            shown.texts[number], points[number], (0, 0), textcoords="offset points", fontsize=LABEL_SIZE, **shown.style
        )
        note.set_in_layout(False)
        extent = note.get_window_extent()
        size = np.array([extent.width + GAP * scale, extent.height])
        centre, distance = _best_place(places[number], size, np.array(taken), frame, scale)
        box = np.concatenate([centre - size / 2, centre + size / 2])
        taken.append(box)
        offset = (centre - places[number]) / scale
        note.set(position=tuple(offset), horizontalalignment="center", verticalalignment="center")
        if distance > DISTANCES[1]:
            end = np.clip(places[number], box[:2], box[2:])  # the label's nearest edge
            line = axes.transData.inverted().transform([places[number], end])
            axes.plot(*line.T, color=FAINT, linewidth=0.5, zorder=1)


def _best_place(
    place: np.ndarray, size: np.ndarray, taken: np.ndarray, frame: np.ndarray, scale: float
) -> tuple[np.ndarray, int]:
    """The middle of a label of this size and its distance: of the places that cover least, the nearest."""
    distances = np.repeat(DISTANCES, len(AROUND))
    around = np.tile(AROUND, (len(DISTANCES), 1))
    centres = place + scale * distances[:, None] * around + around * size / 2
    boxes = np.concatenate([centres - size / 2, centres + size / 2], axis=1)
    outside = size.prod() - _covered(boxes, frame[None])[:, 0]
    best = int((_covered(boxes, taken).sum(1) + outside).round(6).argmin())
    return centres[best], int(distances[best])


def _covered(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The area [n m] that each of ``boxes`` [n 4] shares with each of ``others`` [m 4]: left, low, right, high."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.maximum(0.0, high - low).prod(-1)


def _bars(
    axes: Axes, found: Sequence[Neighbour], texts: Sequence[str], longest: float, rows: int, shown: Lettering
) -> None:
    for place, ((_, similarity, same), text) in enumerate(zip(found, texts, strict=True)):
        colour = FAINT if same is None else BLUE if same else VERMILION
        share = max(0.0, similarity / longest) if longest > 0 else 0.0
        axes.barh(place, share, height=0.86, color=colour, alpha=0.22, linewidth=0)
        axes.text(0.025, place, text, va="center_baseline", fontsize=9, **shown.style)
        number = f"{similarity:.2f}" if abs(similarity) < 100 else f"{similarity:,.0f}"
        axes.text(1.02, place, number, va="center_baseline", ha="left", fontsize=7.5, color=FAINT)
    bare(axes)
    axes.set_xlim(0, 1.2)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_xticks([])
    axes.set_yticks([])
