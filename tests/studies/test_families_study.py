"""Three families: the verdict in each direction, and the study in small."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from regard.errors import DataError
from regard.studies import families
from regard.studies.families import QUICK, STUDY, run, verdict
from regard.studies.frame.page import write
from regard.studies.frame.study import Order
from regard.studies.text_tasks.measures import Nats, word_frequency_nats
from regard.studies.text_tasks.shown import Outcome
from regard.studies.text_tasks.texts import tokenizer_of
from regard.studies.text_tasks.three_tasks import EXCHANGED, WRITTEN, Material, exchanged, of_corpus

RIGHT, TOSSED, WRONG = np.ones(100), np.array([0.0, 1.0] * 50), np.zeros(100)


REFERENCES = [f"a{i} b{i} c{i} d{i} e{i}" for i in range(30)]
ANYTHING = ["it is always the same"] * 30
ANOTHERS = [REFERENCES[-1], *REFERENCES[:-1]]  # each is what the next one wants


def outcome(hits: np.ndarray, nats: float, translations: list[str] = REFERENCES) -> Outcome:
    return Outcome(1, [hits], [Nats(np.full(60, nats), np.full(60, 10))], [translations])


@pytest.mark.parametrize(
    ("encoder", "decoder", "both", "held"),
    [
        (outcome(RIGHT, 50.0), outcome(TOSSED, 20.0), outcome(RIGHT, 20.0), True),
        (outcome(TOSSED, 50.0), outcome(RIGHT, 20.0), outcome(RIGHT, 20.0), None),
        (outcome(RIGHT, 50.0), outcome(RIGHT, 50.0), outcome(RIGHT, 20.0), None),
        (outcome(RIGHT, 20.0), outcome(RIGHT, 50.0), outcome(RIGHT, 20.0), False),
        (outcome(WRONG, 50.0), outcome(RIGHT, 20.0), outcome(RIGHT, 20.0), False),
        (outcome(RIGHT, 50.0), outcome(RIGHT, 20.0), outcome(WRONG, 20.0), False),
        (outcome(RIGHT, 50.0), outcome(RIGHT, 20.0, ANYTHING), outcome(RIGHT, 20.0), True),
        (outcome(RIGHT, 50.0), outcome(RIGHT, 20.0), outcome(RIGHT, 20.0, ANYTHING), None),
        (outcome(RIGHT, 50.0), outcome(RIGHT, 20.0), outcome(RIGHT, 20.0, ANOTHERS), False),
    ],
)
def test_the_claim_holds_where_each_is_surely_good_at_its_own(encoder, decoder, both, held):
    assert verdict(encoder, decoder, both, TOSSED, REFERENCES) is held


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
    pairs = [(f"the {a} sees the {b}", f"{a} sieht {b}") for a in "abcd" for b in "efgh"]
    sides = [source for source, _ in pairs], [target for _, target in pairs]
    tokenizer = tokenizer_of([*sides[0], *sides[1]])
    labels = ("animal", "person")
    labelled = [(text, labels[number % 2]) for number, text in enumerate(sides[0])]
    ids = tokenizer.encode_batch(sides[0]), tokenizer.encode_batch(sides[1])
    return Material("few", "who acts", labels, labelled, labelled[:6], ids, pairs[:5], tokenizer)


def test_every_second_text_has_two_neighbours_exchanged_but_not_the_first_or_last_word():
    found = exchanged(["A b c d e."] * 9 + ["A b b e.", "A b c.", ""], 40, seed=1)
    assert [label for _, label in found] == [WRITTEN, EXCHANGED] * 4 + [WRITTEN]
    assert {text for text, label in found if label == WRITTEN} == {"A b c d e."}
    assert {text for text, label in found if label == EXCHANGED} == {"A c b d e.", "A b d c e."}
    assert len(exchanged(["A b c d e."] * 9, 4, seed=1)) == 4


@pytest.fixture
def own(tmp_path: Path) -> Order:
    """A corpus of one's own, of 220 pairs and one too long."""
    (tmp_path / "a.txt").write_text("".join(f"we see number {n} here\n" for n in range(220)) + "word " * 190 + "\n")
    (tmp_path / "b.txt").write_text("".join(f"wir sehen Nummer {n} hier\n" for n in range(220)) + "Wort " * 190 + "\n")
    return Order(quick=True, source=tmp_path / "a.txt", target=tmp_path / "b.txt")


def test_a_corpus_of_ones_own_is_asked_the_same(monkeypatch, own: Order, tmp_path: Path):
    steps = {"classes": 2, "writing": 2, "translation": 2}
    monkeypatch.setattr(families, "QUICK", replace(QUICK, width=16, steps=steps, batch_tokens=128, test_texts=10))
    STUDY.check(own)
    found = run(own)
    write(STUDY, found, tmp_path / "page")
    assert found.settings["material"] == "a.txt to b.txt"
    assert "tell whether two of its words were exchanged in" in found.sentence
    held_out = of_corpus(own, 1000, 1000)
    assert all(len(source) < 90 for source in held_out.pairs[0])
    assert not {text for text, _ in held_out.labelled} & {text for text, _ in held_out.asked}


def test_a_corpus_without_spaces_is_refused(own: Order):
    own.source.write_text("".join(f"第{n}行\n" for n in range(221)))
    with pytest.raises(DataError, match=r"got 0 of them to test with; expected lines of 4 words or more with spaces"):
        of_corpus(own, 100, 100)
