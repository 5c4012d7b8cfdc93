"""What is learnt and asked by models of every kind: texts with classes, texts, and pairs; built in, or of a corpus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from regard.data.builtin import sample
from regard.data.tokenizers.tokenizer import Tokenizer
from regard.errors import DataError
from regard.studies.frame.pairs import Pair, pairs_of
from regard.studies.frame.study import Order
from regard.studies.text_tasks.kinds import LONGER, PLACES
from regard.studies.text_tasks.texts import Ids, tokenizer_of
from regard.studies.text_tasks.who_acts import ANIMAL, PERSON, Labelled, who_acts

WRITTEN, EXCHANGED = "as it was written", "two words exchanged"
PIECES = 5000
LEAST_WORDS = 4  # the first and the last of which stay where they are


@dataclass(frozen=True)
class Material:
    """``labelled`` texts tell ``tells``, which ``asked`` ask; sources are written on, and translated to targets."""

    name: str
    tells: str
    labels: tuple[str, str]
    labelled: Sequence[Labelled]
    asked: Sequence[Labelled]
    pairs: tuple[Ids, Ids]
    test: Sequence[Pair]
    tokenizer: Tokenizer

    @property
    def sources(self) -> list[str]:
        """What is to be foretold and to be translated in the test."""
        return [source for source, _ in self.test]

    @property
    def references(self) -> list[str]:
        """Its translations."""
        return [target for _, target in self.test]


def of_sample(labels: int, test_texts: int, seed: int) -> Material:
    """The built-in English and German, and who acts in a sentence."""
    splits = sample.splits()
    train, test = ([(pair.english, pair.german) for pair in splits[part]] for part in ("train", "test"))
    labelled, asked = who_acts("train", labels, seed), who_acts("test", test_texts, seed)
    tokenizer = tokenizer_of([*(side for pair in train for side in pair), *(text for text, _ in labelled)])
    return Material(
        "built in, English to German", "who acts", (ANIMAL, PERSON), labelled, asked,
        _ids(tokenizer, train), test[:test_texts], tokenizer,
    )  # fmt: skip


def of_corpus(order: Order, labels: int, test_texts: int) -> Material:
    """The pairs that an order names, and in which sources two words were exchanged.

    Pairs too long for the models are left out. Raises DataError for a corpus that is too small.
    """
    found = pairs_of(order)
    tokenizer = tokenizer_of((side for pair in found.train for side in pair), "bpe", PIECES)
    train, test = _short(tokenizer, found.train), _short(tokenizer, found.test)[:test_texts]
    labelled = exchanged([source for source, _ in train], labels, order.seed)
    asked = exchanged([source for source, _ in test], test_texts, order.seed + 1)
    if len(asked) < 2:
        expected = f"lines of {LEAST_WORDS} words or more with spaces between them, and at most {PLACES // 2} pieces"
        raise DataError.because(found.name, f"{len(asked)} of them to test with", expected, "give another corpus")
    tells = "whether two of its words were exchanged"
    return Material(found.name, tells, (WRITTEN, EXCHANGED), labelled, asked, _ids(tokenizer, train), test, tokenizer)


def exchanged(texts: Sequence[str], count: int, seed: int) -> list[Labelled]:
    """At most ``count`` of the texts, every second one with two neighbouring words exchanged (Conneau et al. 2018).

    Not the first and not the last word: capitals and full stops would tell. No word alone tells anything.
    """
    draw = np.random.default_rng(seed)
    found: list[Labelled] = []
    for text in texts:
        words = text.split()
        places = [i for i in range(1, len(words) - 2) if words[i] != words[i + 1]]
        if len(words) < LEAST_WORDS or not places or len(found) == count:
            continue
        label = (WRITTEN, EXCHANGED)[len(found) % 2]
        if label == EXCHANGED:
            place = int(draw.choice(places))
            words[place], words[place + 1] = words[place + 1], words[place]
        found.append((" ".join(words), label))
    return found


def _short(tokenizer: Tokenizer, pairs: Sequence[Pair]) -> list[Pair]:
    """Those that have place, one behind the other, in a decoder that may write LONGER pieces more."""
    sources, targets = _ids(tokenizer, pairs)
    room = PLACES - LONGER - 3
    return [
        pair
        for pair, source, target in zip(pairs, sources, targets, strict=True)
        if 0 < len(source) <= room // 2 and 0 < len(target) <= room - len(source)
    ]


def _ids(tokenizer: Tokenizer, pairs: Sequence[Pair]) -> tuple[Ids, Ids]:
    return tokenizer.encode_batch([one for one, _ in pairs]), tokenizer.encode_batch([two for _, two in pairs])
