"""Texts of a corpus that are longer than any of training: sentence pairs in a row, of which more make a longer text.

So long texts are as hard as short ones, sentence by sentence, and only their length is new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil

import numpy as np

from regard.errors import DataError
from regard.studies.by_length.bleu import bleu, bleu_draws
from regard.studies.by_length.buckets import LEAST_TEXTS, Bucket
from regard.studies.frame.pairs import Pair, SentencePairs, joined
from regard.studies.frame.verdict import Difference, of_draws, seeds_differ

TRAINED_SENTENCES = (1, 2)  # in a row, in a text of training
LONGEST_SHARE = 90.0  # percent of such texts are short enough to be learnt from
EDGES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)  # of the buckets of the test, in lengths of the longest text of training
JUDGED = 3  # the bucket of 1.5 to 2 times that length
HARDLY_ANY = 0.01  # BLEU
DRAWN = 20  # times as many texts as are tested, from which the buckets are filled


@dataclass(frozen=True)
class Beyond:
    """``short``: texts of at most ``trained`` tokens to learn from; ``whole``: of all lengths, as many. Both have the
    same test, in ``buckets`` by length; a text is as long as its longer side.
    """

    trained: int
    short: SentencePairs
    whole: SentencePairs
    buckets: Sequence[Bucket]

    @property
    def longest(self) -> int:
        """Tokens of the longest text there may be."""
        return ceil(EDGES[-1] * self.trained)


def beyond_training(pairs: SentencePairs, texts: int, seed: int) -> Beyond:
    """``texts`` of each bucket to test with. Raises DataError where pairs in a row do not fill the buckets."""
    every = joined(pairs.train, TRAINED_SENTENCES, seed)
    lengths = _lengths(pairs, every)
    trained = int(np.percentile(lengths, LONGEST_SHARE))
    sentences = range(1, 1 + ceil(EDGES[-1] * trained / float(_lengths(pairs, pairs.test).mean())))
    drawn = joined(pairs.test, sentences, seed + 1, DRAWN * texts)
    test, buckets = _in_buckets(pairs, drawn, trained, texts)
    longer = joined(pairs.train, sentences, seed + 2, 2 * len(every))
    fitting = np.flatnonzero(_lengths(pairs, longer) <= EDGES[-1] * trained)
    short = [every[i] for i in np.flatnonzero(lengths <= trained)]
    whole = [longer[i] for i in fitting[: len(short)]]
    return Beyond(trained, replace(pairs, train=short, test=test), replace(pairs, train=whole, test=test), buckets)


def _lengths(pairs: SentencePairs, texts: Sequence[Pair]) -> np.ndarray:
    return np.array([max(len(source), len(target)) for source, target in zip(*pairs.encoded(texts), strict=True)])


def _in_buckets(
    pairs: SentencePairs, drawn: Sequence[Pair], trained: int, texts: int
) -> tuple[list[Pair], list[Bucket]]:
    lengths = _lengths(pairs, drawn)
    test: list[Pair] = []
    buckets = []
    for low, high in pairwise(EDGES):
        rows = np.flatnonzero((lengths > low * trained) & (lengths <= high * trained))[:texts]
        if len(rows) < LEAST_TEXTS:
            got = f"{len(rows)} texts of {low * trained:.0f} to {high * trained:.0f} tokens"
            expected = f"at least {LEAST_TEXTS} from pairs in a row"
            raise DataError.because(pairs.name, got, expected, "give a corpus of shorter lines")
        place = range(len(test), len(test) + len(rows))
        name = f"{int(low * trained) + 1}–{int(high * trained)}"
        buckets.append(Bucket(name, place, float(lengths[rows].mean())))
        test += [drawn[i] for i in rows]
    return test, buckets


def change(control: Sequence[np.ndarray], other: Sequence[np.ndarray], bucket: Bucket) -> Difference:
    """BLEU of the other arm in a bucket / that of the control − 1: over the seeds, or of one seed over the texts.

    Of the counts of each seed. Less than HARDLY_ANY of the control counts as that.
    """
    if len(control) > 1:
        before, after = (np.array([bleu(one[bucket.rows]) for one in group]) for group in (control, other))
        gains = after / np.maximum(before, HARDLY_ANY) - 1
        return seeds_differ([0.0] * len(gains), list(map(float, gains)), digits=3)
    first, second = control[0][bucket.rows], other[0][bucket.rows]
    draws = bleu_draws(second) / np.maximum(bleu_draws(first), HARDLY_ANY) - 1
    return of_draws(bleu(second) / max(bleu(first), HARDLY_ANY) - 1, draws, "texts", 3)
