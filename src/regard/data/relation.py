"""Whether the words of two sides have to do with each other, pair by pair, whatever their lengths.

For the most frequent words of each side, Pearson's χ² of how often word a of the source stands beside word b of the
target; the same where the targets are dealt out anew shows what chance makes of it.
"""

from __future__ import annotations

from array import array
from collections import Counter
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

WORDS = 128  # of each side
BEGINNING = 4  # characters of a word that count: what follows is often an ending
SPACED = 12  # characters: a script with longer "words" has no spaces, and its characters count instead
SHARED = 2**16  # hashes
DEALS = 8  # times that the targets are dealt out anew
SURELY = 6.0  # standard deviations above chance
ROWS = 4_000  # of a stretch at most


class Relation:
    """Collects the words of pairs, as hashes of 16 bits, and compares."""

    def __init__(self) -> None:
        self._words = array("H"), array("H")
        self._ends = array("Q", [0]), array("Q", [0])

    def add(self, source: str, target: str) -> None:
        """Take in one pair."""
        for words, ends, text in zip(self._words, self._ends, (source, target), strict=True):
            words.extend({crc32(word.encode("utf-8", "surrogatepass")) % SHARED for word in _beginnings(text)})
            ends.append(len(words))

    def holds(self, begin: int, end: int) -> bool:
        """Whether rows ``begin`` to ``end`` have more to do with each other than chance would have it."""
        rows = np.arange(begin, end)[:: max(1, (end - begin) // ROWS)]
        one, other = (self._marks(side, rows) for side in (0, 1))
        draw = np.random.default_rng(0)
        chance = [_chi_squared(one, draw.permutation(other)) for _ in range(DEALS)]
        return bool(_chi_squared(one, other) > np.mean(chance) + SURELY * np.std(chance))

    def _marks(self, side: int, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """[rows, words]: 1 where one of the most frequent words stands in a row. Words of every row tell nothing."""
        words, ends = np.asarray(self._words[side]), np.asarray(self._ends[side])
        found = [words[ends[row] : ends[row + 1]] for row in rows.tolist()]
        counts = Counter(np.concatenate(found).tolist())
        frequent = [word for word, count in counts.most_common(WORDS + 8) if 2 <= count <= 0.8 * len(rows)][:WORDS]
        places = np.full(SHARED, -1)
        places[frequent] = np.arange(len(frequent))
        marks = np.zeros((len(rows), len(frequent)), dtype=np.float32)
        for row, here in enumerate(found):
            at = places[here]
            marks[row, at[at >= 0]] = 1.0
        return marks


def _beginnings(text: str) -> set[str]:
    words = text.casefold().split()
    if len(text) > SPACED * len(words):
        return set("".join(words))
    return {word[:BEGINNING] for word in words}


def _chi_squared(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    if not (one.size and other.size):
        return 0.0
    expected = np.outer(one.sum(0), other.sum(0)) / len(one)
    return float(((one.T @ other - expected) ** 2 / np.maximum(expected, 1.0)).sum())
