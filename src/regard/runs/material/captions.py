"""Pictures with captions, of one language or of several."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from regard.data.batching import Batch, filled
from regard.data.images.batches import plan_pictures
from regard.data.images.pictured import Said, read_pictured
from regard.data.images.preparation import stacked
from regard.data.images.store import PictureStore, write_pictures
from regard.data.labels import Numbers
from regard.data.languages import tag_of, tags_of
from regard.data.store import Store, write_columns
from regard.data.tokenizers.tokenizer import Tokenizer, train_tokenizer
from regard.decoding.captioner import Captioner
from regard.decoding.settings import DecodingSettings
from regard.errors import DataError
from regard.evaluation.captions import captions
from regard.evaluation.translation import corpus_bleu
from regard.runs.material.contract import (
    DATA,
    Preparing,
    Progress,
    Results,
    TokenMaterial,
    batches_of,
    counted,
    held_out,
    layout_of,
    named_file,
    notes_of,
    unwatched,
    write_facts,
)
from regard.runs.material.images import Sound
from regard.runs.recipe import DataSettings, Recipe
from regard.storage import write_file
from regard.tasks.captioning import Captioning
from regard.training.loop import Feed

COLUMNS = ("metric", "score", "95 %", "signature")


@dataclass(frozen=True)
class Captioned:
    """A picture's file, what is said of it, and in which language, where there are several."""

    file: Path
    caption: str
    language: str | None

    @property
    def tagged(self) -> str:
        """What is learnt: the language's tag, and the caption."""
        return self.caption if self.language is None else f"{tag_of(self.language)} {self.caption}"


@dataclass(frozen=True)
class CaptionCorpus:
    """The rows of a recipe: nothing has been decoded yet."""

    recipe: Recipe
    train: list[Captioned]
    valid: list[Captioned]
    notes: tuple[str, ...] = ()

    @property
    def kept(self) -> int:
        """Captions to train on."""
        return len(self.train)


def read(recipe: Recipe) -> CaptionCorpus:
    """Read the table of pictures and captions, writing nothing. Raises DataError or SettingError."""
    data = recipe.data
    path = named_file("data.images", data.images, "give --images TABLE, with a picture and a caption in every row")
    found = _rows(data, path)
    if data.valid_images is not None:
        train, valid = found, _rows(data, Path(data.valid_images))
    else:
        pictures = list(dict.fromkeys(one.file for one in found))
        kept_out = set(pictures[:: held_out(len(pictures), data.valid_pairs)])
        train, valid = ([one for one in found if (one.file in kept_out) is out] for out in (False, True))
    if not train or not valid:
        got = f"{len(found)} captions"
        raise DataError.because(path, got, "pictures to train and to measure on", "check the table")
    known = {one.language for one in train}
    for one in valid:
        if one.language not in known:
            got, expected = f"{one.language!r}, a validation language", "one of those trained on"
            raise DataError.because(one.file, got, expected, "leave it out, or add some to train on")
    return CaptionCorpus(recipe, train, valid)


def _rows(data: DataSettings, path: Path) -> list[Captioned]:
    if path.is_dir():
        expected, action = "a table with a picture and a caption in every row", "write one, as JSON lines or TSV"
        raise DataError.because(path, "a folder", expected, action)
    columns = [data.text_column, *([data.language_column] if data.language_column else [])]
    return [_captioned(one) for one in read_pictured(path, data.image_column, columns)]


def _captioned(said: Said) -> Captioned:
    file, (caption, *language) = said
    return Captioned(file, " ".join(caption.split()), language[0].strip() if language else None)


def learn_tokenizers(corpus: CaptionCorpus) -> tuple[Tokenizer, Tokenizer]:
    """One tokenizer, learnt from the training captions, which knows the tags of the languages."""
    recipe = corpus.recipe
    one = train_tokenizer((row.caption for row in corpus.train), recipe.tokenizer, layout_of(recipe))
    tags = tags_of(row.language for row in corpus.train if row.language is not None)
    if tags:
        one, _ = one.extended(tags)
    return one, one


def prepare(
    corpus: CaptionCorpus, folder: Path, source: Tokenizer, target: Tokenizer, progress: Preparing = unwatched
) -> list[str]:
    """Decode every picture into the run ``folder``, once; what this returns is for the user to know."""
    recipe, data = corpus.recipe, folder / DATA
    preparation = recipe.images.preparation(recipe.model.image_size)
    preparation.write(folder)
    notes, rows = [], {"train": corpus.train, "valid": corpus.valid}
    for name in ("valid", "train"):
        files = list(dict.fromkeys(one.file for one in rows[name]))
        sound = Sound(preparation, drop=recipe.images.bad == "drop")
        write_pictures(data / f"{name}_pictures", counted(sound.pixels(files), len(files), progress))
        whole = [file for number, file in enumerate(files) if number not in sound.bad]
        places = {file: str(number) for number, file in enumerate(whole)}
        rows[name] = [one for one in rows[name] if one.file in places]
        columns = ((places[one.file], one.tagged) for one in rows[name])
        store = write_columns(data / name, columns, {"picture": Numbers(len(whole)), "caption": target})
        notes += sound.notes()
    texts = [[one.file.name, one.caption, one.language] for one in rows["valid"]]
    write_file(data / "valid.json", json.dumps(texts, ensure_ascii=False) + "\n")
    write_facts(folder, {"captions": len(rows["train"])})
    return notes + notes_of(store, "caption", target, recipe)


class CaptionMaterial(TokenMaterial):
    """Pictures as numbers, captions as ids."""

    def __init__(self, recipe: Recipe, folder: Path, source: Tokenizer, target: Tokenizer) -> None:
        super().__init__(recipe, folder, source, target)
        self.preparation = recipe.images.preparation(recipe.model.image_size)
        self.pictures = {name: PictureStore(folder / DATA / f"{name}_pictures") for name in ("train", "valid")}
        self.texts = json.loads((folder / DATA / "valid.json").read_text(encoding="utf-8"))

    def task(self) -> Captioning:
        """Cross entropy of the captions, and how evenly the model looks."""
        return Captioning(self.smoothing, self.recipe.task.coverage)

    def feed(self) -> Feed:
        """Pictures in another order each epoch, varied anew each time, each with all of its captions."""
        size, seed = self.recipe.images.batch, self.settings.seed
        augment = self.recipe.images.augment
        count = len(self.pictures["train"])
        return Feed(
            epoch=lambda epoch: plan_pictures(count, size, seed, epoch),
            collate=lambda pictures: self._batch("train", pictures, augment.vary),
        )

    def validation(self) -> Iterator[Batch]:
        """All validation captions, in their order."""
        size, count = self.recipe.images.batch, len(self.pictures["valid"])
        plan = np.array_split(np.arange(count), range(size, count, size))
        return batches_of(plan, lambda pictures: self._batch("valid", pictures, lambda scaled: scaled))

    def _batch(self, name: str, pictures: np.ndarray, vary: Callable[[Tensor], Tensor]) -> Batch:
        """Each picture is read once, however many captions it has."""
        store: Store = self.train if name == "train" else self.valid
        scaled = stacked(self.pictures[name].rows(pictures)).float() / 255
        rows = [self._captions[name][picture] for picture in pictures]
        which = np.repeat(np.arange(len(pictures)), [len(some) for some in rows])
        texts = [store.row("caption", int(row)) for some in rows for row in some]
        pad = self.vocabulary().pad
        assert pad is not None, "our own layout has padding"
        target = filled(texts, pad, self.target.eos)
        words = sum(map(len, texts)) + len(texts)
        images = self.preparation.normalised(vary(scaled))
        return Batch(images, target, len(pictures), words, torch.from_numpy(which))

    @cached_property
    def _captions(self) -> dict[str, list[np.ndarray]]:
        """For each picture, the rows that describe it."""
        found = {}
        for name, store in (("train", self.train), ("valid", self.valid)):
            places = self._places(store, np.arange(len(store)))
            order = np.argsort(places, kind="stable")
            ends = np.searchsorted(places[order], np.arange(1, len(self.pictures[name])))
            found[name] = np.split(order, ends)
        return found

    def _places(self, store: Store, rows: np.ndarray) -> np.ndarray:
        """The picture of each row."""
        return store.ids["picture"][store.offsets["picture"][rows].astype(np.int64)]

    def measured(self, module: Any) -> dict[str, float]:
        """BLEU of greedy captions of the first validation rows, as many as the recipe says."""
        count = min(self.recipe.data.bleu_sentences, len(self.texts))
        if not count:
            return {}
        settings = replace(self.recipe.decode, beam=1, n_best=1, threads=self.settings.threads)
        found = self._said(module, count, settings, None)
        return {"valid_bleu": corpus_bleu(found, [right for _, right, _ in self.texts[:count]])}

    def _said(self, module: Any, count: int, settings: DecodingSettings, progress: Progress | None) -> list[str]:
        """The captions of the first validation rows, each in its row's language."""
        captioner = Captioner(module, self.preparation, self.target)
        found = [""] * count
        languages = [language for _, _, language in self.texts[:count]]
        done = 0
        for language in dict.fromkeys(languages):
            own = captioner.settled(settings, language)
            rows = np.flatnonzero(np.array([one == language for one in languages]))
            for some in np.array_split(rows, range(32, len(rows), 32)):
                pixels = stacked(self.pictures["valid"].rows(self._places(self.valid, some)))
                said = captioner.of_images(self.preparation.images(pixels), torch.from_numpy(some), own)
                for row, one in zip(some, said, strict=True):
                    found[row] = one.text
                done += len(some)
                if progress is not None:
                    progress(done)
        return found

    def share_of_scores(self) -> float:
        """All rows are described, by beam search."""
        return len(self.texts) / max(1, self.recipe.data.bleu_sentences)

    def results(self, module: Any, progress: Progress | None = None) -> Results:
        """Exact match, BLEU and chrF on all validation captions."""
        found = self._said(module, len(self.texts), self.recipe.decode, progress)
        right = [caption for _, caption, _ in self.texts]
        samples = [(file, caption, said) for (file, caption, _), said in zip(self.texts, found, strict=True)]
        return Results(captions(found, right), COLUMNS, samples)

    def described(self) -> dict[str, Any]:
        """Sizes and file names."""
        return {
            "images": self.recipe.data.images,
            "training_pictures": len(self.pictures["train"]),
            "training_captions": len(self.train),
            "validation_pictures": len(self.pictures["valid"]),
            "validation_captions": len(self.valid),
        }
