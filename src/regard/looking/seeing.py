"""Where a model looks in a picture: for each word of a caption, for a class, from a cell, for an object."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from regard.errors import SettingError
from regard.looking.attribution.rollout import rollout
from regard.looking.looks import words
from regard.looking.picture_runs import Opened, View, is_square, judged, objects_in, told, view
from regard.looking.pictures import draw_boxes, draw_picture
from regard.looking.style import new_figure, styled

SIDE, ACROSS = 2.0, 5  # inches of a picture, and how many stand in a row
PALE = 0.35  # what is left of the dark where nothing was looked at


@dataclass(frozen=True)
class Glance:
    """What one of a model's answers looked at: shares of the picture's cells, [rows, columns], which sum to 1."""

    title: str
    cells: Float[Tensor, "rows columns"]
    objects: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Sight:
    """A picture as the model reads it, [height, width, 3], and what was looked at. ``size``: its own, for boxes."""

    picture: np.ndarray
    size: tuple[int, int]
    glances: tuple[Glance, ...]
    labels: tuple[str, ...] = ()


def see(
    model: Opened, picture: Path | str | Image.Image, language: str | None = None, cell: tuple[int, int] | None = None
) -> Sight:
    """Ask the model, and see where it looks.

    A captioner: each word's attention to the cells. ViT: the rollout of the class token (Abnar & Zuidema 2020).
    Attention inside a CNN: from one ``cell`` (row and column from 0; unless given, the middle), layer by layer. DETR:
    each query's attention in the last layer, with the box that it found. Where a layer has several heads it is their
    mean. Raises RunError for a model without attention, SettingError for a cell that is not there.
    """
    viewed = view(model, picture)
    if model.head.kind == "detection":
        return Sight(viewed.shown, viewed.whole.size, _objects(model, viewed), model.head.labels)
    glances = _words(model, viewed, language) if model.head.kind == "language" else _class(model, viewed, cell)
    return Sight(viewed.shown, viewed.whole.size, glances)


def _words(model: Any, seen: View, language: str | None) -> tuple[Glance, ...]:
    caption = told(model, seen.images, language)
    weights = caption.trace.of("cross").mean((0, 2))[0]  # of layers and heads
    pieces = words(model.target_tokenizer, caption.ids).labels
    return tuple(Glance(piece, _grid(row)) for piece, row in zip(pieces, weights, strict=True))


def _class(model: Opened, seen: View, cell: tuple[int, int] | None) -> tuple[Glance, ...]:
    shares, found = judged(model, seen.images)
    best = int(shares.argmax())
    name = model.head.labels[best] if model.head.labels else "the picture"
    layers = [weights.mean(0) for weights in found]
    if is_square(layers[0].shape[-1]):
        return tuple(_from_cell(weights, cell, number) for number, weights in enumerate(layers, start=1))
    rolled = rollout(torch.stack(layers)[:, None])[0, 1:]
    title = f"{name} {float(shares[best]):.0%}" if model.head.labels else name
    return (Glance(title, _grid(rolled / rolled.sum())),)


def _from_cell(weights: Tensor, cell: tuple[int, int] | None, number: int) -> Glance:
    side = round(len(weights) ** 0.5)
    row, column = (side // 2, side // 2) if cell is None else cell
    if not (0 <= row < side and 0 <= column < side):
        got, expected = f"{row},{column}", f"a row and a column below {side}"
        raise SettingError.because("--cell", got, expected, f"use {side // 2},{side // 2} for the middle")
    return Glance(f"attention {number}, from {row},{column}", _grid(weights[row * side + column]))


def _objects(model: Any, seen: View) -> tuple[Glance, ...]:
    found, trace, grid = objects_in(model, seen)
    last = trace.calls["cross"][-1][0][0].mean(0)
    return tuple(Glance(f"{one.label} {one.score:.0%}", last[one.query].unflatten(0, grid), (one,)) for one in found)


def _grid(row: Tensor) -> Tensor:
    """Cells of a square picture, row by row."""
    side = round(len(row) ** 0.5)
    return row.float().unflatten(0, (side, side))


@styled()
def seen(sight: Sight) -> Figure:
    """The picture, once as it is, and once for each glance in that light."""
    count = 1 + len(sight.glances)
    across = min(ACROSS, count)
    down = -(-count // across)
    height = SIDE * sight.picture.shape[0] / sight.picture.shape[1] + 0.3
    figure = new_figure(across * SIDE, down * height)
    grid = figure.subplots(down, across, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    draw_picture(grid.flat[0], sight.picture)
    for axes, glance in zip(list(grid.flat)[1:], sight.glances, strict=False):
        draw_picture(axes, lit(sight.picture, glance.cells.numpy()))
        wide = sight.picture.shape[1]
        draw_boxes(axes, glance.objects, wide / sight.size[0], sight.labels)
        axes.set_title(glance.title, fontsize=9)
    return figure


def lit(picture: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The picture in its colours where it was looked at most, and pale grey where it was not."""
    light = Image.fromarray((cells / max(cells.max(), 1e-12)).astype(np.float32))
    shares = np.asarray(light.resize(picture.shape[1::-1], Image.Resampling.BILINEAR))[..., None].clip(0, 1)
    grey = 255 - PALE * (255 - picture.mean(2, keepdims=True))
    return (grey + shares * (picture - grey)).round().astype(np.uint8)
