"""BLEU of any choice of texts from counts made once, so that it can be resampled a thousand times in a bucket."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sacrebleu.metrics.bleu import BLEU

ORDERS = 4  # of n-grams


def counted(translations: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """What BLEU is made of, a row each text: its n-grams found in the reference, its n-grams, both lengths: [R, 10]."""
    metric = BLEU(effective_order=True)
    scores = [metric.sentence_score(one, [other]) for one, other in zip(translations, references, strict=True)]
    rows = [[*one.counts, *one.totals, one.sys_len, one.ref_len] for one in scores]
    return np.array(rows, dtype=np.int64).reshape(-1, 2 * ORDERS + 2)


def bleu(counts: np.ndarray) -> float:
    """Corpus BLEU (Papineni et al. 2002), 0–100, of the texts that have these rows; smoothed as sacreBLEU does."""
    total = [int(number) for number in counts.sum(0)]
    system, reference = total[2 * ORDERS :]
    score = BLEU.compute_bleu(total[:ORDERS], total[ORDERS : 2 * ORDERS], system, reference, smooth_method="exp")
    return min(score.score, 100.0)


def bleu_draws(counts: np.ndarray, resamples: int = 1000, seed: int = 12345) -> np.ndarray:
    """BLEU of ``resamples`` draws of the texts with replacement; the same texts are drawn for every system."""
    generator = np.random.default_rng(seed)
    drawn = generator.integers(len(counts), size=(resamples, len(counts)))
    return np.array([bleu(counts[rows]) for rows in drawn])
