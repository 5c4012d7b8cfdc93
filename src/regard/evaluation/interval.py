"""How sure a number is: 95 % intervals of shares by Wilson's formula, and of means by the bootstrap."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from regard.errors import SettingError

NORMAL_QUANTILE = 1.959963984540054  # 95 % of a normal distribution lie within so many standard deviations
DRAWS_AT_ONCE = 2**22  # of a bootstrap


@dataclass(frozen=True)
class Interval:
    """A value between the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    def text(self, digits: int = 1, times: float = 100.0) -> str:
        """``87.5 (80.1–92.3)``, in percent unless ``times`` says otherwise; ``-0.1 (-0.3 to 0.1)`` below 0."""
        value, low, high = (f"{times * number:z.{digits}f}" for number in (self.value, self.low, self.high))
        return f"{value} ({low} to {high})" if low.startswith("-") else f"{value} ({low}–{high})"


def wilson(hits: float, trials: int) -> Interval:
    """A share and its Wilson score interval (Wilson 1927), which stays inside 0–1 and is right for few trials too.

    centre ± half width = (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n)
    """
    share, square = hits / trials, NORMAL_QUANTILE**2
    centre = share + square / (2 * trials)
    half = NORMAL_QUANTILE * math.sqrt(share * (1 - share) / trials + square / (4 * trials**2))
    scale = 1 + square / trials
    return Interval(share, max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale))


def bootstrap_means(values: ArrayLike, resamples: int = 1000, seed: int = 12345) -> np.ndarray:
    """The means of ``resamples`` samples drawn from ``values`` with replacement, each as large as ``values``.

    Raises SettingError for fewer than 2 resamples.
    """
    if resamples < 2:
        raise SettingError.because("bootstrap", resamples, "at least 2 resamples", "use 1000")
    numbers = np.asarray(values, dtype=np.float64)
    generator = np.random.default_rng(seed)
    at_once = max(1, DRAWS_AT_ONCE // len(numbers))
    means = [
        numbers[generator.integers(len(numbers), size=(min(at_once, resamples - done), len(numbers)))].mean(1)
        for done in range(0, resamples, at_once)
    ]
    return np.concatenate(means)


def bootstrap(values: ArrayLike, resamples: int = 1000, seed: int = 12345) -> Interval:
    """The mean of ``values`` between the 2.5th and 97.5th percentile of its bootstrap (Efron 1979). Raises as above."""
    low, high = np.percentile(bootstrap_means(values, resamples, seed), [2.5, 97.5])
    return Interval(float(np.mean(np.asarray(values, dtype=np.float64))), float(low), float(high))
