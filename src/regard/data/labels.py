"""Labels as ids: one for a text, or one for each of its words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

from regard.errors import CheckpointError, DataError
from regard.storage import write_file

SHOWN = 20  # labels that an error lists
WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Numbers:
    """Whole numbers below ``size`` as ids of their own: a text of them has spaces between."""

    size: int

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """The numbers of each text."""
        return [list(map(int, text.split())) for text in texts]


@dataclass(frozen=True)
class LabelCoder:
    """Label ↔ id: its place among ``names``. ``each_word``: a text of labels has one for each word, space between."""

    names: tuple[str, ...]
    each_word: bool = False

    @classmethod
    def learn(cls, texts: Iterable[str], *, each_word: bool = False) -> LabelCoder:
        """The sorted labels of a corpus; whole numbers sort as numbers. Raises DataError for fewer than two."""
        found = {label for text in texts for label in (text.split() if each_word else [text.strip()])}
        if len(found) < 2:
            got = f"only {next(iter(found))!r}" if found else "no label"
            raise DataError.because("labels", got, "at least two that differ", "check which column holds them")
        numbers = all(re.fullmatch(r"[+-]?[0-9]{1,18}", label) for label in found)
        return cls(tuple(sorted(found, key=lambda label: (int(label) if numbers else 0, label))), each_word)

    @property
    def size(self) -> int:
        """How many labels there are."""
        return len(self.names)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.names)}

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """The id of each label, in a list of its own. Raises DataError for one that was not learnt."""
        return [[self._id(label) for label in (text.split() if self.each_word else [text.strip()])] for text in texts]

    def _id(self, label: str) -> int:
        found = self._ids.get(label)
        if found is None:
            known = ", ".join(self.names[:SHOWN]) + (", …" if self.size > SHOWN else "")
            raise DataError.because("label", repr(label), f"one that was learnt ({known})", "check the label column")
        return found

    def save(self, path: Path) -> None:
        """Write the names as JSON, whole or not at all."""
        content = {"labels": self.names, "each_word": self.each_word}
        write_file(path, json.dumps(content, ensure_ascii=False, indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> LabelCoder:
        """What ``save`` wrote. Raises CheckpointError where it is missing or damaged."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            names, each_word = found["labels"], found["each_word"]
            if not (isinstance(each_word, bool) and all(isinstance(name, str) for name in names)):
                raise TypeError
        except (OSError, ValueError, KeyError, TypeError) as error:
            action = "restore the file or train again"
            raise CheckpointError.because(path, "no list of labels", "what training wrote", action) from error
        return cls(tuple(names), each_word)


@runtime_checkable
class SpanTokenizer(Protocol):
    """A tokenizer that says where its pieces stand."""

    def spans(self, text: str) -> list[tuple[int, int]]:
        """(start, end) of each piece in characters, end excluded."""


@dataclass(frozen=True)
class PieceCounter:
    """An encoder of texts as how many pieces each of their words has, for labels that stand at words.

    A piece belongs to the word of its last character, or, where that is a space, to the word behind it.
    """

    tokenizer: SpanTokenizer
    size: int = 2**32

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """The pieces of each word, all of which add up to the pieces of the text."""
        return [self._count(text) for text in texts]

    def _count(self, text: str) -> list[int]:
        ends = [match.end() for match in WORD.finditer(text)]
        counts = [0] * len(ends)
        word = 0
        for _, end in self.tokenizer.spans(text):
            while word < len(ends) - 1 and end > ends[word]:
                word += 1
            if counts:
                counts[word] += 1
        return counts


def word_rows(rows: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    """(words, words, labels) for the columns of words, their pieces and their labels.

    Raises DataError where a row has not one label a word.
    """
    for number, (words, labels) in enumerate(rows, start=1):
        counts = len(words.split()), len(labels.split())
        if counts[0] != counts[1]:
            got = f"{counts[1]} labels for {counts[0]} words"
            raise DataError.because(f"row {number}", got, "one label a word", "repair the row or leave it out")
        yield words, words, labels
