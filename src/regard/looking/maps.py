"""Maps of attention: one matrix, all heads of a layer, one word's view, and the three masks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch
from numpy.typing import ArrayLike

from regard.data.tokenizers.tokenizer_kinds import SPACE
from regard.errors import DataError
from regard.looking.align import SPECIALS, Matrix, checked, merge_words, word_groups, words_of
from regard.looking.lettering import Lettering, lettering, remark
from regard.looking.style import BLUE, FAINT, LINE, VERMILION, WEIGHTS, bare, heading, new_figure, styled

LABELS_AT_MOST = 80  # along one side; of more pieces every second, third … is labelled
HIDDEN = "#8b95a34d"  # a grey that is neither a light nor a dark page's
LABELLED_HEADS = 16  # pieces along one side of a head's small map, up to which each is labelled


def piece_labels(pieces: Sequence[str]) -> list[str]:
    """Pieces for reading: ``▁Hund`` is "Hund", a piece that continues a word begins with "·", ``▁`` alone is "␣"."""
    marked = any(piece.startswith(SPACE) for piece in pieces) and any(len(piece) > 1 for piece in pieces)
    labels = []
    for number, piece in enumerate(pieces):
        continues = marked and number > 0 and not piece.startswith(SPACE) and piece not in SPECIALS
        text = piece.removeprefix(SPACE).replace(SPACE, " ")
        labels.append(("·" if continues and pieces[number - 1] != SPACE else "") + (text or "␣"))
    return labels


def alignment(
    matrix: ArrayLike,
    source_pieces: Sequence[str],
    target_pieces: Sequence[str],
    title: str = "",
    *,
    words: bool = False,
) -> Figure:
    """One attention matrix [T S]: a row each target piece, darker where it looks more; ``words`` joins pieces.

    Raises DataError where matrix and pieces don't fit together.
    """
    weights = checked(matrix, source_pieces, target_pieces)
    if words:
        merged = merge_words(weights, source_pieces, target_pieces)
        return matrix_map(merged, words_of(source_pieces), words_of(target_pieces), title)
    return matrix_map(weights, piece_labels(source_pieces), piece_labels(target_pieces), title)


@styled()
def matrix_map(weights: Matrix, columns: Sequence[str], rows: Sequence[str], title: str = "") -> Figure:
    """One matrix [rows, columns] with a label for each, as ``alignment`` draws it."""
    across, down = lettering(columns), lettering(rows)
    figure = new_figure(_side(len(columns)) + 2.2, _side(len(rows)) + 1.9)
    axes = figure.add_subplot()
    image = _map(axes, weights, across, down, top=float(np.nanmax(weights, initial=1e-9)))
    axes.set_aspect(_cell(len(rows)) / _cell(len(columns)))  # squares, unless a side is too long for them
    axes.set_xlabel("source", color=FAINT)
    axes.set_ylabel("target", color=FAINT)
    axes.xaxis.set_label_position("top")
    _title(figure, title)
    _scale(axes, image)
    remark(figure, across, down)
    return figure


@styled()
def matrix_panels(
    matrices: Mapping[str, Matrix], columns: Sequence[str], rows: Sequence[str], title: str = ""
) -> Figure:
    """Several matrices of the same rows and columns side by side, each on a scale of its own, under its name."""
    across, down = lettering(columns), lettering(rows)
    named = lettering(matrices, limit=60)
    width, height = max(1.8, 0.2 * len(columns)), max(1.8, 0.2 * len(rows))
    figure = new_figure(width * len(matrices) + 1.4, height + 1.6)
    for number, (matrix, name) in enumerate(zip(matrices.values(), named.texts, strict=True)):
        axes = figure.add_subplot(1, len(matrices), number + 1)
        beside = down if number == 0 else None
        _map(axes, matrix, across, beside, top=float(np.nanmax(matrix, initial=1e-9)), size=8)
        axes.set_xlabel(name, fontsize=9, color=FAINT, labelpad=3, **named.style)
    _title(figure, title)
    remark(figure, across, down, named)
    return figure


@styled()
def heads(
    weights: ArrayLike,
    source_pieces: Sequence[str],
    target_pieces: Sequence[str],
    title: str = "",
    *,
    names: Sequence[str] | None = None,
) -> Figure:
    """All heads [H T S] side by side on one scale; ``names`` stand above them instead of "head 1" and so on.

    Raises DataError where weights, pieces and names don't fit together.
    """
    maps = np.asarray(weights, dtype=np.float64)
    if maps.ndim != 3 or (names is not None and len(names) != len(maps)):
        got = f"weights of {'×'.join(map(str, maps.shape))}" + (f" and {len(names)} names" if names else "")
        raise DataError.because("heads", got, "weights [heads, target, source], a name each head", "pick one layer")
    across, down = lettering(piece_labels(source_pieces)), lettering(piece_labels(target_pieces))
    named = lettering(names or [f"head {number}" for number in range(1, len(maps) + 1)], limit=40)
    columns = min(range(1, 5), key=lambda n: (math.ceil(len(maps) / n) * n - len(maps)) - n)  # few gaps, wide rows
    rows = math.ceil(len(maps) / columns)
    labelled = max(len(source_pieces), len(target_pieces)) <= LABELLED_HEADS
    width, height = (min(max(0.17 * len(pieces), 1.3), 3.0) for pieces in (source_pieces, target_pieces))
    figure = new_figure((width + 0.25) * columns + 1.2, (height + 0.35) * rows + 1.3)
    for number, (each, name) in enumerate(zip(maps, named.texts, strict=True)):
        axes = figure.add_subplot(rows, columns, number + 1)
        above = across if labelled and number < columns else None
        beside = down if labelled and number % columns == 0 else None
        each = checked(each, source_pieces, target_pieces)
        _map(axes, each, above, beside, top=float(maps.max()), size=7, lines=labelled)
        axes.set_xlabel(name, fontsize=9, color=FAINT, labelpad=3, **named.style)
    _title(figure, title)
    remark(figure, across, down, named)
    return figure


@styled()
def pointing(
    sentences: Sequence[tuple[Sequence[str], int, ArrayLike]], title: str = "", *, words: bool = False
) -> Figure:
    """Where one piece of each sentence looks: (pieces, number of the piece that looks, its weights) a sentence.

    A bar stands on each piece with its share in percent, and the piece that looks is red; ``words`` joins pieces.
    Raises DataError where the weights don't fit the pieces.
    """
    panels: list[tuple[Lettering, int, Matrix]] = []
    for pieces, looking, weights in sentences:
        row = checked(np.asarray(weights, dtype=np.float64)[None], pieces, ["one"])
        labels = piece_labels(pieces)
        if words:
            row, labels = merge_words(row, pieces, ["one"]), words_of(pieces)
            looking = next(number for number, group in enumerate(word_groups(pieces)) if looking in group)
        panels.append((lettering(labels), looking, row[0]))
    longest = max(len(shown.texts) for shown, _, _ in panels)
    figure = new_figure(max(5.0, 0.68 * longest + 0.4), 1.8 * len(panels) + (0.5 if title else 0.0))
    for number, panel in enumerate(panels):
        _bars(figure.add_subplot(len(panels), 1, number + 1), *panel)
    _title(figure, title)
    remark(figure, *(shown for shown, _, _ in panels))
    return figure


@styled()
def masks(
    encoder: ArrayLike,
    decoder: ArrayLike,
    cross: ArrayLike,
    source_pieces: Sequence[str],
    target_pieces: Sequence[str],
) -> Figure:
    """The three masks of the paper's section 3: [S S], [T T] and [T S], blue where a row may look at a column.

    Many tutorials write the opposite (1 = hidden), or add −∞ where we say False. Raises DataError for other sizes.
    """
    source, target = lettering(piece_labels(source_pieces)), lettering(piece_labels(target_pieces))
    panels = (
        ("encoder: itself\n(padding is hidden)", encoder, source, source),
        ("decoder: itself\n(the future and padding are hidden)", decoder, target, target),
        ("decoder: the source\n(padding is hidden)", cross, source, target),
    )
    side = max(2.2, 0.26 * max(len(source_pieces), len(target_pieces)))
    figure = new_figure(3 * (side + 0.9), side + 2.0)
    for number, (name, matrix, across, down) in enumerate(panels):
        axes = figure.add_subplot(1, 3, number + 1)
        _map(axes, checked(np.asarray(matrix, dtype=bool), across.texts, down.texts), across, down, top=1.0, size=9)
        axes.set_anchor("N")
        axes.images[0].set_cmap(ListedColormap([HIDDEN, BLUE]))
        axes.set_xlabel(name, labelpad=8)
    keys = [Patch(facecolor=BLUE, label="may look (True)"), Patch(facecolor=HIDDEN, label="hidden (False)")]
    figure.legend(handles=keys, loc="outside upper left", ncols=2)
    remark(figure, source, target)
    return figure


def _cell(pieces: int) -> float:
    return min(0.3, 14.0 / pieces)  # inches


def _side(pieces: int) -> float:
    return max(_cell(pieces) * pieces, 1.5)


def _map(
    axes: Axes,
    weights: Matrix,
    across: Lettering | None,
    down: Lettering | None,
    *,
    top: float,
    size: float = 10,
    lines: bool = True,
) -> AxesImage:
    """Squares of one matrix, with the source's labels above and the target's at the left (None: no labels).

    Lines separate the squares, unless there are too many: then there is a frame.
    """
    image = axes.imshow(weights, cmap=WEIGHTS, vmin=0.0, vmax=max(top, 1e-9), aspect="equal")
    bare(axes)
    rows, columns = weights.shape
    if not lines:
        axes.spines[:].set(visible=True, color=LINE)
    else:
        axes.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
        axes.grid(True, which="minor", color=LINE, linewidth=0.5)
        axes.tick_params(which="minor", length=0)
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False)
    for axis, labels, turn in ((axes.xaxis, across, 90), (axes.yaxis, down, 0)):
        if labels is None:
            axis.set_ticks([])
            continue
        every = math.ceil(len(labels.texts) / LABELS_AT_MOST)
        fits = min(size, 72 * 14 / LABELS_AT_MOST * 0.8) if every > 1 or len(labels.texts) > 46 else size
        places = range(0, len(labels.texts), every)
        axis.set_ticks(places, [labels.texts[i] for i in places], rotation=turn, fontsize=fits, **labels.style)
    return image


def _scale(axes: Axes, image: AxesImage) -> None:
    """The scale of colours beside a map, never taller than it."""
    rows, columns = np.asarray(image.get_array()).shape
    width, height = 0.14 / _side(columns), min(1.0, 2.2 / _side(rows))
    beside = axes.inset_axes((1 + width, 1 - height, width, height))
    figure = axes.get_figure(root=True)
    assert figure is not None
    bar = figure.colorbar(image, cax=beside)
    bar.outline.set_visible(False)
    bar.ax.grid(False)
    bar.ax.tick_params(length=0, labelsize=8)


def _bars(axes: Axes, shown: Lettering, looking: int, weights: Matrix) -> None:
    places = np.arange(len(weights))
    axes.bar(places, weights, width=0.72, color=[VERMILION if place == looking else BLUE for place in places])
    for place, weight in enumerate(weights):
        if weight >= 0.03:
            axes.text(place, weight, f"{100 * weight:.0f} %", ha="center", va="bottom", fontsize=8, color=FAINT)
    axes.set_ylim(0, max(1.0, float(weights.max())) * 1.12)
    axes.set_xlim(-0.6, len(weights) - 0.4)
    bare(axes)
    axes.spines["bottom"].set_visible(True)
    axes.set_yticks([])
    axes.set_xticks(places, shown.texts, **shown.style)
    axes.get_xticklabels()[looking].set_color(VERMILION)


def _title(figure: Figure, title: str) -> None:
    shown = lettering([title], limit=100)
    heading(figure, shown.texts[0], **shown.style)
