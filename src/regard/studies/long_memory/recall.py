"""Texts of the built-in data that begin with one of a few words, which is to be told at their end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch

from regard.data.batching import LabelledBatch
from regard.data.builtin import sample
from regard.training.loop import Feed

TEST_TEXTS = 256
Texts = Mapping[str, Sequence[Sequence[str]]]  # "train" and "test"


@dataclass(frozen=True)
class Recall:
    """Windows of ``length`` words in a row, the first one replaced by one of ``answers``, drawn evenly."""

    vocabulary: int
    answers: int
    train: LabelledBatch
    test: LabelledBatch

    def feed(self, rows: int, seed: int) -> Feed:
        """All texts of training, shuffled in each epoch, ``rows`` at a time."""

        def epoch(number: int) -> list[np.ndarray]:
            order = np.random.default_rng((seed, number)).permutation(len(self.train.ids))
            return [order[first : first + rows] for first in range(0, len(order) - rows + 1, rows)]

        return Feed(epoch, lambda chosen: _batch(self.train.ids[chosen], self.train.labels[chosen]))


def built_in() -> Texts:
    """The built-in English, in words."""
    splits = sample.splits()
    return {part: [sample.words(pair.english.lower()) for pair in splits[part]] for part in ("train", "test")}


def recall(texts: Texts, length: int, answers: int) -> Recall:
    """Of these texts, whose ``answers`` most frequent words are those to recall: ids 0, 1, 2 … of all."""
    counts = Counter(chain.from_iterable(texts["train"]))
    ids = {
        word: number for number, (word, _) in enumerate(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    }
    train, test = (_windows(texts[part], ids, length, answers, seed) for seed, part in enumerate(("train", "test")))
    return Recall(len(ids), answers, train, _batch(test.ids[:TEST_TEXTS], test.labels[:TEST_TEXTS]))


def _windows(
    texts: Sequence[Sequence[str]], ids: Mapping[str, int], length: int, answers: int, seed: int
) -> LabelledBatch:
    stream = [ids[word] for word in chain.from_iterable(texts) if word in ids]
    windows = torch.tensor(stream[: len(stream) // length * length]).view(-1, length)
    labels = torch.from_numpy(np.random.default_rng(seed).integers(answers, size=len(windows)))
    windows[:, 0] = labels
    return _batch(windows, labels)


def _batch(ids: torch.Tensor, labels: torch.Tensor) -> LabelledBatch:
    return LabelledBatch(ids, torch.zeros_like(ids), labels, len(labels))
