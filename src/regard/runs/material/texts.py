"""Plain text to learn from by itself: how it is read and prepared, and what every task on it has in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from regard.data.batching import plan_batches, plan_sequential
from regard.data.corpus import read_documents, read_table
from regard.data.leaks import Leaks
from regard.data.lines import is_whole
from regard.data.noise import Pieces
from regard.data.store import Store, write_columns
from regard.data.template import Template, text_pieces
from regard.data.tokenizers.tokenizer import Tokenizer, train_tokenizer
from regard.errors import DataError, SettingError
from regard.evaluation.perplexity import Perplexity
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
    named_file,
    notes_of,
    refuse_changes,
    state_of,
    unwatched,
    write_facts,
)
from regard.runs.material.loss import task_loss
from regard.runs.recipe import DataSettings, Recipe
from regard.training.loop import Feed

TEXT = "text"
SHARE_OF_ONE = 0.1  # of a single document, held out from its end


@dataclass(frozen=True)
class TextCorpus:
    """The texts of a recipe, read from its file again each time.

    Without a validation file, every ``every``-th text is held out; of a single text its last tenth.
    """

    recipe: Recipe
    kept: int
    every: int
    notes: tuple[str, ...] = ()
    state: tuple[tuple[str, int, int], ...] = ()

    @property
    def held(self) -> int:
        """Texts that are wholly held out."""
        return -(-self.kept // self.every) if self.every and self.kept > 1 else 0

    def train(self) -> Iterator[str]:
        """The texts to train on. Raises DataError where the file has changed since it was read first."""
        refuse_changes(self.state)
        for number, text in enumerate(_texts(self.recipe.data, self.recipe.data.text)):
            if self.kept == 1 and self.every:
                yield text[: int(len(text) * (1 - SHARE_OF_ONE))]
            elif not self.every or number % self.every:
                yield text
        refuse_changes(self.state)

    def valid(self) -> Iterator[str]:
        """The texts to measure on."""
        data = self.recipe.data
        if not self.every:
            yield from _texts(data, data.valid_text)
            return
        for number, text in enumerate(_texts(data, data.text)):
            if self.kept == 1:
                yield text[int(len(text) * (1 - SHARE_OF_ONE)) :]
            elif number % self.every == 0:
                yield text


def read(recipe: Recipe) -> TextCorpus:
    """Read and check every file of the recipe once, writing nothing. Raises DataError or SettingError."""
    data = recipe.data
    path = named_file("data.text", data.text, "give --text FILE")
    state = state_of(data.text, data.valid_text)
    leaks = Leaks(enumerate(((text,) for text in _texts(data, data.valid_text)), start=1) if data.valid_text else ())
    dropped: list[int] = []
    kept = 0
    for kept, text in enumerate(_texts(data, data.text, dropped), start=1):
        leaks.see(kept, (text,))
    notes = (*dropped_note(len(dropped), "texts"), *filter(None, [leaks.note("texts", data.valid_text, data.text)]))
    if not kept:
        raise DataError.because(path, "no text", "some text to learn from", "check the file")
    if data.valid_text is not None:
        if not any(True for _ in _texts(data, data.valid_text)):
            raise DataError.because(data.valid_text, "no text", "validation text", "check the file, or name none")
        return TextCorpus(recipe, kept, 0, notes, state)
    if 1 < kept < 20:
        got, action = f"{kept} texts and no validation text", "name a file with --valid-text, or set data.unit=file"
        raise DataError.because(path, got, "20 texts or more to hold some out, or one to hold out its end", action)
    return TextCorpus(recipe, kept, held_out(kept, data.valid_pairs), notes, state)


def _texts(data: DataSettings, path: str | None, dropped: list[int] | None = None) -> Iterator[str]:
    """The texts, without those that are not UTF-8, whose numbers go to ``dropped``."""
    assert path is not None
    found: Iterator[str]
    if "\t" in _first_line(path, data) or path.lower().removesuffix(".gz").endswith(("jsonl", "ndjson", "tsv")):
        rows = read_table(Path(path), [data.text_column], bad_text=data.bad_text)
        found = (row[0] for row in rows if row[0].strip())
    else:
        found = read_documents(Path(path), data.unit, bad_text=data.bad_text)
    for number, text in enumerate(found, start=1):
        if is_whole(text):
            yield text
        elif dropped is not None:
            dropped.append(number)


def _first_line(path: str, data: DataSettings) -> str:
    return next(iter(islice(read_documents(Path(path), "line", bad_text=data.bad_text), 1)), "")


def learn_tokenizers(corpus: TextCorpus) -> tuple[Tokenizer, Tokenizer]:
    """One tokenizer, learnt from the training texts."""
    lines = (line for text in corpus.train() for line in text.splitlines(keepends=True))
    one = train_tokenizer(lines, corpus.recipe.tokenizer, layout_of(corpus.recipe))
    return one, one


def prepare(
    corpus: TextCorpus, folder: Path, source: Tokenizer, target: Tokenizer, progress: Preparing = unwatched
) -> list[str]:
    """Write everything that training reads into the run ``folder``; what this returns is for the user to know."""
    data = folder / DATA
    texts = counted(corpus.train(), corpus.kept - corpus.held, progress)
    train = write_columns(data / "train", ((text,) for text in texts), {TEXT: source})
    write_columns(data / "valid", ((text,) for text in corpus.valid()), {TEXT: source})
    sizes = [(len(text.encode()), len(text.split())) for text in corpus.valid()]
    facts = {"valid_bytes": sum(size for size, _ in sizes), "valid_words": sum(words for _, words in sizes)}
    write_facts(folder, {"texts": corpus.kept, **facts})
    return notes_of(train, TEXT, source, corpus.recipe)


@dataclass(frozen=True)
class LanguageScores:
    """How well unseen text is predicted."""

    perplexity: Perplexity
    predicted: str

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {key: value for key, value in self.perplexity.to_dict().items() if value is not None}

    def rows(self) -> list[tuple[str, str]]:
        """A table: measure, value."""
        found = self.perplexity
        rows = [("nats per token", f"{found.nats_per_token:.4f}"), ("perplexity per token", f"{found.perplexity:.2f}")]
        if found.bits_per_byte is not None:
            rows.append(("bits per byte", f"{found.bits_per_byte:.4f}"))
        if found.nats_per_word is not None:
            rows.append(("nats per word", f"{found.nats_per_word:.4f}"))
        return [*rows, ("tokens", f"{found.tokens:,} ({self.predicted})")]


class TextMaterial(TokenMaterial):
    """Texts as ids, a long one in several pieces. What each task does with them differs in ``plan`` and ``collate``."""

    every_token = False  # whether each is predicted, so that nats per byte and per word can be told

    def __init__(self, recipe: Recipe, folder: Path, source: Tokenizer, target: Tokenizer) -> None:
        super().__init__(recipe, folder, source, target)
        self.template = Template.of(source.wrap)
        if self.longest() < 1:
            got = f"{self.block} tokens"
            raise SettingError.because("task.block", got, "room for a token beside the special ones", "raise it")

    @property
    def block(self) -> int:
        """Tokens of a row at most."""
        return self.recipe.task.block

    @property
    def tokens(self) -> int:
        """Tokens of a batch at most."""
        return max(self.settings.batch_tokens, int(self.read_lengths(np.array([[self.longest()]])).max()))

    @property
    def end(self) -> int:
        """The id of the token that ends a text. Raises SettingError where there is none."""
        if self.source.eos is None:
            action = "use a checkpoint whose tokenizer has one"
            raise SettingError.because("tokenizer", "no token that ends a text", "one", action)
        return self.source.eos

    @cached_property
    def noise_pieces(self) -> Pieces:
        """What noise must know of the vocabulary."""
        return Pieces.of(self.source)

    def feed(self) -> Feed:
        """Rows of texts in a new order each epoch."""
        return Feed(
            epoch=lambda epoch: self.plan(self.train, epoch), collate=lambda rows: self.collate(self.train, rows)
        )

    def validation(self) -> Iterator[Any]:
        """The whole validation text; noise is the same each time."""
        torch.manual_seed(0)
        return batches_of(self.plan(self.valid, None), lambda rows: self.collate(self.valid, rows))

    @abstractmethod
    def longest(self) -> int:
        """Tokens of a piece of text at most."""

    def read_lengths(self, lengths: np.ndarray) -> np.ndarray:
        """How many tokens a model reads or writes of pieces with so many, [pieces, 1]."""
        return lengths + self.template.specials(1)

    def pieces(self, store: Store) -> np.ndarray:
        """Where each piece of text begins among the ids, and how many it has: [pieces, 2]."""
        name = "train" if store is self.train else "valid"
        if name not in self._pieces:
            self._pieces[name] = text_pieces(store, TEXT, self.longest())
        return self._pieces[name]

    @cached_property
    def _pieces(self) -> dict[str, np.ndarray]:
        return {}

    def plan(self, store: Store, epoch: int | None) -> list[np.ndarray]:
        """The pieces of each batch of an epoch, or of the validation (None)."""
        lengths = self.read_lengths(self.pieces(store)[:, 1:])
        if epoch is None:
            return plan_sequential(lengths, self.tokens, extra=0)
        return plan_batches(lengths, self.tokens, self.settings.seed, epoch, extra=0)

    @abstractmethod
    def collate(self, store: Store, rows: np.ndarray) -> Any:
        """One batch."""

    def results(self, module: Any, progress: Progress | None = None) -> Results:
        """Nats per token on the validation text; per word and byte where every token is predicted."""
        nats, tokens = task_loss(module, self.task(), self.validation())
        counts = (self.facts["valid_words"], self.facts["valid_bytes"]) if self.every_token else (None, None)
        scores = LanguageScores(
            Perplexity(nats / max(1, tokens), tokens, *counts), self.recipe.task.kind.replace("_", " ")
        )
        return Results(scores, ("measure", "value"))

    def described(self) -> dict[str, Any]:
        """Sizes and file names."""
        return {
            "text_file": self.recipe.data.text,
            "training_texts": len(self.train),
            "training_tokens": self.train.tokens[TEXT],
            "validation_tokens": self.valid.tokens[TEXT],
        }
