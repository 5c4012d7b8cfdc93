"""Three families: the verdict in each direction, and the study in small."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from regard.data.builtin import sample
from regard.studies import families
from regard.studies.families import QUICK, Material, Outcome, run, verdict, word_frequency_nats
from regard.studies.frame.study import Order
from regard.studies.text_tasks.measures import Nats
from regard.studies.text_tasks.texts import tokenizer_of

RIGHT, TOSSED, WRONG = np.ones(100), np.array([0.0, 1.0] * 50), np.zeros(100)


def outcome(hits: np.ndarray, nats: float) -> Outcome:
    return Outcome(1, [hits], [Nats(np.full(60, nats), np.full(60, 10))])


@pytest.mark.parametrize(
    ("encoder", "decoder", "both", "held"),
    [
        (outcome(RIGHT, 50.0), outcome(TOSSED, 20.0), outcome(RIGHT, 20.0), True),
        (outcome(TOSSED, 50.0), outcome(RIGHT, 20.0), outcome(RIGHT, 20.0), None),
        (outcome(RIGHT, 50.0), outcome(RIGHT, 50.0), outcome(RIGHT, 20.0), None),
        (outcome(RIGHT, 20.0), outcome(RIGHT, 50.0), outcome(RIGHT, 20.0), False),
        (outcome(WRONG, 50.0), outcome(RIGHT, 20.0), outcome(RIGHT, 20.0), False),
        (outcome(RIGHT, 50.0), outcome(RIGHT, 20.0), outcome(WRONG, 20.0), False),
    ],
)
def test_the_claim_holds_where_each_is_surely_good_at_its_own(encoder, decoder, both, held):
    assert verdict(encoder, decoder, both, TOSSED) is held


def test_word_frequencies_are_counts_plus_one():
    found = word_frequency_nats([[5, 5, 6]], [[5, 6], [7]])
    # two kinds of tokens, three of them, and one share for all others: 3 + 2 + 1
    assert np.allclose(found.nats, [-np.log(3 / 6) - np.log(2 / 6), -np.log(1 / 6)])
    assert found.tokens.tolist() == [2, 1]


def test_every_family_is_asked_what_it_can(monkeypatch):
    steps = {"classes": 2, "writing": 2, "translation": 2}
    monkeypatch.setattr(families, "QUICK", replace(QUICK, width=16, steps=steps, batch_tokens=128))
    monkeypatch.setattr(families, "_material", lambda order, settings: few())
    found = run(Order(quick=True))
    encoder, decoder, both, nothing = found.numbers.values()
    assert encoder["bleu"] == []
    assert len(decoder["bleu"]) == len(both["bleu"]) == 1
    assert len(encoder["accuracy"]) == len(encoder["nats_per_word"]) == 1
    assert [picture.name for picture in found.pictures] == ["classes", "writing", "translation"]
    assert f"{nothing['nats_per_word']:.2f}" in found.sentence
    assert found.tables[0].rows[0][-1] == "—"


def few() -> Material:
    pairs = [sample.Pair(f"the {a} sees the {b}", f"{a} sieht {b}") for a in "abcd" for b in "efgh"]
    sides = [pair.english for pair in pairs], [pair.german for pair in pairs]
    tokenizer = tokenizer_of([*sides[0], *sides[1]])
    labelled = [(text, families.LABELS[number % 2]) for number, text in enumerate(sides[0])]
    ids = tokenizer.encode_batch(sides[0]), tokenizer.encode_batch(sides[1])
    return Material(labelled, labelled[:6], ids, pairs[:5], tokenizer)
