"""Pictures with a class each, and a model that has learnt from some of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from regard import families
from regard.config import build as build_settings
from regard.data.images.augmentation import Augmentation
from regard.data.images.batches import ImageBatch, plan_pictures
from regard.data.images.picture import read_picture
from regard.data.images.pictured import read_pictured
from regard.data.images.preparation import Preparation
from regard.errors import DataError
from regard.models.heads import Head
from regard.models.vocabulary import NO_TEXT
from regard.studies.frame.arms import learn_wholly
from regard.studies.frame.watch import Watch
from regard.studies.picture_classes.shapes import SIDE, shapes
from regard.tasks.image_classification import ImageClassification
from regard.training.loop import Feed
from regard.training.settings import TrainSettings

ROWS = 64  # pictures that are classified at once
LEAST = 125  # of which a fifth are for the test, so that 100 are left to learn from
PREPARATION = Preparation(SIDE, "stretch")


@dataclass(frozen=True)
class Pictures:
    """Eight-bit pictures [n, 3, SIDE, SIDE] and their classes, as numbers."""

    pixels: np.ndarray
    classes: np.ndarray

    def __len__(self) -> int:
        return len(self.pixels)

    def some(self, rows: np.ndarray) -> Pictures:
        """These of them."""
        return Pictures(self.pixels[rows], self.classes[rows])

    def chosen_first(self, seed: int) -> Pictures:
        """All, as chance orders them, but one of each class before the others: fewer are part of more."""
        order = np.random.default_rng(seed).permutation(len(self))
        _, first = np.unique(self.classes[order], return_index=True)
        return self.some(np.concatenate((order[np.sort(first)], np.delete(order, first))))


@dataclass(frozen=True)
class Material:
    """Pictures to learn and to test, and the names of their classes."""

    name: str
    train: Pictures
    test: Pictures
    labels: tuple[str, ...]

    @property
    def chance(self) -> float:
        """The share of the most frequent class in the test."""
        return float(np.bincount(self.test.classes).max()) / len(self.test)


def of_shapes(train: int, test: int, seed: int) -> Material:
    """Drawn ones; the last of them are the test's."""
    pixels, names = shapes(train + test, seed)
    labels = tuple(sorted(set(names)))
    every = Pictures(pixels, np.array([labels.index(name) for name in names]))
    rows = np.arange(len(names))
    return Material("built in: eight drawn shapes", every.some(rows[:train]), every.some(rows[train:]), labels)


def of_files(path: Path, train: int, test: int, seed: int) -> Material:
    """Some of a folder's or table's pictures, by chance. Raises DataError for too few, or for one class."""
    found = read_pictured(path, "image", ["label"])
    labels = tuple(sorted({said[-1] for _, said in found}))
    if len(found) < LEAST or len(labels) < 2:
        got = f"{len(found)} pictures of {len(labels)} classes"
        expected = f"at least {LEAST} pictures of two classes or more"
        raise DataError.because(path, got, expected, "give more of them, or none")
    order = np.random.default_rng(seed).permutation(len(found))[: train + test]
    rows = [found[number] for number in order]
    every = Pictures(
        np.stack([PREPARATION.pixels(read_picture(file)) for file, _ in rows]),
        np.array([labels.index(said[-1]) for _, said in rows]),
    )
    tested = min(test, len(rows) // 5)
    places = np.arange(len(rows))
    return Material(path.name, every.some(places[tested:]), every.some(places[:tested]), labels)


@dataclass(frozen=True)
class Sight:
    """A kind of model: its family, and its settings as a recipe's ``[model]`` would have them; how fast it learns."""

    family: str
    model: Mapping[str, Any]
    rate: float

    def build(self, labels: Sequence[str]) -> Any:
        """A new one."""
        module = families.get(self.family)
        config = build_settings(module.Config, {"image_size": SIDE, **self.model}, "model.")
        return module.build(config, NO_TEXT, Head("classification", tuple(labels)))


@dataclass(frozen=True)
class Lesson:
    """How all of them learn: the same pictures in the same order, varied alike."""

    plan: TrainSettings
    batch: int
    augment: Augmentation = field(default_factory=Augmentation)


def learnt(sight: Sight, pictures: Pictures, material: Material, lesson: Lesson, watch: Watch) -> np.ndarray:
    """Train one, and test it: 1 for each picture of the test whose class it finds, else 0."""
    torch.manual_seed(lesson.plan.seed)
    model = sight.build(material.labels)
    learn_wholly(model, ImageClassification(), _feed(pictures, lesson), lesson.plan, watch)
    return hits(model, material.test)


def _feed(pictures: Pictures, lesson: Lesson) -> Feed:
    def collate(rows: np.ndarray) -> ImageBatch:
        some = pictures.some(rows)
        varied = lesson.augment.vary(torch.from_numpy(some.pixels).float() / 255)
        return ImageBatch(PREPARATION.normalised(varied), torch.from_numpy(some.classes))

    count, size, seed = len(pictures), lesson.batch, lesson.plan.seed
    return Feed(epoch=lambda epoch: plan_pictures(count, size, seed, epoch), collate=collate)


@torch.no_grad()
def hits(model: Any, test: Pictures) -> np.ndarray:
    """1 for each picture whose class the model finds, else 0."""
    model.eval()
    starts = range(0, len(test), ROWS)
    batches = (PREPARATION.images(torch.from_numpy(test.pixels[first : first + ROWS])) for first in starts)
    found = torch.cat([model.classify(images).argmax(1) for images in batches])
    return np.asarray(found.numpy() == test.classes, dtype=np.float64)
