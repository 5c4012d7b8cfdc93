"""Longer texts: the verdict in every direction, the learned table, and the study in small."""

from __future__ import annotations

from dataclasses import replace

import pytest

from regard.data.tokenizers.tokenizer import TokenizerSettings
from regard.errors import DataError
from regard.models.vocabulary import own_vocabulary
from regard.studies import longer
from regard.studies.by_length.beyond import JUDGED, beyond_training, change
from regard.studies.by_length.bleu import counted
from regard.studies.by_length.buckets import Bucket
from regard.studies.frame.page import write
from regard.studies.frame.pairs import SentencePairs, with_tokenizers
from regard.studies.frame.study import Order
from regard.studies.frame.verdict import Difference
from regard.studies.longer import QUICK, run, verdict


@pytest.mark.parametrize(
    ("lost", "learnt", "held"),
    [
        (Difference(-0.4, True, "", -0.5, -0.3), True, False),
        (Difference(-0.01, True, "", -0.02, -0.005), True, True),
        (Difference(0.01, True, "", 0.005, 0.02), True, True),
        (Difference(-0.04, False, "", -0.3, 0.2), True, None),
        (Difference(-0.1, True, "", -0.15, -0.04), True, None),
        (Difference(-0.4, True, "", -0.5, -0.3), False, None),
        (Difference(0.0, False, "", -0.01, 0.01), False, None),
        (Difference(-0.4, False, "one seed"), True, None),
    ],
)
def test_the_claim_holds_where_hardly_anything_is_lost_beyond_and_the_task_was_learnt(lost, learnt, held):
    assert verdict(lost, learnt) is held


def test_the_learned_table_has_places_for_every_text_and_whatever_a_translation_may_add():
    model = longer._arm(QUICK, "learned", QUICK.model, 64, max(QUICK.tested)).build(own_vocabulary(40, 40, shared=True))
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


DIGITS = ["null", "eins", "zwei", "drei", "vier"]


@pytest.fixture(scope="module")
def spelt() -> SentencePairs:
    """Digits spelt out, in texts of 2 to 6."""
    numbers = [[(7 * i + 3 * j * i + j) % 5 for j in range(2 + i % 5)] for i in range(330)]
    pairs = [(" ".join(map(str, row)), " ".join(DIGITS[digit] for digit in row)) for row in numbers]
    return with_tokenizers("counting", pairs[:300], pairs[300:], TokenizerSettings("word"))


def test_no_text_of_training_is_longer_than_those_inside_and_the_control_s_are_of_all_lengths(spelt):
    found = beyond_training(spelt, 12, seed=1)
    lengths = [len(source.split()) for source, _ in found.short.train]
    assert max(lengths) == found.trained == 10  # of one or two in a row: 2 to 12 digits
    assert found.trained < max(len(source.split()) for source, _ in found.whole.train) <= found.longest == 30
    assert len(found.whole.train) == len(found.short.train)
    assert found.short.test == found.whole.test
    assert [one.name for one in found.buckets] == ["1–5", "6–10", "11–15", "16–20", "21–30"]
    for one in found.buckets:
        low, high = map(int, one.name.split("–"))
        assert all(low <= len(found.short.test[row][0].split()) <= high for row in one.rows)
    assert found.buckets[JUDGED].name == "16–20"
    train = set(" ".join(source for source, _ in spelt.train).split())
    assert train == set("01234")


def test_lines_too_long_to_fill_the_buckets_are_refused(spelt):
    long = [("1 " * 150, "eins " * 150)] * 20
    with pytest.raises(
        DataError,
        match=r"counting: got 0 texts of 0 to 5 tokens; expected at least 10 from .*; give a corpus of shorter lines",
    ):
        beyond_training(replace(spelt, test=long), 12, seed=1)


def test_what_is_lost_is_a_share_of_the_control_s_bleu():
    references = [f"a{i} b{i} c{i} d{i} e{i}" for i in range(20)]
    whole = counted(references, references)
    half = counted([one if i % 2 else "x y z u v" for i, one in enumerate(references)], references)
    bucket = Bucket("", range(0, 20), 5.0)
    one = change([whole], [half], bucket)
    assert one.value == pytest.approx(-0.5)  # half of the n-grams of each order are found, so BLEU is 50
    assert one.sure
    assert one.low < -0.5 < one.high
    several = change([whole, whole], [half, whole], bucket)
    assert several.value == pytest.approx(-0.25)
    assert not several.sure


def test_a_corpus_is_translated_by_every_kind_and_by_the_control(monkeypatch, spelt, tmp_path):
    model = {**QUICK.model, "d_model": 8, "d_ff": 8, "heads": 2}
    tiny = replace(QUICK, positions=("sinusoid", "learned"), model=model, texts=10, steps=2, corpus_tokens=64)
    monkeypatch.setattr(longer, "QUICK", tiny)
    monkeypatch.setattr(longer, "pairs_of", lambda order: spelt)
    order = Order(quick=True, source=tmp_path / "a", target=tmp_path / "b")
    longer.STUDY.check(order)
    found = run(order)
    assert list(found.numbers["bleu"]) == ["sinusoid", "learned", longer.CONTROL]
    bleu = found.numbers["bleu"]["sinusoid"]["16–20"][0]
    assert f"and {bleu:.1f} on texts of 16–20" in found.sentence
    assert found.held is None
    assert found.settings["pairs"] == "counting"
    write(longer.STUDY, found, tmp_path / "page")
