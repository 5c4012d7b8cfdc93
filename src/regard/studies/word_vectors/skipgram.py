"""Vectors by learning: skip-gram with negative sampling (Mikolov et al. 2013, "Distributed Representations …").

A word's vector u shall tell which words c stand near it, against words n drawn at random:

    loss = −log σ(u·v_c) − Σ_n log σ(−u·v_n)

Each word looks at a window of 1 to ``window`` words, drawn anew each time, so that near ones count more; frequent words
are left out at random with probability 1 − √(subsample / frequency); the n are drawn in proportion to count^0.75.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from regard.config import setting
from regard.errors import SettingError
from regard.studies.frame.threads import one_thread
from regard.studies.word_vectors.corpus import Corpus, pairs_at


@dataclass(frozen=True)
class SkipGram:
    """How skip-gram learns."""

    dimensions: int = setting(32, help="numbers in a word's vector", minimum=2)
    window: int = setting(3, help="how many words away a word still counts as near", minimum=1)
    negatives: int = setting(5, help="words drawn at random for each true pair", minimum=1)
    epochs: int = setting(5, help="passes over the text", minimum=1)
    batch: int = setting(1024, help="pairs of words in one update", minimum=1)
    learning_rate: float = setting(0.01, help="Adam's step, which falls linearly to nothing", minimum=0.0)
    subsample: float = setting(0.001, help="from this share of the text on, a word is left out at times", minimum=0.0)
    smoothing: float = setting(0.75, help="power of the counts from which negatives are drawn", minimum=0.0)

    def __post_init__(self) -> None:
        if self.subsample == 0 or self.learning_rate == 0:
            name = "subsample" if self.subsample == 0 else "learning_rate"
            raise SettingError.because(name, "0", "a number above nothing", "use the default")


def skip_gram(corpus: Corpus, settings: SkipGram, seed: int) -> np.ndarray:
    """The learned vectors [V D], on one thread: the same for the same seed."""
    draw = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    size = len(corpus.words), settings.dimensions
    words = ((torch.rand(size, generator=generator) - 0.5) / settings.dimensions).requires_grad_()
    contexts = torch.zeros(size, requires_grad=True)
    optimizer = torch.optim.Adam([words, contexts], lr=settings.learning_rate)
    noise = torch.from_numpy(corpus.counts**settings.smoothing)
    with one_thread():  # more would add in another order, and be slower for matrices as small as these
        for epoch in range(settings.epochs):
            centres, near = _pairs(corpus, settings, draw)
            for start in range(0, len(centres), settings.batch):
                done = (epoch + start / len(centres)) / settings.epochs
                optimizer.param_groups[0]["lr"] = settings.learning_rate * (1 - done)
                centre, context = (part[start : start + settings.batch] for part in (centres, near))
                drawn = torch.multinomial(
                    noise, len(centre) * settings.negatives, replacement=True, generator=generator
                )
                targets = torch.cat([context[:, None], drawn.view(len(centre), -1)], dim=1)
                scores = torch.einsum("bd,bnd->bn", words[centre], contexts[targets])
                scores = torch.cat([scores[:, :1], -scores[:, 1:]], dim=1)
                optimizer.zero_grad()
                (-functional.logsigmoid(scores).sum() / len(centre)).backward()
                optimizer.step()
    return words.detach().double().numpy()


def _pairs(corpus: Corpus, settings: SkipGram, draw: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """One epoch's pairs (word, word near it) in random order."""
    frequency = corpus.counts / corpus.counts.sum()
    kept = draw.random(len(corpus.ids)) < np.sqrt(settings.subsample / np.maximum(frequency, 1e-12))[corpus.ids]
    ids, sentences = corpus.ids[kept], corpus.sentences[kept]
    reach = draw.integers(1, settings.window + 1, size=len(ids))
    centres, near = [], []
    for distance in range(1, settings.window + 1):
        first = pairs_at(ids, sentences, distance)
        for here, there in ((first, first + distance), (first + distance, first)):
            wide = reach[here] >= distance
            centres.append(ids[here[wide]])
            near.append(ids[there[wide]])
    centre, context = np.concatenate(centres), np.concatenate(near)
    order = draw.permutation(len(centre))
    return torch.from_numpy(centre[order]), torch.from_numpy(context[order])
