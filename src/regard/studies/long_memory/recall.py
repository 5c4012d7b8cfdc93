"""Texts that begin with one of a few words, which is to be told at their end: of the built-in data, or a file's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np
import torch

from regard.data.batching import LabelledBatch
from regard.data.builtin import sample
from regard.data.corpus import read_lines
from regard.errors import DataError
from regard.evaluation.summaries import unicode_words
from regard.training.loop import Feed

TEST_TEXTS = 256
MOST_LINES, MOST_WORDS = 50_000, 5000  # that are read of a file, and that its texts are made of
TESTED = 10  # every so-manieth line
LEAST_TRAIN, LEAST_TEST = 320, 32  # texts
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


def of_file(path: Path, length: int, answers: int) -> Texts:
    """The lines of a file in words, every tenth to test with; all but the most frequent words are left out.

    Raises DataError where that is too little for texts of ``length`` words that begin with one of ``answers``.
    """
    lines = [unicode_words(line.lower()) for line in islice(read_lines(path), MOST_LINES)]
    train, test = [line for number, line in enumerate(lines) if number % TESTED], lines[::TESTED]
    frequent = {word for word, _ in Counter(chain.from_iterable(train)).most_common(MOST_WORDS)}
    found = {
        part: [[word for word in line if word in frequent] for line in of]
        for part, of in (("train", train), ("test", test))
    }
    many = [sum(map(len, found[part])) for part in ("train", "test")]
    if many[0] < LEAST_TRAIN * length or many[1] < LEAST_TEST * length or len(frequent) < answers:
        got = f"{many[0]} words to learn from and {many[1]} to test with, {len(frequent)} different ones"
        expected = f"at least {LEAST_TRAIN * length}, {LEAST_TEST * length} and {answers}"
        raise DataError.because(path, got, expected, "give a longer text, or none")
    return found


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
