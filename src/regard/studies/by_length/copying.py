"""Texts to be copied, and how well they were: a task whose answer is known at any length."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from regard.evaluation.interval import Interval, bootstrap, bootstrap_means
from regard.looking.trends import Line
from regard.studies.frame.arms import Outcome
from regard.studies.frame.pairs import Pair
from regard.studies.frame.summary import Outcomes
from regard.studies.frame.verdict import Difference, of_draws, over_seeds, seeds_differ

Shares = Mapping[int, np.ndarray]  # of each text's words that were copied, or 1 where all were, by the texts' length


def texts_to_copy(words: Sequence[str], lengths: Sequence[int], many: int, seed: int) -> list[Pair]:
    """``many`` texts of words drawn at random, of so many words as is drawn from ``lengths``: target = source."""
    generator = np.random.default_rng(seed)
    drawn = [generator.choice(len(words), size=generator.choice(np.asarray(lengths))) for _ in range(many)]
    return [(text, text) for text in (" ".join(words[i] for i in row) for row in drawn)]


def copied(text: str, copy: str) -> float:
    """The share of the text's words that stand at the same place in the copy; what the copy has too much is ignored."""
    wanted, found = text.split(), copy.split()
    return sum(one == other for one, other in zip(wanted, found, strict=False)) / len(wanted)


def copied_exactly(text: str, copy: str) -> bool:
    """Every word of it, in order, and no other."""
    return text.split() == copy.split()


def broke_off(text: str, copy: str) -> bool:
    """The copy has fewer words than the text."""
    return len(copy.split()) < len(text.split())


def measured(
    lengths: Sequence[int], texts: Sequence[str], outcomes: Outcomes, measure: Callable[[str, str], float]
) -> dict[str, list[Shares]]:
    """``measure`` of each text and its copy by each arm and seed; ``texts`` are equally many of each length in turn."""

    def of_texts(one: Outcome) -> Shares:
        values = [float(measure(*both)) for both in zip(texts, one.translations, strict=True)]
        return dict(zip(lengths, np.array(values).reshape(len(lengths), -1), strict=True))

    return {name: [of_texts(one) for one in group] for name, group in outcomes.items()}


def percent(group: Sequence[Shares], lengths: Sequence[int]) -> float:
    """The mean over seeds, and over ``lengths`` alike."""
    return 100 * float(np.mean([shares[length].mean() for shares in group for length in lengths]))


def inside(shares: Shares, trained: int) -> np.ndarray:
    """Those of texts no longer than the longest of training."""
    return np.concatenate([values for length, values in shares.items() if length <= trained])


def over_texts(group: Sequence[Shares], length: int) -> Interval:
    """In percent, over the seeds or of one seed over its texts."""
    if len(group) > 1:
        return over_seeds([100 * float(shares[length].mean()) for shares in group])
    return bootstrap(100 * group[0][length])


def lines(shares: Mapping[str, Sequence[Shares]], lengths: Sequence[int]) -> dict[str, Line]:
    """Of each arm, ``over_texts`` of every length."""
    return {name: [(length, over_texts(group, length)) for length in lengths] for name, group in shares.items()}


def changes(group: Sequence[Shares], trained: int, beyond: Sequence[int]) -> Difference:
    """The share of words copied ``beyond`` the lengths trained minus that inside them, texts of all lengths alike.

    Over the seeds, or of one seed by bootstrap over the texts inside and, apart, those beyond.
    """
    within = [inside(shares, trained) for shares in group]
    outside = [np.concatenate([shares[length] for length in beyond]) for shares in group]
    if len(group) > 1:
        return seeds_differ([float(one.mean()) for one in within], [float(one.mean()) for one in outside], digits=3)
    draws = bootstrap_means(outside[0], seed=2) - bootstrap_means(within[0], seed=1)
    return of_draws(float(outside[0].mean() - within[0].mean()), draws, "texts", 3)
