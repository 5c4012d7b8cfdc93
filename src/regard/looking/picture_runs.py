"""A picture before a model that reads pictures: what it says, and what its attention was meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from regard.data.images.picture import opened
from regard.data.images.preparation import Preparation, stacked
from regard.errors import RunError
from regard.looking.opened import OpenedModel
from regard.looking.recording import Trace, capture

SURE = 0.3  # of an object, at least
MOST = 9  # objects that are shown, the surest


class Opened(OpenedModel, Protocol):
    """A model that reads pictures."""

    @property
    def preparation(self) -> Preparation | None:
        """What is done with a picture before."""


class View(NamedTuple):
    """A picture as it came, as the model reads it [height, width, 3], and as its numbers [1, 3, height, width]."""

    whole: Image.Image
    shown: np.ndarray
    images: Tensor


class Told(NamedTuple):
    """A caption: its ids with ``</s>``, what the decoder was fed for each, the logits [T, V], and the attention."""

    text: str
    ids: list[int]
    fed: list[int]
    logits: Tensor
    trace: Trace


class Judged(NamedTuple):
    """The share of each class, and the attention of each layer [H, S, S], which need not be of one size."""

    shares: Tensor
    layers: list[Tensor]


class Objects(NamedTuple):
    """The surest objects, the attention, and the grid of cells that it is over: rows and columns."""

    found: Sequence[Any]
    trace: Trace
    grid: tuple[int, int]


def view(model: Opened, picture: Path | str | Image.Image) -> View:
    """The picture, prepared. Raises RunError for a model without attention to pictures, DataError as ``opened``."""
    preparation = model.preparation
    if preparation is None or not any(model.module.attentions().values()):
        got = "a model that has no attention to a picture"
        action = "use a ViT, a captioner, DETR, or attention inside a CNN"
        raise RunError.because("look", got, "one that has some", action)
    whole = opened(picture)
    pixels = stacked([preparation.pixels(whole)])
    return View(whole, pixels[0].permute(1, 2, 0).numpy(), preparation.images(pixels))


def told(model: Any, images: Tensor, language: str | None) -> Told:
    """The caption that the model writes, under teacher forcing of itself."""
    captioner, module = model.captioner, model.module
    settings = captioner.settled(model.decoding, language)
    (found,) = captioner.of_images(images, torch.zeros(1, dtype=torch.long), settings)
    ids = [*found.ids, module.eos]
    fed = [module.start, *ids[:-1]]
    with torch.inference_mode(), capture(module) as trace:
        logits = module.logits(module(images, torch.tensor([fed])))[0]
    return Told(found.text, ids, fed, logits, trace)


def judged(model: Opened, images: Tensor) -> Judged:
    """The classes of a picture."""
    with torch.inference_mode(), capture(model.module) as trace:
        shares = model.module.classify(images).softmax(-1)[0]
    return Judged(shares, [calls[0][0] for calls in trace.calls["encoder"]])


def objects_in(model: Any, seen: View) -> Objects:
    """What the model finds in the picture."""
    (found,) = model.detect([seen.whole], SURE)
    real = torch.ones(1, *seen.images.shape[2:], dtype=torch.bool)
    with torch.inference_mode(), capture(model.module) as trace:
        grid, _ = model.module.see(seen.images, real)
        model.module(seen.images, real)
    return Objects(found[:MOST], trace, (grid.shape[2], grid.shape[3]))


def is_square(cells: int) -> bool:
    """Whether so many places are a square grid; with a class token before it they are not."""
    return round(cells**0.5) ** 2 == cells
