"""A model that reads on a test set: classes, vectors, or how well it predicts the text itself."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from regard.data.corpus import read_pairs, read_table
from regard.errors import DataError, RunError
from regard.evaluation.classification import Classification, classification
from regard.evaluation.retrieval import Retrieval, retrieval
from regard.evaluation.tagging import Tagging, tagging
from regard.runs.folder import RECIPE, read_recipe
from regard.runs.material import open_material, prepare
from regard.runs.material.contract import DATA
from regard.runs.material.texts import LanguageScores, TextCorpus
from regard.runs.material.texts import read as read_texts
from regard.runs.model import Model
from regard.runs.recipe import DataSettings, Recipe
from regard.runs.start import Side, Start

LONGEST_BLOCK = 1024  # tokens that a public language model reads at once
ON_TEXT = ("next_token", "masked_token", "span_corruption", "denoising")


@dataclass(frozen=True)
class Columns:
    """Where a table has texts and labels; None: as the run had it, else the columns ``text`` and ``label``."""

    text: str | None = None
    second: str | None = None
    label: str | None = None

    def of(self, model: Model) -> list[str]:
        """The columns of text, of the second text if any, and of the label."""
        known = _data_of(model)
        second = self.second or known.second_column
        return [self.text or known.text_column, *([second] if second else []), self.label or known.label_column]


@dataclass(frozen=True)
class Labelled:
    """What a classifier says, what is right, and the scores: of texts, or of the words of texts."""

    predicted: list[str] | list[list[str]]
    gold: list[str] | list[list[str]]
    scores: Classification | Tagging

    @property
    def flat(self) -> tuple[list[str], list[str]]:
        """The labels one by one, also where they stand at words."""
        predicted, gold = (
            [label for one in side for label in ([one] if isinstance(one, str) else one)]
            for side in (self.predicted, self.gold)
        )
        return predicted, gold


def measure_labels(model: Model, path: Path, columns: Columns) -> Labelled:
    """Classify the texts of a table and compare with its labels.

    Raises DataError for a table without rows and for a label that the model does not know, SettingError for a column
    that is not there.
    """
    rows = [row for row in read_table(path, columns.of(model)) if row[0].strip()]
    if not rows:
        raise DataError.because(path, "no row with text", "labelled texts to measure on", "check the file")
    texts = [row[0] if len(row) == 2 else (row[0], row[1]) for row in rows]
    found: Any = model.classify(texts)
    if model.head.kind == "tokens":
        words, tags = [row[-1].split() for row in rows], [[one.label for one in line] for line in found]
        return Labelled(tags, words, tagging(tags, words))
    labels, predicted = [row[-1].strip() for row in rows], [one.label for one in found]
    return Labelled(predicted, labels, classification(predicted, labels, labels=model.head.labels))


def measure_couples(model: Model, source: Path, target: Path, pooling: str = "mean") -> Retrieval:
    """How often the line of ``target`` nearest to a line of ``source`` is the one that belongs to it."""
    couples = [pair for pair in read_pairs(source, target) if all(side.strip() for side in pair)]
    if not couples:
        raise DataError.because(source, "no couple with text on both sides", "some", "check the files")
    first, second = (model.embed([couple[side] for couple in couples], pooling) for side in (0, 1))
    return retrieval(first, second, list(range(len(couples))))


def measure_text(model: Model, path: Path, unit: str | None = None) -> LanguageScores:
    """How well a language model predicts a text, or another model what was hidden of it: as validation in training.

    ``unit`` is what one text is ("line", "paragraph", "file"); None: as the run had it, else the whole file.
    Raises DataError for an empty file, RunError for a model that learnt no text by itself.
    """
    recipe = _recipe(model, path, unit)
    read_texts(recipe)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(TextCorpus(recipe, kept=1, every=0), folder, model.source_tokenizer, model.target_tokenizer)
        begun = Start(model, (Side.of(model.source_tokenizer, ()), Side.of(model.target_tokenizer, ()))).begun()
        begun.write(folder / DATA)  # the ids that matter are the model's own
        material = open_material(recipe, folder, model.source_tokenizer, model.target_tokenizer)
        scores: LanguageScores = material.results(model.module).scores
        return scores


def predicts_text(model: Model) -> bool:
    """Whether ``measure_text`` can measure it."""
    return _task_of(model) in ON_TEXT


def _recipe(model: Model, path: Path, unit: str | None) -> Recipe:
    """The run's own, or the usual one for a public checkpoint, with the text to measure on."""
    kind = _task_of(model)
    if kind not in ON_TEXT:
        got = f"a {model.family} model with the head {model.head.kind!r}"
        action = "give --source FILE --target FILE"
        raise RunError.because(model.folder, got, "one that learnt to predict text", action)
    if (model.folder / RECIPE).exists():
        recipe = read_recipe(model.folder)
    else:
        recipe = Recipe(model.family, model.config)
        block = min(model.config.most_tokens or LONGEST_BLOCK, LONGEST_BLOCK)
        recipe = replace(
            recipe,
            task=replace(recipe.task, kind=kind, block=block),
            data=replace(recipe.data, unit="file" if kind == "next_token" else "line"),
        )
    data = replace(recipe.data, text=str(path), valid_text=str(path), unit=unit or recipe.data.unit)
    return replace(recipe, data=data)


def _task_of(model: Model) -> str:
    """What the model learnt; of a public checkpoint what its architecture is for."""
    if (model.folder / RECIPE).exists():
        return read_recipe(model.folder).task.kind
    if model.head.kind != "language" or hasattr(model.module, "decoder"):
        return "another"
    return "next_token" if hasattr(model.module, "stack") else "masked_token"


def _data_of(model: Model) -> DataSettings:
    recipe = model.folder / RECIPE
    return read_recipe(model.folder).data if recipe.exists() else DataSettings()
