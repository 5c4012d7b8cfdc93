"""Attention between pieces as attention between words, and as an alignment in Pharaoh's format.

A translation's attention is a matrix [T S]: row t says how much target piece t looks at each source piece, and sums
to one. Words follow by adding over the source pieces of a word and averaging over the target pieces of a word, so
that rows still sum to one (Zenkel et al. 2019, section 3).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from regard.data.tokenizers.tokenizer_kinds import END, PAD, SPACE, UNKNOWN
from regard.errors import DataError

SPECIALS = (END, UNKNOWN, PAD)
Matrix = NDArray[np.float64]
Groups = list[list[int]]


def word_groups(pieces: Sequence[str]) -> Groups:
    """The numbers of the pieces of each word; a word begins at ``▁``, a special piece is a word of its own.

    Pieces without any ``▁`` are words already.
    """
    spaced = any(SPACE in piece for piece in pieces)
    groups: Groups = []
    for number, piece in enumerate(pieces):
        after_special = number > 0 and pieces[number - 1] in SPECIALS
        if not groups or not spaced or piece.startswith(SPACE) or piece in SPECIALS or after_special:
            groups.append([])
        groups[-1].append(number)
    return groups


def spell(pieces: Sequence[str]) -> str:
    """The text of some pieces: ``▁`` is a space and ``<0xE2>`` a byte; neither stays at the ends."""

    def from_bytes(run: re.Match[str]) -> str:
        return bytes(int(value, 16) for value in re.findall(r"<0x(..)>", run[0])).decode("utf-8", errors="replace")

    text = re.sub(r"(?:<0x[0-9A-F]{2}>)+", from_bytes, "".join(pieces))
    return text.replace(SPACE, " ").strip()


def words_of(pieces: Sequence[str]) -> list[str]:
    """The words that ``word_groups`` finds."""
    return [spell([pieces[number] for number in group]) for group in word_groups(pieces)]


def merge_words(matrix: ArrayLike, source_pieces: Sequence[str], target_pieces: Sequence[str]) -> Matrix:
    """[target pieces, source pieces] → [target words, source words]. Raises DataError where the sizes differ."""
    weights = checked(matrix, source_pieces, target_pieces)
    return merge_groups(weights, word_groups(source_pieces), word_groups(target_pieces))


def merge_groups(matrix: ArrayLike, sources: Groups, targets: Groups) -> Matrix:
    """The same for pieces that are in groups already, of which some may be left out."""
    weights = np.asarray(matrix, dtype=np.float64)
    sums = np.stack([weights[:, group].sum(axis=1) for group in sources], axis=1)
    return np.stack([sums[group].mean(axis=0) for group in targets])


def pharaoh(weights: Matrix, threshold: float | None = None) -> str:
    """``0-0 1-2 …``: which source word (before the dash) goes with which target word, counting from 0.

    ``weights`` are [target words, source words]. Without a threshold each target word goes with the source word that it
    looks at most; with one, with all that have at least that weight.
    """
    if threshold is None:
        links = [(int(row.argmax()), target) for target, row in enumerate(weights)]
    else:
        links = [(int(source), int(target)) for target, source in np.argwhere(weights >= threshold)]
    return " ".join(f"{source}-{target}" for source, target in sorted(links))


def checked(matrix: ArrayLike, source_pieces: Sequence[str], target_pieces: Sequence[str]) -> Matrix:
    """The matrix as numbers, if it has a row for each target piece and a column for each source piece."""
    weights = np.asarray(matrix, dtype=np.float64)
    expected = (len(target_pieces), len(source_pieces))
    if weights.shape != expected or 0 in expected:
        shape = "×".join(map(str, weights.shape))
        rule = f"{expected[0]}×{expected[1]}, a row each target piece and a column each source piece"
        raise DataError.because("attention", f"a matrix of {shape}", rule, "hand in the pieces that it was made from")
    return weights
