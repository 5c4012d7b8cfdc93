"""Which objects a picture shows, and where."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from regard.data.images.picture import opened
from regard.data.images.preparation import Preparation, stacked
from regard.decoding.inference import inference
from regard.errors import CheckpointError, SettingError
from regard.tasks.boxes import corners
from regard.tasks.detection import FoundObjects

THRESHOLD = 0.5  # of the probability of a class, above which an object is reported
Progress = Callable[[int], None]
Box = tuple[float, float, float, float]


@runtime_checkable
class Detecting(Protocol):
    """A model whose queries say a class and a box each."""

    def __call__(self, images: Tensor, real: Tensor) -> FoundObjects:
        """The predictions of the last layer: ``logits`` [1 B Q C], "no object" last, and ``boxes`` [1 B Q 4]."""


@dataclass(frozen=True)
class Picture:
    """What a model reads of a picture, [colours, height, width], and how many pixels the picture itself has."""

    pixels: Float[Tensor, "colours height width"]
    width: int
    height: int


def prepared(picture: Path | str | Image.Image, preparation: Preparation) -> Picture:
    """A picture, or file of one, as the model reads it. Raises DataError for a file that is no whole picture."""
    whole = opened(picture)
    pixels = preparation.images(stacked([preparation.pixels(whole)]))[0]
    return Picture(pixels, *whole.size)


@dataclass(frozen=True)
class Found:
    """An object: its label, P(label | query, picture), its box and the query that found it.

    The box is left, top, right and bottom in pixels of the picture itself, and ends where the picture does.
    """

    label: str
    score: float
    box: Box
    query: int


class Detector:
    """A model that finds objects, and what the classes are called, in the order of the model's outputs."""

    def __init__(self, model: Detecting, labels: Sequence[str]) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"the model is a {type(model).__name__}, not a torch module")
        self.model: Detecting = model
        self.module: nn.Module = model
        self.labels = tuple(labels)

    @torch.inference_mode()
    def detect(
        self,
        pictures: Sequence[Picture],
        threshold: float = THRESHOLD,
        batch_pixels: int = 4_000_000,
        threads: int = 1,
        progress: Progress | None = None,
    ) -> list[list[Found]]:
        """The objects of each picture of which the model is surer than ``threshold``, the surest first.

        A batch holds pictures of one size, so that nothing is padded and no result depends on its companions, whatever
        the norms. Pictures may have any order; so have the results. ``progress`` is called after every batch with the
        number of pictures done. Raises SettingError for a threshold that is no probability, CheckpointError where
        the model has not an output for each label and one more.
        """
        if not 0 <= threshold <= 1:
            raise SettingError.because("threshold", threshold, "a probability from 0 to 1", f"use {THRESHOLD}")
        found: dict[int, list[Found]] = {}
        with inference(self.module, threads) as device:
            for places in of_one_size(pictures, batch_pixels):
                images = torch.stack([pictures[place].pixels for place in places]).to(device)
                real = torch.ones(len(images), *images.shape[2:], dtype=torch.bool, device=device)
                said = self.model(images, real)
                self._check(said.logits)
                likely = said.logits[-1].double().softmax(-1).cpu()
                boxes = corners(said.boxes[-1].double()).cpu()
                for place, one, around in zip(places, likely, boxes, strict=True):
                    found[place] = self._objects(pictures[place], one, around, threshold)
                if progress is not None:
                    progress(len(found))
        return [found[place] for place in range(len(pictures))]

    def _objects(self, picture: Picture, likely: Tensor, boxes: Tensor, threshold: float) -> list[Found]:
        scores, classes = likely[:, :-1].max(-1)
        sides = torch.tensor([picture.width, picture.height] * 2, dtype=torch.float64)
        within = torch.minimum(boxes.clamp(min=0) * sides, sides)
        order = scores.argsort(descending=True, stable=True).tolist()
        return [
            Found(self.labels[int(classes[query])], float(scores[query]), _box(within[query]), query)
            for query in order
            if scores[query] > threshold
        ]

    def _check(self, logits: Tensor) -> None:
        if logits.shape[-1] != len(self.labels) + 1:
            got = f"{len(self.labels)} labels with outputs of the shape {list(logits.shape[1:])}"
            action = "use the labels that the model was trained with"
            raise CheckpointError.because("detector", got, 'an output for each label and one for "no object"', action)


def of_one_size(pictures: Sequence[Picture], batch_pixels: int) -> Iterator[list[int]]:
    """The places of pictures that the model reads at one size, at most so many pixels together, or one picture."""
    by_size: dict[tuple[int, ...], list[int]] = {}
    for place, picture in enumerate(pictures):
        by_size.setdefault(tuple(picture.pixels.shape), []).append(place)
    for (_, height, width), places in by_size.items():
        count = max(1, batch_pixels // max(1, height * width))
        for first in range(0, len(places), count):
            yield places[first : first + count]


def _box(corners: Tensor) -> Box:
    left, top, right, bottom = corners.tolist()
    return left, top, right, bottom
