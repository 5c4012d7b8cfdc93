"""Longer texts: the verdict in every direction, the learned table, and the study in small."""

from __future__ import annotations

from dataclasses import replace

import pytest

from regard.models.vocabulary import own_vocabulary
from regard.studies import longer
from regard.studies.frame.page import write
from regard.studies.frame.study import Order
from regard.studies.frame.verdict import Difference
from regard.studies.longer import QUICK, run, verdict


@pytest.mark.parametrize(
    ("change", "inside", "held"),
    [
        (Difference(-0.4, True, "", -0.5, -0.3), 0.99, False),
        (Difference(-0.01, True, "", -0.02, -0.005), 0.99, True),
        (Difference(0.01, True, "", 0.005, 0.02), 0.99, True),
        (Difference(-0.04, False, "", -0.3, 0.2), 0.99, None),
        (Difference(-0.1, True, "", -0.15, -0.04), 0.99, None),
        (Difference(-0.4, True, "", -0.5, -0.3), 0.5, None),
        (Difference(0.0, False, "", -0.01, 0.01), 0.5, None),
    ],
)
def test_the_claim_holds_where_as_much_is_copied_beyond_and_copying_was_learnt(change, inside, held):
    assert verdict(change, inside) is held


def test_the_learned_table_has_places_for_every_text_and_whatever_a_translation_may_add():
    model = longer._arm(QUICK, "learned").build(own_vocabulary(40, 40, shared=True))
    assert model.most_tokens > 2 * max(QUICK.tested)


def test_the_texts_of_training_end_where_the_settings_say_and_words_are_the_same():
    pairs = longer._pairs(replace(QUICK, many=300), 1)
    assert max(len(source.split()) for source, _ in pairs.train) == QUICK.trained
    assert len({word for source, _ in pairs.train for word in source.split()}) == QUICK.words
    assert [len(source.split()) for source in pairs.sources] == [n for n in QUICK.tested for _ in range(QUICK.texts)]


def test_the_study_in_small_says_what_its_numbers_say(monkeypatch, tmp_path):
    tiny = replace(
        QUICK,
        positions=("sinusoid", "alibi"),
        model={**QUICK.model, "d_model": 8, "d_ff": 8, "heads": 2},
        tested=(2, 8, 12),
        beyond=(12,),
        texts=2,
        many=40,
        steps=2,
    )
    monkeypatch.setattr(longer, "QUICK", tiny)
    found = run(Order(quick=True))
    words = found.numbers["words copied"]["sinusoid"]
    assert f"{(words[2] + words[8]) / 2:.1f} % of the words of texts as long as those of training" in found.sentence
    assert f"{words[12]:.1f} % of texts of 12 to 12 words" in found.sentence
    assert found.numbers["beyond minus inside"]["sinusoid"]["value"] == pytest.approx(
        (words[12] - (words[2] + words[8]) / 2) / 100
    )
    assert found.held is None
    write(longer.STUDY, found, tmp_path)
    assert (tmp_path / "longer.png").is_file()
