"""Couples of texts that mean the same, for vectors of sentences; without couples, each text with itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from regard.data.batching import CouplesBatch, plan_batches, plan_sequential
from regard.data.corpus import read_documents, read_pairs
from regard.data.in_step import InStep
from regard.data.leaks import Leaks
from regard.data.lines import is_whole
from regard.data.store import Store, write_columns
from regard.data.template import Template, collate_couples, wrapped_lengths
from regard.data.tokenizers.tokenizer import Tokenizer, train_tokenizer
from regard.errors import DataError
from regard.evaluation.retrieval import retrieval
from regard.models.heads import Head
from regard.runs.material.contract import (
    DATA,
    Preparing,
    Progress,
    Results,
    TokenMaterial,
    batches_of,
    counted,
    dropped_note,
    held_out,
    layout_of,
    longest_text,
    named_file,
    notes_of,
    unwatched,
    write_facts,
)
from regard.runs.recipe import DataSettings, Recipe
from regard.tasks.contrastive import InfoNCE, embed
from regard.training.loop import Feed

NAMES = ("first", "second")
Couple = tuple[str, str]


@dataclass(frozen=True)
class CoupleCorpus:
    """Couples to train and to measure on."""

    recipe: Recipe
    train: list[Couple]
    valid: list[Couple]
    notes: tuple[str, ...]

    @property
    def kept(self) -> int:
        """Couples to train on."""
        return len(self.train)


def read(recipe: Recipe) -> CoupleCorpus:
    """Read and check every file of the recipe once, writing nothing. Raises DataError or SettingError."""
    data = recipe.data
    in_step, dropped = InStep(), [0]
    couples = _couples(data, data.source, data.target, data.text, in_step, dropped)
    notes = [*dropped_note(dropped[0], "texts or couples"), in_step.note(data.source, data.target)]
    if data.valid_source is not None or data.valid_text is not None:
        train, valid = couples, _couples(data, data.valid_source, data.valid_target, data.valid_text)
        leaks = Leaks(enumerate(valid, start=1))
        for number, couple in enumerate(train, start=1):
            leaks.see(number, couple)
        notes.append(leaks.note("couples", data.valid_source or data.valid_text, data.source or data.text))
    else:
        every = held_out(len(couples), data.valid_pairs)
        train, valid = [one for number, one in enumerate(couples) if number % every], couples[::every]
    if len(train) < 2 or not valid:
        got = f"{len(couples)} couples"
        raise DataError.because(data.source or data.text, got, "at least 21 texts or couples", "check the files")
    return CoupleCorpus(recipe, train, valid, tuple(note for note in notes if note is not None))


def _couples(
    data: DataSettings,
    source: str | None,
    target: str | None,
    text: str | None,
    in_step: InStep | None = None,
    dropped: list[int] | None = None,
) -> list[Couple]:
    """The couples with text on both sides; those that are not UTF-8 are counted in ``dropped``."""
    found: Iterable[Couple]
    if source is not None and target is not None:
        pairs = read_pairs(Path(source), Path(target), bad_text=data.bad_text)
        found = pairs if in_step is None else in_step.watch(pairs)
    else:
        path = named_file("data.text", text, "give --text FILE, or --source FILE --target FILE with like meanings")
        found = ((line, line) for line in read_documents(path, "line", bad_text=data.bad_text))
    every = [couple for couple in found if all(side.strip() for side in couple)]
    whole = [couple for couple in every if all(map(is_whole, couple))]
    if dropped is not None:
        dropped[0] = len(every) - len(whole)
    return whole


def learn_tokenizers(corpus: CoupleCorpus) -> tuple[Tokenizer, Tokenizer]:
    """One tokenizer, learnt from both sides."""
    texts = (text for couple in corpus.train for text in dict.fromkeys(couple))
    one = train_tokenizer(texts, corpus.recipe.tokenizer, layout_of(corpus.recipe))
    return one, one


def prepare(
    corpus: CoupleCorpus, folder: Path, source: Tokenizer, target: Tokenizer, progress: Preparing = unwatched
) -> list[str]:
    """Write everything that training reads into the run ``folder``; what this returns is for the user to know."""
    encoders = dict(zip(NAMES, (source, target), strict=True))
    write_columns(folder / DATA / "valid", iter(corpus.valid), encoders)
    train = write_columns(folder / DATA / "train", counted(corpus.train, corpus.kept, progress), encoders)
    write_facts(folder, {"texts": corpus.kept})
    return notes_of(train, NAMES[0], source, corpus.recipe)


class CoupleMaterial(TokenMaterial):
    """Couples as ids."""

    def __init__(self, recipe: Recipe, folder: Path, source: Tokenizer, target: Tokenizer) -> None:
        super().__init__(recipe, folder, source, target)
        self.template = Template.of(source.wrap)

    @property
    def head(self) -> Head:
        """None: the states themselves count."""
        return Head("none")

    def task(self) -> InfoNCE:
        """Which of the batch's texts belongs to which."""
        return InfoNCE(self.recipe.task.temperature)

    @property
    def longest(self) -> int:
        """Tokens of a text at most; the rest is cut off."""
        return longest_text(self.recipe)

    def feed(self) -> Feed:
        """Couples of like length together: a batch is the choice that each has."""
        tokens, seed = max(self.settings.batch_tokens, 2 * self.longest), self.settings.seed
        lengths = self._lengths(self.train)
        return Feed(
            epoch=lambda epoch: [rows for rows in plan_batches(lengths, tokens, seed, epoch, extra=0) if len(rows) > 1],
            collate=lambda rows: self._collate(self.train, rows),
        )

    def validation(self) -> Iterator[CouplesBatch]:
        """All validation couples, the shortest first."""
        tokens = max(self.settings.batch_tokens, self.longest)
        plan = plan_sequential(self._lengths(self.valid), tokens, extra=0)
        return batches_of(plan, lambda rows: self._collate(self.valid, rows))

    def _lengths(self, store: Store) -> np.ndarray:
        sides = [wrapped_lengths(store, [name], self.template, self.longest) for name in NAMES]
        return np.concatenate(sides, axis=1)

    def _collate(self, store: Store, rows: np.ndarray) -> CouplesBatch:
        return collate_couples(store, rows, self.template, self.pads()[0], self.longest)

    def measured(self, module: Any) -> dict[str, float]:
        """How often the text that belongs to a text is the nearest of all."""
        return {"valid_recall": float(self._scores(module).recall[1].value)}

    def _scores(self, module: Any) -> Any:
        vectors: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
        was_training = module.training
        module.eval()
        with torch.inference_mode():
            for batch in self.validation():
                for side, ids in zip(vectors, (batch.first, batch.second), strict=True):
                    side.append(embed(module, ids).float().numpy())
        module.train(was_training)
        first, second = (np.concatenate(side) for side in vectors)
        return retrieval(first, second, list(range(len(first))))

    def results(self, module: Any, progress: Progress | None = None) -> Results:
        """Recall and reciprocal rank on the validation couples."""
        return Results(self._scores(module), ("score", "value", "95 %"))

    def described(self) -> dict[str, Any]:
        """Sizes and file names."""
        data = self.recipe.data
        pairs = {"source_file": data.source, "target_file": data.target}
        return {
            **(pairs if data.source is not None else {"text_file": data.text}),
            "training_couples": len(self.train),
            "validation_couples": len(self.valid),
        }
