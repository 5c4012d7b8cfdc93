"""Average precision of found objects, computed by pycocotools as for COCO (Lin et al. 2014).

AP is the area under the precision of the surest objects against their recall, read at 101 recalls, and the mean over
how much of a box must be right: an overlap (intersection over union) of 0.50, 0.55 … 0.95 with the true one. AP50 and
AP75 are those of 0.50 and 0.75 alone. All are shares, 0–1, and the mean over the classes that occur.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from regard.errors import DataError

MOST = 100  # the surest objects of a picture and class that count
FEW = 50  # pictures, below which a score is said to be uncertain
Box = tuple[float, float, float, float]


class Guess(Protocol):
    """A found object: what it is, how surely, and where (left, top, right, bottom in pixels)."""

    @property
    def label(self) -> str:
        """Its class."""

    @property
    def score(self) -> float:
        """Which guesses come first."""

    @property
    def box(self) -> Box:
        """Left, top, right, bottom."""


@dataclass(frozen=True)
class Truth:
    """An object that is there. A ``crowd`` is many in one box: who finds one of them is neither right nor wrong."""

    label: str
    box: Box
    crowd: bool = False


@dataclass(frozen=True)
class ClassPrecision:
    """How well the objects of one class are found. None: there are no such objects, or crowds alone."""

    label: str
    ap: float | None
    ap50: float | None
    ap75: float | None
    objects: int


@dataclass(frozen=True)
class DetectionScores:
    """Over all classes that occur, and each class."""

    ap: float
    ap50: float
    ap75: float
    classes: tuple[ClassPrecision, ...]
    pictures: int
    objects: int
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The scores as plain values for JSON."""
        return {**asdict(self), "classes": [asdict(one) for one in self.classes], "notes": list(self.notes)}

    def rows(self) -> list[tuple[str, str]]:
        """A table: score, value in percent."""
        return [(name, f"{100 * value:.2f}") for name, value in self._means()]

    def class_rows(self) -> list[tuple[str, str, str, str, str]]:
        """A table: class, AP, AP50 and AP75 in percent, objects."""
        return [
            (one.label, _percent(one.ap), _percent(one.ap50), _percent(one.ap75), f"{one.objects:,}")
            for one in self.classes
        ]

    def _means(self) -> list[tuple[str, float]]:
        return [("AP", self.ap), ("AP50", self.ap50), ("AP75", self.ap75)]


def detection(
    found: Sequence[Sequence[Guess]], true: Sequence[Sequence[Truth]], *, labels: Sequence[str] | None = None
) -> DetectionScores:
    """Score what was ``found`` in each picture. ``labels``: the classes and their order (None: those that occur).

    Raises DataError for no pictures or unequally many, for no true object, and for a label not among
    ``labels``.
    """
    names = _checked(found, true, labels)
    precision = _precisions(found, true, names)
    by_class = [_of_class(name, precision[:, :, number], true) for number, name in enumerate(names)]
    occurring = [one for one in by_class if one.ap is not None]
    ap, ap50, ap75 = (float(np.mean([getattr(one, kind) for one in occurring])) for kind in ("ap", "ap50", "ap75"))
    objects = sum(one.objects for one in by_class)
    return DetectionScores(ap, ap50, ap75, tuple(by_class), len(true), objects, _notes(by_class, len(true)))


def _checked(
    found: Sequence[Sequence[Guess]], true: Sequence[Sequence[Truth]], labels: Sequence[str] | None
) -> list[str]:
    """The names of the classes."""
    if not any(not one.crowd for objects in true for one in objects):
        raise DataError.because("boxes", "no true objects", "at least one", "give a test set that is not empty")
    if len(found) != len(true):
        expected = f"as many as there are pictures ({len(true)})"
        raise DataError.because("predictions", f"{len(found)} lists", expected, "give one for each picture, in order")
    occurring = sorted({one.label for side in (found, true) for objects in side for one in objects})
    names = list(labels) if labels is not None else occurring
    for name in occurring:
        if name not in names:
            raise DataError.because("label", repr(name), "one of " + ", ".join(names), "correct it or name it too")
    return names


def _precisions(
    found: Sequence[Sequence[Guess]], true: Sequence[Sequence[Truth]], names: Sequence[str]
) -> NDArray[np.float64]:
    """[10 overlaps, 101 recalls, classes]; −1 in classes without objects."""
    from pycocotools.cocoeval import COCOeval

    numbers = {name: number for number, name in enumerate(names, start=1)}
    guesses = [{**entry, "score": one.score} for one, entry in _entries(found, numbers)]
    truths = [{**entry, "iscrowd": int(one.crowd)} for one, entry in _entries(true, numbers)]
    with contextlib.redirect_stdout(io.StringIO()):  # it tells how far it is
        both = (_coco(entries, len(true), numbers) for entries in (truths, guesses))
        evaluation = COCOeval(*both, "bbox")
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0.0, 1e10]], ["all"]
        evaluation.params.maxDets = [MOST]
        evaluation.evaluate()
        evaluation.accumulate()
    return np.asarray(evaluation.eval["precision"])[:, :, :, 0, 0]


def _entries(pictures: Sequence[Sequence[Any]], numbers: Mapping[str, int]) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Each object with what COCO says of it; ids count from 1, since 0 means there that nothing was matched."""
    count = 0
    for place, objects in enumerate(pictures):
        for one in objects:
            count += 1
            left, top, right, bottom = one.box
            width, height = right - left, bottom - top
            entry = {"id": count, "image_id": place, "category_id": numbers[one.label], "iscrowd": 0}
            yield one, {**entry, "bbox": [left, top, width, height], "area": width * height}


def _coco(entries: list[dict[str, Any]], pictures: int, numbers: Mapping[str, int]) -> Any:
    from pycocotools.coco import COCO

    made = COCO()
    made.dataset = {
        "images": [{"id": place} for place in range(pictures)],
        "annotations": entries,
        "categories": [{"id": number, "name": name} for name, number in numbers.items()],
    }
    made.createIndex()
    return made


def _of_class(name: str, precision: NDArray[np.float64], true: Sequence[Sequence[Truth]]) -> ClassPrecision:
    objects = sum(one.label == name and not one.crowd for picture in true for one in picture)
    if not objects:
        return ClassPrecision(name, None, None, None, 0)
    by_overlap = precision.mean(1)
    return ClassPrecision(name, float(by_overlap.mean()), float(by_overlap[0]), float(by_overlap[5]), objects)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f}"


def _notes(classes: Sequence[ClassPrecision], pictures: int) -> tuple[str, ...]:
    notes = []
    if pictures < FEW:
        notes.append(f"The test set has {pictures} {'picture' if pictures == 1 else 'pictures'}: few.")
    missing = [one.label for one in classes if one.ap is None]
    if missing:
        notes.append(f"No object of {', '.join(missing)} in the test set; the means leave them out.")
    return tuple(notes)
