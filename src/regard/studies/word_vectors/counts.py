"""Vectors by counting: how often each word stands near each other word, and how much more often than by chance.

    counts(w, c) = how often c stands at most ``window`` words from w
    PPMI(w, c) = max(0, log P(w, c) / (P(w) P_α(c)))      P_α(c) ∝ (Σ_w counts(w, c))^α

(Church and Hanks 1990; α = 0.75 keeps rare contexts from looking too remarkable: Levy, Goldberg and Dagan 2015).
"""

from __future__ import annotations

import numpy as np

from regard.studies.word_vectors.corpus import Corpus, pairs_at


def cooccurrence(corpus: Corpus, window: int) -> np.ndarray:
    """Counts [V V], symmetric: row w says what stands near w."""
    size = len(corpus.words)
    flat = np.zeros(size * size, dtype=np.int64)
    for distance in range(1, window + 1):
        places = pairs_at(corpus.ids, corpus.sentences, distance)
        flat += np.bincount(corpus.ids[places] * size + corpus.ids[places + distance], minlength=size * size)
    table = flat.reshape(size, size)
    return table + table.T


def ppmi(counts: np.ndarray, smoothing: float = 0.75) -> np.ndarray:
    """Positive pointwise mutual information [V V] in nats, with the contexts' probabilities to the ``smoothing``."""
    joint = counts / counts.sum()
    words = joint.sum(1, keepdims=True)
    contexts = counts.sum(0, keepdims=True) ** smoothing
    expected = words * (contexts / contexts.sum())
    ratio = np.divide(joint, expected, out=np.zeros_like(joint), where=counts > 0)
    return np.maximum(0.0, np.log(ratio, out=np.zeros_like(ratio), where=ratio > 0))
