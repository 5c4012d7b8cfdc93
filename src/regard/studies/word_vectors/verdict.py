"""Whether learned vectors know more about words than counted ones: whether the nearest word is of the same class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from regard.evaluation.interval import Interval, bootstrap
from regard.studies.frame.verdict import over_seeds
from regard.studies.word_vectors.agreement import same_class
from regard.studies.word_vectors.corpus import WordVectors

WORD = {True: "better than", False: "worse than", None: "neither surely better nor surely worse than"}


def hits(group: Sequence[WordVectors], kinds: Mapping[str, str], similarity: str = "cosine") -> np.ndarray:
    """For each word with a class, whether its nearest word is of that class: [seeds, words]."""
    return np.array([same_class(vectors, kinds, 1, similarity) for vectors in group])


def verdict(learned: np.ndarray, counted: Mapping[str, np.ndarray]) -> tuple[bool | None, dict[str, Interval]]:
    """Of the hits [seeds, words] of learned vectors and [words] of counted ones: whether the first are better, and by
    how much, with 95 % intervals by bootstrap over the words.

    True: surely better than every way of counting, over the words and, of several seeds, over these too (t interval).
    False: surely worse than one of them, in the same sense.
    """
    over_words = {name: bootstrap(learned.mean(0) - theirs) for name, theirs in counted.items()}
    seeds = {name: over_seeds(list(learned.mean(1) - theirs.mean())) for name, theirs in counted.items()}
    if all(over_words[name].low > 0 and seeds[name].low > 0 for name in counted):
        return True, over_words
    worse = any(over_words[name].high < 0 and seeds[name].high < 0 for name in counted)
    return (False if worse else None), over_words


def told(held: bool | None, differences: Mapping[str, Interval]) -> str:
    """The verdict against the way of counting that is best."""
    rival, least = min(differences.items(), key=lambda item: item[1].value)
    points = f"{100 * least.value:+.1f} points, 95 %: {100 * least.low:+.1f} to {100 * least.high:+.1f} over words"
    return f"on this corpus learned vectors are {WORD[held]} {rival} ({points})."
