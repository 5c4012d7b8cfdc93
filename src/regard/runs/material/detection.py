"""Pictures with boxes around the objects in them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from regard.data.images.batches import plan_pictures
from regard.data.images.coco import Marked, MarkedPicture, read_coco
from regard.data.images.detection_batch import DetectionBatch, detection_batch
from regard.data.images.preparation import KEPT, Preparation, stacked
from regard.data.images.store import PictureStore, write_pictures
from regard.data.labels import Numbers
from regard.data.store import Store, write_columns
from regard.decoding.detector import Detector, Found, Picture
from regard.errors import DataError
from regard.evaluation.detection import DetectionScores, Truth, detection
from regard.looking.pictures import detected
from regard.models.heads import Head
from regard.runs.material.contract import (
    DATA,
    Material,
    Preparing,
    Progress,
    Results,
    batches_of,
    counted,
    held_out,
    named_file,
    unwatched,
    write_facts,
)
from regard.runs.material.images import Sound
from regard.runs.recipe import Recipe
from regard.storage import write_file
from regard.tasks.detection import Detection
from regard.training.loop import Feed

COLUMNS = ("score", "%")
STEPS = 2**16 - 1  # of a side: boxes are kept to a hundredth of a pixel of 640
SHOWN = 12  # validation pictures in the report
AT_ONCE = 64  # pictures in memory as numbers that a model reads
SURE = 0.5  # of what is drawn there


@dataclass(frozen=True)
class DetectionCorpus:
    """The pictures of a recipe with what is in them: nothing has been decoded yet."""

    recipe: Recipe
    train: list[MarkedPicture]
    valid: list[MarkedPicture]
    labels: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def kept(self) -> int:
        """Pictures to train on."""
        return len(self.train)


def read(recipe: Recipe) -> DetectionCorpus:
    """Read the files of boxes, writing nothing. Raises DataError or SettingError."""
    data, drop = recipe.data, recipe.images.bad == "drop"
    path = named_file("data.images", data.images, "give --images FILE, with boxes as COCO has them")
    found, labels, problems = read_coco(path, drop=drop)
    if data.valid_images is not None:
        train, (valid, others, more) = found, read_coco(Path(data.valid_images), drop=drop)
        problems += more
        for label in others:
            if label not in labels:
                got, expected = f"the class {label!r}", "one of those trained on (" + ", ".join(labels) + ")"
                raise DataError.because(data.valid_images, got, expected, "correct it, or leave it out")
    else:
        every = held_out(len(found), data.valid_pairs)
        train, valid = [one for number, one in enumerate(found) if number % every], found[::every]
    if not train or not any(one.objects for one in valid):
        got = f"{len(found)} pictures"
        raise DataError.because(path, got, "pictures to train and, with objects, to measure on", "check the file")
    notes = [f"{len(problems)} boxes left out; the first: {problems[0]}"] if problems else []
    return DetectionCorpus(recipe, train, valid, tuple(labels), tuple(notes))


def learn_tokenizers(corpus: DetectionCorpus) -> tuple[()]:
    """None: there is no text."""
    return ()


def prepare(corpus: DetectionCorpus, folder: Path, progress: Preparing = unwatched) -> list[str]:
    """Decode every picture into the run ``folder``; what this returns is for the user to know."""
    recipe, data = corpus.recipe, folder / DATA
    preparation = preparation_of(recipe)
    preparation.write(folder)
    notes, kept = [], {"valid": corpus.valid, "train": corpus.train}
    for name, pictures in kept.items():
        sound = Sound(preparation, drop=recipe.images.bad == "drop")
        pixels = sound.pixels(one.file for one in pictures)
        write_pictures(data / f"{name}_pictures", counted(pixels, len(pictures), progress))
        kept[name] = [one for number, one in enumerate(pictures) if number not in sound.bad]
        encoders = {"label": Numbers(len(corpus.labels)), "box": Numbers(STEPS + 1)}
        write_columns(data / name, (_row(one, corpus.labels) for one in kept[name]), encoders)
        notes += sound.notes()
    truths = [{**asdict(one), "file": one.file.name} for one in kept["valid"]]
    write_file(data / "valid.json", json.dumps(truths, ensure_ascii=False) + "\n")
    write_facts(folder, {"pictures": len(kept["train"]), "labels": list(corpus.labels)})
    return notes


def preparation_of(recipe: Recipe) -> Preparation:
    """Pictures keep their proportions."""
    images, model = recipe.images, recipe.model
    return Preparation(model.image_size, KEPT, images.mean, images.deviation, model.longest_side)


def _row(picture: MarkedPicture, labels: Sequence[str]) -> tuple[str, str]:
    """The classes and the boxes (centre, width and height as shares of the picture) of what is no crowd."""
    objects = [one for one in picture.objects if not one.crowd]
    numbers = []
    for one in objects:
        left, top, right, bottom = one.box
        across, down = picture.width, picture.height
        shares = (left + right) / 2 / across, (top + bottom) / 2 / down, (right - left) / across, (bottom - top) / down
        numbers += [round(STEPS * min(share, 1.0)) for share in shares]
    return " ".join(str(labels.index(one.label)) for one in objects), " ".join(map(str, numbers))


class DetectionMaterial(Material):
    """Pictures as numbers, and the objects in each."""

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        super().__init__(recipe, folder)
        self.preparation = preparation_of(recipe)
        self.pictures = {name: PictureStore(folder / DATA / f"{name}_pictures") for name in ("train", "valid")}
        found = json.loads((folder / DATA / "valid.json").read_text(encoding="utf-8"))
        self.truths = [
            MarkedPicture(
                Path(one["file"]), one["width"], one["height"], tuple(Marked(**each) for each in one["objects"])
            )
            for one in found
        ]

    @property
    def head(self) -> Head:
        """A class and a box for each query."""
        return Head("detection", tuple(self.facts["labels"]))

    def task(self) -> Detection:
        """The loss of a set."""
        return Detection()

    def feed(self) -> Feed:
        """Pictures in another order each epoch, mirrored, moved, zoomed and recoloured anew each time."""
        size, seed = self.recipe.images.batch, self.settings.seed
        return Feed(
            epoch=lambda epoch: plan_pictures(len(self.train), size, seed, epoch),
            collate=lambda rows: self._batch("train", rows, varied=True),
        )

    def validation(self) -> Iterator[DetectionBatch]:
        """All validation pictures as they are, in their order."""
        size = self.recipe.images.batch
        plan = np.array_split(np.arange(len(self.valid)), range(size, len(self.valid), size))
        return batches_of(plan, lambda rows: self._batch("valid", rows, varied=False))

    def _batch(self, name: str, rows: np.ndarray, *, varied: bool) -> DetectionBatch:
        store: Store = self.train if name == "train" else self.valid
        images, labels, boxes = [], [], []
        for row in rows.tolist():
            scaled = stacked([self.pictures[name].row(row)]).float() / 255
            shares = torch.from_numpy(store.row("box", row).astype(np.float32)).view(-1, 4) / STEPS
            classes = torch.from_numpy(store.row("label", row).astype(np.int64))
            if varied:
                scaled, shares, seen = self.recipe.images.augment.vary_marked(scaled, shares)
                shares, classes = shares[seen], classes[seen]
            images.append(self.preparation.normalised(scaled)[0])
            labels.append(classes)
            boxes.append(shares)
        return detection_batch(images, labels, boxes)

    def measured(self, module: Any) -> dict[str, float]:
        """Average precision at half an overlap."""
        return {"valid_ap50": self._scores(self._found(module, 0.0, None)).ap50}

    def _found(self, module: Any, threshold: float, progress: Progress | None) -> list[list[Found]]:
        detector, found = Detector(module, self.head.labels), list[list[Found]]()
        for first in range(0, len(self.truths), AT_ONCE):
            some = [self._picture(row) for row in range(first, min(first + AT_ONCE, len(self.truths)))]
            found += detector.detect(some, threshold, threads=self.settings.threads)
            if progress is not None:
                progress(len(found))
        return found

    def _picture(self, row: int) -> Picture:
        """A validation picture as the model reads it."""
        pixels = self.preparation.images(stacked([self.pictures["valid"].row(row)]))[0]
        return Picture(pixels, self.truths[row].width, self.truths[row].height)

    def _scores(self, found: list[list[Found]]) -> DetectionScores:
        true = [[Truth(one.label, one.box, one.crowd) for one in picture.objects] for picture in self.truths]
        return detection(found, true, labels=self.head.labels)

    def results(self, module: Any, progress: Progress | None = None) -> Results:
        """AP, AP50 and AP75 on the validation pictures."""
        return Results(self._scores(self._found(module, 0.0, progress)), COLUMNS)

    def described(self) -> dict[str, Any]:
        """Sizes and file names."""
        return {
            "boxes_file": self.recipe.data.images,
            "training_pictures": len(self.train),
            "training_objects": self.train.tokens["label"],
            "validation_pictures": len(self.valid),
            "labels": len(self.head.labels),
        }

    def figures(self, module: Any) -> dict[str, Figure]:
        """Some validation pictures with what the finished model finds in them."""
        found = self._found(module, SURE, None)
        rows = np.linspace(0, len(self.truths) - 1, min(SHOWN, len(self.truths))).round().astype(int).tolist()
        pictures = [self.pictures["valid"].row(row).transpose(1, 2, 0) for row in rows]
        sizes = [(self.truths[row].width, self.truths[row].height) for row in rows]
        return {"validation pictures": detected(pictures, [found[row] for row in rows], sizes, self.head.labels)}
