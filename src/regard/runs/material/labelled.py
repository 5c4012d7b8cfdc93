"""Texts, or pairs of texts, with labels: of the whole text, or of each of its words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from regard.data.batching import IGNORED, LabelledBatch, plan_batches, plan_sequential
from regard.data.corpus import read_table
from regard.data.labels import SHOWN, LabelCoder, PieceCounter, word_rows
from regard.data.leaks import Leaks
from regard.data.lines import is_whole
from regard.data.store import Encoder, Store, write_columns
from regard.data.template import Template, collate_labelled, wrapped_lengths
from regard.data.tokenizers.tokenizer import Tokenizer, train_tokenizer
from regard.errors import DataError, SettingError
from regard.evaluation.classification import classification
from regard.evaluation.tagging import tagging
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
from regard.tasks.classification import Classification, TokenClassification
from regard.training.loop import Feed

LABELS = "labels.json"
COLUMNS = ("score", "%", "95 %")


@dataclass(frozen=True)
class LabelledCorpus:
    """The labelled texts of a recipe: (text, [second text,] label). Rows without text are left out."""

    recipe: Recipe
    train: list[tuple[str, ...]]
    valid: list[tuple[str, ...]]
    labels: LabelCoder
    notes: tuple[str, ...]

    @property
    def kept(self) -> int:
        """Rows to train on."""
        return len(self.train)


def read(recipe: Recipe) -> LabelledCorpus:
    """Read and check every file of the recipe once, writing nothing. Raises DataError or SettingError."""
    data = recipe.data
    path = named_file("data.text", data.text, "give --text TABLE with a column of texts and one of labels")
    each_word = recipe.task.kind == "token_classification"
    if each_word and data.second_column is not None:
        got = f"{data.second_column!r} with labels of words"
        raise SettingError.because("data.second_column", got, "one text", "leave it out")
    rows, notes = _rows(data, path)
    if data.valid_text is not None:
        train, (valid, _) = rows, _rows(data, Path(data.valid_text))
        labels = LabelCoder.learn((row[-1] for row in train), each_word=each_word)
        _refuse_unknown(labels, valid, data.valid_text)
        notes += _leaks(train, valid, data)
    else:
        every = held_out(len(rows), data.valid_pairs)
        train, valid = [row for number, row in enumerate(rows) if number % every], rows[::every]
        labels = LabelCoder.learn((row[-1] for row in rows), each_word=each_word)
    if not train or not valid:
        got = f"{len(rows)} rows with text"
        raise DataError.because(path, got, "rows to train and to measure on", "check the file")
    if data.labels is not None:
        train = chosen_rows(train, data.labels, recipe.train.seed, each_word=each_word)
    notes += _missing_classes(labels, train)
    return LabelledCorpus(recipe, train, valid, labels, tuple(notes))


def _refuse_unknown(labels: LabelCoder, valid: list[tuple[str, ...]], path: str) -> None:
    """Raise DataError with the row of the first label that no training row teaches."""
    for number, row in enumerate(valid, start=1):
        try:
            labels.encode_batch([row[-1]])
        except DataError as error:
            raise DataError(f"{path}, row {number} with text, {error}") from error


def _leaks(train: list[tuple[str, ...]], valid: list[tuple[str, ...]], data: DataSettings) -> list[str]:
    leaks = Leaks((number, row[:-1]) for number, row in enumerate(valid, start=1))
    for number, row in enumerate(train, start=1):
        leaks.see(number, row[:-1])
    note = leaks.note("texts", data.valid_text, data.text)
    return [note] if note else []


def _missing_classes(labels: LabelCoder, train: list[tuple[str, ...]]) -> list[str]:
    """That a label stands in the rows held out only, so that nothing teaches it."""
    taught = {label for row in train for label in (row[-1].split() if labels.each_word else [row[-1].strip()])}
    missing = [name for name in labels.names if name not in taught]
    if not missing:
        return []
    shown = ", ".join(missing[:SHOWN]) + (", …" if len(missing) > SHOWN else "")
    return [f"Warning: no training row has {shown}, which cannot be learnt; name a validation file, or add rows"]


def chosen_rows(
    rows: list[tuple[str, ...]], count: int, seed: int, *, each_word: bool = False
) -> list[tuple[str, ...]]:
    """``count`` of the rows, by chance, in their order: as far as it goes, at least one with each label."""
    order = np.random.default_rng(seed).permutation(len(rows)).tolist()
    seen: set[str] = set()
    first = []
    for index in order:
        label = rows[index][-1]
        labels = set(label.split() if each_word else [label.strip()])
        if not labels <= seen:
            first.append(index)
            seen |= labels
    chosen = dict.fromkeys([*first, *order])
    return [rows[index] for index in sorted(list(chosen)[:count])]


def _rows(data: DataSettings, path: Path) -> tuple[list[tuple[str, ...]], list[str]]:
    """The rows with text, and what there is to know of those left out."""
    columns = [data.text_column, *([data.second_column] if data.second_column else []), data.label_column]
    found = [row for row in read_table(path, columns, bad_text=data.bad_text) if row[0].strip()]
    rows = [row for row in found if all(map(is_whole, row))]
    empty = next((row for row in rows if not row[-1].strip()), None)
    if empty is not None:
        got = f"no label for the text {empty[0][:60]!r}"
        raise DataError.because(path, got, f"one in the column {data.label_column}", "name it, or leave the text out")
    return rows, dropped_note(len(found) - len(rows), "rows")


def learn_tokenizers(corpus: LabelledCorpus) -> tuple[Tokenizer, Tokenizer]:
    """One tokenizer, learnt from the training texts."""
    texts = (text for row in corpus.train for text in row[:-1])
    one = train_tokenizer(texts, corpus.recipe.tokenizer, layout_of(corpus.recipe))
    return one, one


def prepare(
    corpus: LabelledCorpus, folder: Path, source: Tokenizer, target: Tokenizer, progress: Preparing = unwatched
) -> list[str]:
    """Write everything that training reads into the run ``folder``; what this returns is for the user to know."""
    data = folder / DATA
    encoders: dict[str, Encoder] = {"text": source}
    if corpus.recipe.task.kind == "token_classification":
        encoders |= {"pieces": PieceCounter(source)}
    elif corpus.recipe.data.second_column:
        encoders |= {"second": source}
    encoders |= {"label": corpus.labels}
    write_columns(data / "valid", _columns(corpus.recipe, corpus.valid), encoders)
    rows = counted(_columns(corpus.recipe, corpus.train), corpus.kept, progress)
    train = write_columns(data / "train", rows, encoders)
    corpus.labels.save(data / LABELS)
    write_facts(folder, {"texts": corpus.kept, "samples": [list(row) for row in corpus.valid[:12]]})
    return notes_of(train, "text", source, corpus.recipe)


def _columns(recipe: Recipe, rows: list[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    if recipe.task.kind == "token_classification":
        return iter(word_rows((row[0], row[-1]) for row in rows))
    return iter(rows)


class LabelledMaterial(TokenMaterial):
    """Labelled texts as ids."""

    def __init__(self, recipe: Recipe, folder: Path, source: Tokenizer, target: Tokenizer) -> None:
        super().__init__(recipe, folder, source, target)
        self.labels = LabelCoder.load(folder / DATA / LABELS)
        self.template = Template.of(source.wrap)
        self.columns = [name for name in ("text", "second") if name in self.train.names]
        self.pieces = "pieces" if "pieces" in self.train.names else None

    @property
    def head(self) -> Head:
        """Classes of the text, or of each token."""
        return Head("tokens" if self.pieces else "classification", self.labels.names)

    def task(self) -> Classification | TokenClassification:
        """Cross entropy of the labels."""
        kind = TokenClassification if self.pieces else Classification
        return kind(self.smoothing)

    def feed(self) -> Feed:
        """Texts of like length together."""
        tokens, seed = max(self.settings.batch_tokens, self.longest), self.settings.seed
        lengths = wrapped_lengths(self.train, self.columns, self.template, self.longest)
        return Feed(
            epoch=lambda epoch: plan_batches(lengths, tokens, seed, epoch, extra=0),
            collate=lambda rows: self._collate(self.train, rows),
        )

    @property
    def longest(self) -> int:
        """Tokens of a text at most; the rest is cut off."""
        return longest_text(self.recipe)

    def validation(self) -> Iterator[LabelledBatch]:
        """All validation texts, the shortest first."""
        return batches_of(self._plan(), lambda rows: self._collate(self.valid, rows))

    def _plan(self) -> list[np.ndarray]:
        lengths = wrapped_lengths(self.valid, self.columns, self.template, self.longest)
        return plan_sequential(lengths, max(self.settings.batch_tokens, self.longest), extra=0)

    def _collate(self, store: Store, rows: np.ndarray) -> LabelledBatch:
        pad, _ = self.pads()
        return collate_labelled(store, rows, self.template, pad, self.longest, self.columns, pieces=self.pieces)

    def measured(self, module: Any) -> dict[str, float]:
        """The share of labels that are right."""
        found, gold = self._predicted(module)
        right = [
            one == two
            for first, second in zip(found, gold, strict=True)
            for one, two in zip(first, second, strict=True)
        ]
        return {"valid_accuracy": sum(right) / max(1, len(right))}

    def _predicted(self, module: Any) -> tuple[list[list[str]], list[list[str]]]:
        """The labels of each validation row, as the model sees them and as they are, in order."""
        found: list[list[str]] = [[] for _ in range(len(self.valid))]
        gold: list[list[str]] = [[] for _ in range(len(self.valid))]
        was_training = module.training
        module.eval()
        with torch.inference_mode():
            for rows in self._plan():
                batch = self._collate(self.valid, rows)
                best = module.classify(batch.ids, batch.types).argmax(-1).view(len(rows), -1)
                for row, ids, labels in zip(rows, best, batch.labels.view(len(rows), -1), strict=True):
                    counted = labels != IGNORED
                    found[row] = [self.labels.names[index] for index in ids[counted].tolist()]
                    gold[row] = [self.labels.names[index] for index in labels[counted].tolist()]
        module.train(was_training)
        return found, gold

    def results(self, module: Any, progress: Progress | None = None) -> Results:
        """Accuracy, F1 and the others on the validation texts."""
        found, gold = self._predicted(module)
        texts = self.facts["samples"]
        samples = [(" ║ ".join(row[:-1]), row[-1], " ".join(labels)) for row, labels in zip(texts, found, strict=False)]
        if self.pieces:
            return Results(tagging(found, gold), COLUMNS, samples)
        scores = classification([one[0] for one in found], [one[0] for one in gold], labels=self.labels.names)
        return Results(scores, COLUMNS, samples)

    def described(self) -> dict[str, Any]:
        """Sizes and file names."""
        return {
            "text_file": self.recipe.data.text,
            "training_texts": len(self.train),
            "validation_texts": len(self.valid),
            "labels": len(self.labels.names),
        }
