"""A small sheet of numbers [positions × features] after each way of bringing numbers to one scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from regard.layers.norm import BatchNorm, GroupNorm, LayerNorm, RMSNorm
from regard.looking.style import FAINT, INK, SIGNED, bare, heading, new_figure, styled

STRONGEST = 0.75  # of a colour, so that the number on it can be read


@dataclass(frozen=True)
class Sheet:
    """The numbers, and how many positions and features those have that are scaled ``together``."""

    numbers: np.ndarray
    together: tuple[int, int]
    caption: str


def scaled(texts: np.ndarray, groups: int) -> dict[str, Sheet]:
    """Numbers [texts, positions, features] after each way of scaling, the texts' positions below each other."""
    x = torch.from_numpy(texts)
    features = x.shape[2]
    rows = x.flatten(0, 1)
    least, most = rows.amin(0), rows.amax(0)
    norms = (LayerNorm(features), RMSNorm(features), GroupNorm(features, groups), BatchNorm(features))
    with torch.no_grad():
        layer, rms, group, batch = (norm.double()(x).flatten(0, 1) for norm in norms)
    sheet = {
        "As they are": (rows, (0, 0), "features"),
        "Min–max scaling": ((rows - least) / (most - least), (len(rows), 1), "a feature, over all data, from 0 to 1"),
        "Standardisation = batch norm": (batch, (len(rows), 1), "a feature, over the positions of the batch"),
        "Layer norm": (layer, (1, features), "a position, over its features"),
        "RMS norm": (rms, (1, features), "the same; the mean stays"),
        "Group norm": (group, (1, features // groups), f"a position, over each of {groups} groups of features"),
    }
    return {name: Sheet(one.numpy(), together, caption) for name, (one, together, caption) in sheet.items()}


@styled()
def sheets(drawn: Mapping[str, Sheet], texts: int, title: str = "") -> Figure:
    """Every sheet with its numbers; a frame is around numbers that are scaled together. Texts lie below each other."""
    figure = new_figure(12.4, 2.9 * -(-len(drawn) // 3) + 0.5)
    heading(figure, title)
    places = figure.subplots(-(-len(drawn) // 3), 3, squeeze=False).flatten()
    for axes, (name, sheet) in zip(places, drawn.items(), strict=False):
        _draw(axes, sheet, texts)
        axes.set_title(name, loc="left")
        axes.set_xlabel(sheet.caption, color=FAINT, fontsize=9)
    for axes in places[len(drawn) :]:
        axes.set_visible(False)
    return figure


def _draw(axes: Axes, sheet: Sheet, texts: int) -> None:
    positions, features = sheet.numbers.shape
    most = float(np.abs(sheet.numbers).max()) or 1.0
    axes.imshow(sheet.numbers / most * STRONGEST, cmap=SIGNED, vmin=-1, vmax=1, aspect="auto")
    for row, column in np.ndindex(positions, features):
        number = f"{round(float(sheet.numbers[row, column]), 1) + 0.0:.1f}".replace("-", "−")
        axes.text(column, row, number, ha="center", va="center", fontsize=8.5, in_layout=False)
    for boundary in range(1, texts):
        axes.axhline(boundary * positions / texts - 0.5, color=FAINT, linewidth=1, linestyle=":")
    tall, wide = sheet.together
    for row in range(0, positions, max(1, tall)):
        for column in range(0, features, max(1, wide)):
            if tall:
                corner = (column - 0.45, row - 0.45)
                axes.add_patch(Rectangle(corner, wide - 0.1, tall - 0.1, fill=False, edgecolor=INK, linewidth=1.1))
    axes.set_xticks([])
    each = positions // texts
    axes.set_yticks(range(positions), [f"{i // each + 1}.{i % each + 1}" for i in range(positions)])
    bare(axes)
