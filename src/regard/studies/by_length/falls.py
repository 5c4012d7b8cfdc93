"""BLEU in a bucket, and how much more of it one arm loses from short texts to long ones than another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from regard.evaluation.interval import Interval
from regard.studies.by_length.bleu import bleu, bleu_draws
from regard.studies.by_length.buckets import Bucket
from regard.studies.frame.verdict import Difference, over_seeds, seeds_differ


def in_bucket(counts: Sequence[np.ndarray], bucket: Bucket) -> Interval:
    """BLEU of a bucket: the mean over the seeds, or of one seed between the ends of its bootstrap over texts."""
    if len(counts) > 1:
        return over_seeds([bleu(one[bucket.rows]) for one in counts])
    low, high = np.percentile(bleu_draws(counts[0][bucket.rows]), [2.5, 97.5])
    return Interval(bleu(counts[0][bucket.rows]), float(low), float(high))


def falls_more(first: Sequence[np.ndarray], second: Sequence[np.ndarray], short: Bucket, long: Bucket) -> Difference:
    """How much more BLEU the second arm loses from the short texts to the long ones than the first.

    (short₂ − long₂) − (short₁ − long₁), from the counts of each seed: over the seeds, or of one seed by bootstrap,
    which draws the texts of each bucket anew, the same for both arms.
    """
    before, after = ([bleu(one[short.rows]) - bleu(one[long.rows]) for one in group] for group in (first, second))
    if len(first) > 1:
        return seeds_differ(before, after)
    draws = [bleu_draws(group[0][short.rows]) - bleu_draws(group[0][long.rows]) for group in (first, second)]
    low, high = np.percentile(draws[1] - draws[0], [2.5, 97.5])
    evidence = f"95 %: {low:.1f} to {high:.1f} over texts, one seed"
    return Difference(after[0] - before[0], bool(low > 0 or high < 0), evidence)
