"""Pictures with a class each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from regard.data.images.batches import ImageBatch, plan_pictures
from regard.data.images.picture import read_picture
from regard.data.images.pictured import Said, read_pictured
from regard.data.images.preparation import Preparation, stacked
from regard.data.images.store import PictureStore, write_pictures
from regard.data.labels import LabelCoder
from regard.data.store import Store, write_columns
from regard.errors import DataError
from regard.evaluation.classification import classification
from regard.looking.pictures import classified
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
from regard.runs.material.labelled import LABELS, chosen_rows
from regard.runs.recipe import Recipe
from regard.tasks.image_classification import ImageClassification
from regard.training.loop import Feed

COLUMNS = ("score", "%", "95 %")
SHOWN = 24  # validation pictures in the report


@dataclass(frozen=True)
class PictureCorpus:
    """The files of a recipe with the class of each: nothing has been decoded yet."""

    recipe: Recipe
    train: list[Said]
    valid: list[Said]
    labels: LabelCoder
    notes: tuple[str, ...]

    @property
    def kept(self) -> int:
        """Pictures to train on."""
        return len(self.train)


def read(recipe: Recipe) -> PictureCorpus:
    """Read what there is of files and labels, writing nothing. Raises DataError or SettingError."""
    data = recipe.data
    path = named_file("data.images", data.images, "give --images FOLDER, with a folder of pictures for each class")
    found = read_pictured(path, data.image_column, [data.label_column])
    if data.valid_images is not None:
        train, valid = found, read_pictured(Path(data.valid_images), data.image_column, [data.label_column])
    else:
        every = held_out(len(found), data.valid_pairs)
        train, valid = [one for number, one in enumerate(found) if number % every], found[::every]
    if not train or not valid:
        got = f"{len(found)} pictures"
        raise DataError.because(path, got, "pictures to train and to measure on", "check the folder")
    labels = LabelCoder.learn(said[-1] for _, said in train)
    for file, said in valid:
        try:
            labels.encode_batch([said[-1]])
        except DataError as error:
            raise DataError(f"{file}, a validation picture: {error}") from error
    if data.labels is not None:
        train = _chosen(train, data.labels, recipe.train.seed)
    return PictureCorpus(recipe, train, valid, labels, ())


def _chosen(pictures: list[Said], count: int, seed: int) -> list[Said]:
    """``count`` of the pictures, by chance, in their order: as far as it goes, at least one of each class."""
    rows = chosen_rows([(str(number), said[-1]) for number, (_, said) in enumerate(pictures)], count, seed)
    return [pictures[int(number)] for number, _ in rows]


def learn_tokenizers(corpus: PictureCorpus) -> tuple[()]:
    """None: there is no text."""
    return ()


def prepare(corpus: PictureCorpus, folder: Path, progress: Preparing = unwatched) -> list[str]:
    """Decode every picture into the run ``folder``; what this returns is for the user to know."""
    recipe, data = corpus.recipe, folder / DATA
    preparation = recipe.images.preparation(recipe.model.image_size)
    preparation.write(folder)
    notes, drops = [], recipe.images.bad == "drop"
    for name, pictures in (("valid", corpus.valid), ("train", corpus.train)):
        sound = Sound(preparation, drop=drops)
        pixels = sound.pixels(file for file, _ in pictures)
        write_pictures(data / f"{name}_pictures", counted(pixels, len(pictures), progress))
        kept = [said[-1:] for number, (_, said) in enumerate(pictures) if number not in sound.bad]
        write_columns(data / name, kept, {"label": corpus.labels})
        notes += sound.notes()
        dropped = len(sound.bad)  # the last time around, of those to train on
    corpus.labels.save(data / LABELS)
    write_facts(folder, {"pictures": corpus.kept - dropped})
    return notes


class Sound:
    """Pictures as a model wants them; those that are damaged are refused, or left out and counted in ``bad``."""

    def __init__(self, preparation: Preparation, *, drop: bool) -> None:
        self.preparation, self.drop = preparation, drop
        self.bad: dict[int, str] = {}

    def pixels(self, files: Iterable[Path]) -> Iterator[np.ndarray]:
        """Each file's numbers. Raises DataError for the first that is damaged, unless these are left out."""
        for number, file in enumerate(files):
            try:
                picture = read_picture(file)
            except DataError as error:
                if not self.drop:
                    raise
                self.bad[number] = str(error)
                continue
            yield self.preparation.pixels(picture)

    def notes(self) -> list[str]:
        """That some were left out, and what was wrong with the first."""
        if not self.bad:
            return []
        first = next(iter(self.bad.values()))
        return [f"{len(self.bad)} pictures that cannot be read left out; the first: {first}"]


class ImageMaterial(Material):
    """Pictures with a class each, as numbers."""

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        super().__init__(recipe, folder)
        self.labels = LabelCoder.load(folder / DATA / LABELS)
        self.preparation = recipe.images.preparation(recipe.model.image_size)
        self.pictures = {name: PictureStore(folder / DATA / f"{name}_pictures") for name in ("train", "valid")}

    @property
    def head(self) -> Head:
        """Classes."""
        return Head("classification", self.labels.names)

    def task(self) -> ImageClassification:
        """Cross entropy of the classes."""
        return ImageClassification(self.smoothing)

    def feed(self) -> Feed:
        """Pictures in another order each epoch, varied anew each time."""
        size, seed = self.recipe.images.batch, self.settings.seed
        return Feed(
            epoch=lambda epoch: plan_pictures(len(self.train), size, seed, epoch),
            collate=self._varied,
        )

    def validation(self) -> Iterator[ImageBatch]:
        """All validation pictures as they are, in their order."""
        return batches_of(self._plan(), self._plain)

    def _plan(self) -> list[np.ndarray]:
        size = self.recipe.images.batch
        return np.array_split(np.arange(len(self.valid)), range(size, len(self.valid), size))

    def _varied(self, rows: np.ndarray) -> ImageBatch:
        augment = self.recipe.images.augment
        scaled = stacked(self.pictures["train"].rows(rows)).float() / 255
        images = self.preparation.normalised(augment.vary(scaled))
        return augment.mix(images, labels_of(self.train, rows))

    def _plain(self, rows: np.ndarray) -> ImageBatch:
        images = self.preparation.images(stacked(self.pictures["valid"].rows(rows)))
        return ImageBatch(images, labels_of(self.valid, rows))

    def measured(self, module: Any) -> dict[str, float]:
        """The share of classes that are right."""
        right = self._predicted(module).argmax(1) == labels_of(self.valid, np.arange(len(self.valid)))
        return {"valid_accuracy": right.float().mean().item()}

    def _predicted(self, module: Any) -> Tensor:
        """P(class | picture) of the validation pictures, in order."""
        was_training = module.training
        module.eval()
        with torch.inference_mode():
            found = [module.classify(batch.images).float().softmax(1) for batch in self.validation()]
        module.train(was_training)
        return torch.cat(found)

    def results(self, module: Any, progress: Progress | None = None) -> Results:
        """Accuracy, F1 and the others on the validation pictures."""
        found = self._names(self._predicted(module).argmax(1).tolist())
        gold = self._names(labels_of(self.valid, np.arange(len(self.valid))).tolist())
        return Results(classification(found, gold, labels=self.labels.names), COLUMNS)

    def _names(self, ids: Sequence[int]) -> list[str]:
        return [self.labels.names[index] for index in ids]

    def described(self) -> dict[str, Any]:
        """Sizes and file names."""
        return {
            "images": self.recipe.data.images,
            "training_pictures": len(self.train),
            "validation_pictures": len(self.valid),
            "labels": len(self.labels.names),
        }

    def figures(self, module: Any) -> dict[str, Figure]:
        """Some validation pictures with what the finished model says of them."""
        rows = np.linspace(0, len(self.valid) - 1, min(SHOWN, len(self.valid))).round().astype(int)
        found = self._predicted(module)[rows]
        pictures = [one.transpose(1, 2, 0) for one in self.pictures["valid"].rows(rows)]
        gold = self._names(labels_of(self.valid, rows).tolist())
        said = self._names(found.argmax(1).tolist())
        return {"validation pictures": classified(pictures, gold, said, found.amax(1).tolist())}


def labels_of(store: Store, rows: np.ndarray) -> Tensor:
    """The class of each of these rows."""
    return torch.from_numpy(store.ids["label"][rows].astype(np.int64))
