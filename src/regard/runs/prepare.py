"""From text files to what training reads: checked, cleaned, split, tokenized, as ids on disk."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from regard.data.clean import Cleaner
from regard.data.corpus import read_pairs
from regard.data.store import PairStore, write_store
from regard.data.tokenizer import Tokenizer, train_tokenizer
from regard.errors import DataError, SettingError
from regard.runs.folder import DATA, read_tokenizers, write_tokenizers
from regard.runs.recipe import Recipe
from regard.storage import write_file

Pair = tuple[str, str]


@dataclass(frozen=True)
class Corpus:
    """The cleaned pairs of a recipe, read from its files again each time, and the validation pairs.

    ``every``: where no validation files are named, every so-manieth kept pair is held out (0: none is).
    """

    recipe: Recipe
    every: int
    valid: list[Pair]
    cleaning: dict[str, Any]

    def train(self) -> Iterator[Pair]:
        """The pairs to train on."""
        for number, pair in enumerate(_cleaned(self.recipe, Cleaner(self.recipe.cleaning))):
            if not self.every or number % self.every:
                yield pair


@dataclass(frozen=True)
class Prepared:
    """What training reads."""

    train: PairStore
    valid: PairStore
    source: Tokenizer
    target: Tokenizer
    valid_texts: list[Pair]
    cleaning: dict[str, Any]


def read_corpus(recipe: Recipe) -> Corpus:
    """Read and check every file of the recipe once, writing nothing. Raises DataError or SettingError."""
    data = recipe.data
    for name, first, second in (
        ("data.source", data.source, data.target),
        ("data.valid_source", data.valid_source, data.valid_target),
    ):
        if (first is None) != (second is None):
            raise SettingError.because(name, "one file of two", "a source and a target", "name both or none")
    if data.source is None:
        raise SettingError.because("data.source", "nothing", "two text files", "give --source FILE --target FILE")
    valid = list(_named_validation(recipe))
    if data.valid_source is not None and not valid:
        got = "no pair with text on both sides"
        raise DataError.because(data.valid_source, got, "validation pairs", "check both files, or name neither")
    cleaner = Cleaner(recipe.cleaning)
    kept = sum(1 for _ in _cleaned(recipe, cleaner))
    every = 0 if valid else max(20, kept // data.valid_pairs)
    if not valid:
        valid = [pair for number, pair in enumerate(_cleaned(recipe, Cleaner(recipe.cleaning))) if number % every == 0]
    return Corpus(recipe, every, valid, asdict(cleaner.report))


def _cleaned(recipe: Recipe, cleaner: Cleaner) -> Iterator[Pair]:
    data = recipe.data
    return cleaner(read_pairs(Path(str(data.source)), Path(str(data.target))))


def _named_validation(recipe: Recipe) -> Iterable[Pair]:
    data = recipe.data
    if data.valid_source is None or data.valid_target is None:
        return []
    pairs = read_pairs(Path(data.valid_source), Path(data.valid_target))
    return (pair for pair in pairs if all(side.strip() for side in pair))


def learn_tokenizers(corpus: Corpus) -> tuple[Tokenizer, Tokenizer]:
    """One tokenizer for both sides, or one each, learnt from the training pairs."""
    settings = corpus.recipe.tokenizer
    if settings.joint:
        both = train_tokenizer(chain.from_iterable(corpus.train()), settings)
        return both, both
    return (
        train_tokenizer((source for source, _ in corpus.train()), settings),
        train_tokenizer((target for _, target in corpus.train()), settings),
    )


def prepare(corpus: Corpus, folder: Path) -> Prepared:
    """Learn the tokenizers and write everything that training reads into the run ``folder``."""
    source, target = learn_tokenizers(corpus)
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / DATA
    longest = corpus.recipe.data.max_tokens
    write_tokenizers(folder, source, target)
    write_store(data / "train", corpus.train(), source, target, longest)
    write_store(data / "valid", corpus.valid, source, target, longest)
    write_file(data / "valid.json", json.dumps(corpus.valid, ensure_ascii=False))
    write_file(data / "cleaning.json", json.dumps(corpus.cleaning, ensure_ascii=False, indent=2) + "\n")
    return open_prepared(folder)


def is_prepared(folder: Path) -> bool:
    """Whether ``prepare`` has come to its end in this run."""
    return (folder / DATA / "cleaning.json").exists()


def open_prepared(folder: Path) -> Prepared:
    """What ``prepare`` wrote."""
    data = folder / DATA
    source, target = read_tokenizers(folder)
    return Prepared(
        PairStore.open(data / "train"),
        PairStore.open(data / "valid"),
        source,
        target,
        [(first, second) for first, second in json.loads((data / "valid.json").read_text(encoding="utf-8"))],
        json.loads((data / "cleaning.json").read_text(encoding="utf-8")),
    )
