"""Texts to test with, in buckets of like length: of so many sentences each, or of a corpus by its own lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from regard.errors import DataError
from regard.studies.frame.pairs import SentencePairs, joined

LEAST_TEXTS = 10  # in a bucket


@dataclass(frozen=True)
class Bucket:
    """``rows``: which pairs of the test. ``tokens``: how long their sources are, on the average, without ``</s>``."""

    name: str
    rows: range
    tokens: float


def by_sentences(
    pairs: SentencePairs, trained: Sequence[int], tested: Sequence[int], texts: int, seed: int = 1
) -> tuple[SentencePairs, list[Bucket]]:
    """As many texts to train on as there were pairs, of ``trained`` sentences each; a bucket for each of ``tested``."""
    parts = [joined(pairs.test, (count,), seed + count, texts) for count in tested]
    test = [pair for part in parts for pair in part]
    long = SentencePairs(pairs.name, joined(pairs.train, trained, seed), test, pairs.source, pairs.target)
    names = [f"{count} sentence{'s' if count > 1 else ''}" for count in tested]
    rows = [range(first, first + texts) for first in range(0, len(test), texts)]
    lengths = _lengths(long)
    return long, [Bucket(name, r, float(lengths[r].mean())) for name, r in zip(names, rows, strict=True)]


def by_tokens(pairs: SentencePairs, count: int) -> tuple[SentencePairs, list[Bucket]]:
    """The pairs of the test in ``count`` buckets of about equally many, from the shortest sources to the longest.

    Raises DataError for fewer than LEAST_TEXTS texts a bucket.
    """
    if len(pairs.test) < count * LEAST_TEXTS:
        expected = f"at least {count * LEAST_TEXTS}, for {count} buckets of length"
        raise DataError.because(pairs.name, f"{len(pairs.test)} pairs to test with", expected, "give a larger corpus")
    order = np.argsort(_lengths(pairs), kind="stable")
    ordered = pairs.testing([pairs.test[i] for i in order])
    lengths = _lengths(ordered)
    rows = [range(part[0], part[-1] + 1) for part in np.array_split(np.arange(len(order)), count)]
    return ordered, [Bucket(f"{lengths[r[0]]}–{lengths[r[-1]]} tokens", r, float(lengths[r].mean())) for r in rows]


def _lengths(pairs: SentencePairs) -> np.ndarray:
    return np.array([len(source) for source in pairs.encoded(pairs.test)[0]])
