"""How sure a difference between two arms is: over the seeds where there are several, else over the test's sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from regard.evaluation.interval import Interval, bootstrap_means, wilson
from regard.evaluation.translation import against
from regard.studies.frame.arms import Outcome

TEXTS = "the test's texts"


@dataclass(frozen=True)
class Difference:
    """Second minus first. ``sure``: a difference of this size comes by chance less than once in twenty times.

    ``low`` and ``high`` are the ends of its 95 % interval, where there is one.
    """

    value: float
    sure: bool
    evidence: str
    low: float | None = None
    high: float | None = None

    @property
    def larger(self) -> bool:
        """The second is surely larger."""
        return self.sure and self.value > 0

    @property
    def smaller(self) -> bool:
        """The second is surely smaller."""
        return self.sure and self.value < 0

    @property
    def direction(self) -> int:
        """1: surely larger. −1: surely smaller. 0: neither."""
        return int(self.larger) - int(self.smaller)

    def text(self, unit: str = "", digits: int = 1) -> str:
        """``+3.2 BLEU (95 %: 1.0 to 5.4, 3 seeds)``."""
        return f"{self.value:+z.{digits}f}{unit and f' {unit}'} ({self.evidence})"

    def way(self, larger: str, smaller: str) -> str:
        """``surely higher``, ``surely lower``, or ``not surely higher or lower``."""
        return f"surely {larger if self.value > 0 else smaller}" if self.sure else f"not surely {larger} or {smaller}"


def all_held(parts: Iterable[bool | None]) -> bool | None:
    """Of a claim of several parts, all of which must be so: True where all held, False where one did not, else None."""
    found = list(parts)
    return False if False in found else None if None in found else True


def over_seeds(values: Sequence[float]) -> Interval:
    """The mean and its 95 % t interval: mean ± t(0.975, n − 1) · s/√n. Of one value: that value alone."""
    numbers = np.asarray(values, dtype=np.float64)
    mean = float(numbers.mean())
    if len(numbers) < 2:
        return Interval(mean, mean, mean)
    half = float(student.ppf(0.975, len(numbers) - 1) * numbers.std(ddof=1) / np.sqrt(len(numbers)))
    return Interval(mean, mean - half, mean + half)


def share_of(groups: Sequence[np.ndarray]) -> Interval:
    """The share of hits, an array each seed: the mean over seeds with its t interval, of one seed Wilson's over hits.

    Both stay within 0 to 1. Hits of several seeds on the same test are not as many trials as there are hits.
    """
    if len(groups) == 1:
        return wilson(float(groups[0].sum()), len(groups[0]))
    found = over_seeds([float(one.mean()) for one in groups])
    return Interval(found.value, max(0.0, found.low), min(1.0, found.high))


def of_draws(value: float, draws: np.ndarray, over: str, digits: int) -> Difference:
    """A difference of one seed, sure where 95 % of its bootstrap ``draws`` are on one side of 0."""
    low, high = np.percentile(draws, [2.5, 97.5])
    evidence = f"95 %: {low:z.{digits}f} to {high:z.{digits}f} over {over}, one seed"
    return Difference(value, bool(low > 0 or high < 0), evidence, float(low), float(high))


def seeds_differ(first: Sequence[float], second: Sequence[float], digits: int = 1) -> Difference:
    """One number a seed of each arm, the same seeds: a paired t interval. One seed alone is sure of nothing."""
    if len(first) < 2:
        return Difference(second[0] - first[0], False, "one seed: no interval")
    found = over_seeds([after - before for before, after in zip(first, second, strict=True)])
    evidence = f"95 %: {found.low:z.{digits}f} to {found.high:z.{digits}f}, {len(first)} seeds"
    return Difference(found.value, found.low > 0 or found.high < 0, evidence, found.low, found.high)


def over_test(differences: np.ndarray, over: str, digits: int) -> Difference:
    """The mean of what differs in each of a test's items, of one seed, by bootstrap over them."""
    return of_draws(float(differences.mean()), bootstrap_means(differences), over, digits)


def hits_differ(first: Sequence[np.ndarray], second: Sequence[np.ndarray], over: str = TEXTS) -> Difference:
    """Points of accuracy, second minus first: over the seeds, or of one seed over the test."""
    if len(first) > 1:
        return seeds_differ([100 * float(one.mean()) for one in first], [100 * float(one.mean()) for one in second])
    return over_test(100 * (second[0] - first[0]), over, 1)


def bleu_difference(first: Sequence[Outcome], second: Sequence[Outcome], references: Sequence[str]) -> Difference:
    """BLEU of the second arm minus that of the first: over the seeds, or of one seed by paired bootstrap."""
    if len(first) > 1:
        return seeds_differ([one.bleu for one in first], [one.bleu for one in second])
    found = against(first[0].translations, second[0].translations, references).bleu
    evidence = f"p = {found.p_value:.3f}, paired bootstrap over sentences, one seed"
    return Difference(found.delta, found.significant, evidence)


def loss_difference(first: Sequence[Outcome], second: Sequence[Outcome]) -> Difference:
    """Nats per token of the second arm minus that of the first: over the seeds, or over the test's sentences."""
    return loss_contrast([(-1.0, first), (1.0, second)])


def loss_contrast(terms: Sequence[tuple[float, Sequence[Outcome]]]) -> Difference:
    """Σ weight · nats per token of arms that were tested on the same sentences: over the seeds, or over the sentences.

    Weights that add up to 0 compare: two arms, two groups of arms, or two differences.
    """
    seeds = len(terms[0][1])
    if seeds > 1:
        sums = [sum(weight * group[seed].nats_per_token for weight, group in terms) for seed in range(seeds)]
        return seeds_differ([0.0] * seeds, sums, digits=3)
    tokens = terms[0][1][0].tokens
    nats = np.sum([weight * group[0].nats for weight, group in terms], axis=0)
    draws = bootstrap_means(nats / float(tokens.mean()))
    return of_draws(float(nats.sum() / tokens.sum()), draws, "sentences", 3)
