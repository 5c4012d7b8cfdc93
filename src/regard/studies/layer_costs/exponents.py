"""The exponent a in cost ∝ size^a, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from regard.evaluation.interval import Interval

RESAMPLES = 1000


def slope(sizes: Sequence[float], costs: np.ndarray) -> np.ndarray:
    """Least squares of log cost on log size, for costs [..., sizes]."""
    x = np.log(np.asarray(sizes, dtype=np.float64))
    x = x - x.mean()
    found: np.ndarray = np.log(costs) @ x / (x @ x)
    return found


def exponent(sizes: Sequence[float], times: np.ndarray, seed: int = 12345) -> Interval:
    """Of the medians of ``times`` [sweeps, sizes]; between the 2.5th and 97.5th percentile of sweeps drawn again."""
    draws = np.random.default_rng(seed).integers(len(times), size=(RESAMPLES, len(times)))
    low, high = np.percentile(slope(sizes, np.median(times[draws], axis=1)), [2.5, 97.5])
    return Interval(float(slope(sizes, np.median(times, axis=0))), float(low), float(high))


def median(times: np.ndarray, seed: int = 12345) -> Interval:
    """The median of each sweep's time, with its interval from the same draws."""
    draws = np.random.default_rng(seed).integers(len(times), size=(RESAMPLES, len(times)))
    low, high = np.percentile(np.median(times[draws], axis=1), [2.5, 97.5])
    return Interval(float(np.median(times)), float(low), float(high))


def crossing(sizes: Sequence[float], first: Sequence[float], second: Sequence[float]) -> float | None:
    """The least size from which on the first is dearer than the second, on straight lines between the logs."""
    gap = np.log(np.asarray(first) / np.asarray(second))
    for left in range(len(sizes) - 1):
        if gap[left] <= 0 < gap[left + 1]:
            share = -gap[left] / (gap[left + 1] - gap[left])
            return float(np.exp(np.log(sizes[left]) + share * np.log(sizes[left + 1] / sizes[left])))
    return None
