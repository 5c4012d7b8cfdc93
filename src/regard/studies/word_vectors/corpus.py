"""A text as numbers of words, sentence after sentence, and the pairs of words that stand near each other in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from regard.errors import DataError

LEAST_WORDS = 8  # different ones, below which there is nothing to compare


@dataclass(frozen=True)
class Corpus:
    """The frequent ``words``, the most frequent first; ``ids`` [n] is the text in their numbers, without the others.

    ``sentences`` [n] numbers the sentence that each stands in, and ``counts`` [V] says how often each word occurs.
    """

    words: tuple[str, ...]
    ids: np.ndarray
    sentences: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True)
class WordVectors:
    """One vector for each word: ``matrix`` is [V D]."""

    name: str
    words: tuple[str, ...]
    matrix: np.ndarray


def read(texts: Iterable[Sequence[str]], most_words: int = 2000, least_count: int = 5) -> Corpus:
    """The corpus of ``texts``, each a list of words; rare words are left out as if they were not there.

    Of equally frequent words the alphabet decides. Raises DataError where too few words are left.
    """
    lines = [list(words) for words in texts]
    counts = Counter(word for words in lines for word in words)
    frequent = sorted((word for word, count in counts.items() if count >= least_count), key=lambda w: (-counts[w], w))
    chosen = frequent[:most_words]
    if len(chosen) < LEAST_WORDS:
        expected = f"at least {LEAST_WORDS} that occur {least_count} times"
        raise DataError.because("text", f"{len(chosen)} frequent words", expected, "give a longer text")
    numbers = {word: number for number, word in enumerate(chosen)}
    known = [[numbers[word] for word in words if word in numbers] for words in lines]
    ids = np.array([number for line in known for number in line], dtype=np.int64)
    sentences = np.repeat(np.arange(len(known)), [len(line) for line in known])
    return Corpus(tuple(chosen), ids, sentences, np.bincount(ids, minlength=len(chosen)))


def pairs_at(ids: np.ndarray, sentences: np.ndarray, distance: int) -> np.ndarray:
    """The places i [m] whose word at i + ``distance`` is one of the same sentence."""
    return np.flatnonzero(sentences[: len(ids) - distance] == sentences[distance:])
