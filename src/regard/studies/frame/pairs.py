"""Sentence pairs in memory, with their tokenizers: what the arms of a study learn from, all of them alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice
from pathlib import Path

import numpy as np

from regard.data.batching import batch_of, plan_batches
from regard.data.builtin import sample
from regard.data.corpus import read_pairs
from regard.data.tokenizers.tokenizer import Tokenizer, TokenizerSettings, train_tokenizer
from regard.errors import DataError
from regard.models.vocabulary import Vocabulary, own_vocabulary
from regard.studies.frame.study import Order
from regard.training.loop import Feed

Pair = tuple[str, str]
Ids = list[list[int]]
LONGEST = 200  # tokens; longer pairs of a user's corpus are left out
PIECES = 5000  # of a user's corpus
LEAST_PAIRS = 200
TEST_PAIRS = 500  # held out of a user's corpus, at most a tenth of it
MOST_PAIRS = 200_000  # read of a user's corpus


@dataclass(frozen=True)
class SentencePairs:
    """Pairs to learn from and pairs to test with, and one tokenizer for both sides or one each."""

    name: str
    train: Sequence[Pair]
    test: Sequence[Pair]
    source: Tokenizer
    target: Tokenizer

    @property
    def vocabulary(self) -> Vocabulary:
        """The ids of a model for these pairs."""
        return own_vocabulary(self.source.size, self.target.size, shared=self.source is self.target)

    @property
    def sources(self) -> list[str]:
        """What is to be translated in the test."""
        return [source for source, _ in self.test]

    @property
    def references(self) -> list[str]:
        """And how."""
        return [target for _, target in self.test]

    @cached_property
    def train_ids(self) -> tuple[Ids, Ids]:
        """The training pairs as ids, without ``</s>``."""
        return self.encoded(self.train)

    def encoded(self, pairs: Sequence[Pair]) -> tuple[Ids, Ids]:
        """Pairs as ids, without ``</s>``."""
        sources, targets = [source for source, _ in pairs], [target for _, target in pairs]
        return self.source.encode_batch(sources), self.target.encode_batch(targets)

    def feed(self, batch_tokens: int, seed: int) -> Feed:
        """The training pairs as the loop wants them: in an order that (seed, epoch) decides."""
        sources, targets = self.train_ids
        lengths = np.array([[len(source), len(target)] for source, target in zip(sources, targets, strict=True)])
        ids = self.vocabulary
        pads = (self.source.size - 1, self.target.size - 1)
        return Feed(
            epoch=lambda epoch: plan_batches(lengths, batch_tokens, seed, epoch),
            collate=lambda rows: batch_of([sources[i] for i in rows], [targets[i] for i in rows], pads, ids.eos),
        )

    def testing(self, test: Sequence[Pair]) -> SentencePairs:
        """The same with other pairs to test with."""
        return replace(self, test=test)


def pairs_of(order: Order) -> SentencePairs:
    """The pairs that an order names, in 5,000 joint pieces; or those built in, in whole words.

    Raises DataError for a corpus that cannot be read or is too small.
    """
    if order.source is None or order.target is None:
        splits = sample.splits()
        train, test = ([(one.english, one.german) for one in splits[split]] for split in ("train", "test"))
        return with_tokenizers("built in, English to German", train, test, TokenizerSettings("word"))
    train, test = _of_files(order.source, order.target)
    name = f"{order.source.name} to {order.target.name}"
    return with_tokenizers(name, train, test, TokenizerSettings("bpe", PIECES))


def with_tokenizers(
    name: str, train: Sequence[Pair], test: Sequence[Pair], settings: TokenizerSettings
) -> SentencePairs:
    """Learn the tokenizers from the training pairs; pairs too long for a study are left out."""
    sources, targets = ([pair[side] for pair in train] for side in (0, 1))
    source = train_tokenizer(chain(sources, targets) if settings.joint else sources, settings)
    target = source if settings.joint else train_tokenizer(targets, settings)
    kept = [
        pair
        for pair, *ids in zip(train, source.encode_batch(sources), target.encode_batch(targets), strict=True)
        if all(0 < len(side) <= LONGEST for side in ids)
    ]
    return SentencePairs(name, kept, test, source, target)


def _of_files(source: Path, target: Path) -> tuple[list[Pair], list[Pair]]:
    """Every so-manieth pair is for testing."""
    found = [(one, two) for one, two in islice(read_pairs(source, target), MOST_PAIRS) if one.strip() and two.strip()]
    if len(found) < LEAST_PAIRS:
        expected, action = f"at least {LEAST_PAIRS} pairs of lines", "give a larger corpus, or none"
        raise DataError.because(source, f"{len(found)} pairs", expected, action)
    every = max(10, len(found) // TEST_PAIRS)
    tested = set(found[::every])
    return [pair for pair in found if pair not in tested], list(dict.fromkeys(found[::every]))


def joined(pairs: Sequence[Pair], counts: Sequence[int], seed: int = 1, many: int | None = None) -> list[Pair]:
    """``many`` longer texts, each of several pairs in a row, whose number is drawn from ``counts``: long inputs."""
    generator = np.random.default_rng(seed)
    texts = []
    for _ in range(len(pairs) if many is None else many):
        drawn = generator.integers(len(pairs), size=int(generator.choice(np.array(counts))))
        texts.append((" ".join(pairs[i][0] for i in drawn), " ".join(pairs[i][1] for i in drawn)))
    return texts
