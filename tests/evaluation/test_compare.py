from __future__ import annotations

import json
import math

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from regard.errors import DataError
from regard.evaluation.compare import (
    Compared,
    Entry,
    Facts,
    LabelRow,
    TextRow,
    compare,
    compare_labels,
    macro_f1,
    macro_f1_interval,
)
from regard.evaluation.interval import wilson
from regard.evaluation.perplexity import Perplexity
from regard.evaluation.translation import against, score

REFERENCES = [f"the dog number {i} sees the cat number {i + 1} today" for i in range(40)]
BETTER = [line if i % 5 else "no idea" for i, line in enumerate(REFERENCES)]
WORSE = [line if i % 2 else "no idea" for i, line in enumerate(REFERENCES)]
KNOWN = Facts("worse", "rnn", 1234567, 61.4, 5555.5)
SURPRISE = Perplexity(math.log(5.394), 20, 10)


def test_rows_hold_each_systems_own_scores_and_the_test_against_the_first():
    entries = [Entry(KNOWN, WORSE, SURPRISE), Entry(Facts("better"), BETTER)]
    first, second = compare(entries, REFERENCES, bootstrap=200)
    assert isinstance(first, Compared)
    assert first.bleu == score(WORSE, REFERENCES, bootstrap=200).bleu
    assert second.chrf == score(BETTER, REFERENCES, bootstrap=200).chrf
    assert first.bleu.score == pytest.approx(BLEU().corpus_score(WORSE, [REFERENCES]).score)
    assert second.chrf.score == pytest.approx(CHRF().corpus_score(BETTER, [REFERENCES]).score)
    assert (first.delta, first.p_value) == (None, None)
    test = against(WORSE, BETTER, REFERENCES, bootstrap=200).bleu
    assert (second.delta, second.p_value) == (test.delta, test.p_value)
    assert second.delta == pytest.approx(second.bleu.score - first.bleu.score)
    assert test.significant
    assert first.measures["BLEU"].value == first.bleu.score
    assert first.bleu.mean is not None
    assert first.measures["BLEU"].low + first.measures["BLEU"].high == pytest.approx(2 * first.bleu.mean)


def test_the_order_of_the_systems_turns_only_the_sign_and_oneself_is_no_better():
    one, other = Entry(Facts("one"), WORSE), Entry(Facts("other"), BETTER)
    forth, back = (
        compare([one, other, one], REFERENCES, bootstrap=200),
        compare([other, one], REFERENCES, bootstrap=200),
    )
    assert forth[1].delta == -back[1].delta > 0
    assert forth[1].p_value == back[1].p_value
    assert (forth[2].delta, forth[2].p_value) == (0, 1)
    assert [row.facts.name for row in forth] == ["one", "other", "one"]


def test_buckets_of_length_are_those_that_a_hand_would_make():
    references = ["a b c d e", "f g h i j", "k l m n o", "p q r s t"]
    found = ["a b c d e", "f g h i x", "k l m n o", "no idea"]
    (row,) = compare([Entry(Facts("one"), found)], references, [3, 4, 5, 9], edges=(3, 5), bootstrap=0)
    assert [(one.shortest, one.longest, one.lines) for one in row.by_length] == [(1, 3, 1), (4, 5, 2), (6, None, 1)]
    # 1 to 4 grams of "f g h i x k l m n o" found: 9 of 10, 7 of 8, 5 of 6, 3 of 4
    middle = 100 * math.prod((9 / 10, 7 / 8, 5 / 6, 3 / 4)) ** (1 / 4)
    assert [one.bleu for one in row.by_length] == pytest.approx([100, middle, 0])
    assert row.to_dict()["by_length"][1]["lines"] == 2


def test_the_tokenizer_and_case_reach_bleu_everywhere():
    hypotheses = [line.upper() for line in REFERENCES]
    entries = [Entry(Facts("one"), WORSE), Entry(Facts("other"), hypotheses)]
    _, row = compare(entries, REFERENCES, [1] * 40, tokenize="char", lowercase=True, bootstrap=100)
    assert "case:lc" in row.bleu.signature
    assert "tok:char" in row.bleu.signature
    assert (row.bleu.score, row.by_length[0].bleu) == (100, 100)
    assert row.delta > 0


def test_cells_say_what_is_known_and_the_unknown_is_empty():
    entries = [Entry(KNOWN, WORSE, SURPRISE), Entry(Facts("right"), REFERENCES)]
    first, second = compare(entries, REFERENCES, bootstrap=100)
    assert first.facts.cells() == {"family": "rnn", "parameters": "1,234,567", "seconds": "61", "tokens/s": "5,556"}
    assert set(second.facts.cells("texts").values()) == {""}
    assert "texts/s" in second.facts.cells("texts")
    cells = first.cells()
    assert (cells["perplexity"], cells["Δ BLEU"], cells["p"]) == ("5.39", "", "")
    assert cells["nats/word"] == "3.371"  # 20 tokens of ln 5.394 = 1.68529 nats among 10 words
    cells = second.cells()
    assert (cells["perplexity"], cells["nats/word"]) == ("", "")
    assert cells["BLEU"] == "100.00 ± 0.00"
    assert cells["Δ BLEU"].startswith("+")
    assert compare(entries, REFERENCES, bootstrap=0)[1].cells()["BLEU"] == "100.00"


def test_rows_survive_json_even_where_a_perplexity_is_beyond_a_float():
    (row,) = compare([Entry(KNOWN, WORSE, Perplexity(800.0, 2, 1))], REFERENCES, bootstrap=100)
    found = json.loads(json.dumps(row.to_dict(), allow_nan=False))
    assert found["bleu"]["signature"] == row.bleu.signature
    assert (found["name"], found["family"], found["speed"]) == ("worse", "rnn", 5555.5)
    assert (found["perplexity"], found["nats_per_word"]) == (None, 1600)
    text = TextRow(KNOWN, Perplexity(800.0, 2, 1, 8), "next token")
    assert json.loads(json.dumps(text.to_dict(), allow_nan=False))["nats_per_byte"] == 200


def test_no_systems_and_unequal_lines_are_refused_by_name():
    with pytest.raises(DataError, match=r"^runs: got none; expected at least one to compare"):
        compare([], REFERENCES)
    with pytest.raises(
        DataError,
        match=r"^short: got 1 lines; expected as many as there are references \(40\); translate the same test set",
    ):
        compare([Entry(Facts("ok"), WORSE), Entry(Facts("short"), ["a"])], REFERENCES)


# Classifiers ---------------------------------------------------------------------------------------------------------

GOLD = ["a"] * 12 + ["b"] * 6 + ["c"] * 2
FIRST = ["a"] * 12 + ["a"] * 8
SECOND = ["a"] * 11 + ["b"] * 7 + ["a", "c"]


def test_classifiers_have_the_scores_of_scikit_learn_and_the_exact_test_of_scipy():
    rows = compare_labels([(Facts("one"), FIRST), (Facts("other"), SECOND)], GOLD, ["a", "b", "c"])
    for row, found in zip(rows, (FIRST, SECOND), strict=True):
        assert isinstance(row, Compared)
        hits = round(20 * accuracy_score(GOLD, found))
        assert row.accuracy == wilson(hits, 20)
        assert row.macro_f1.value == pytest.approx(f1_score(GOLD, found, average="macro", zero_division=0))
    first, second = rows
    assert (first.delta, first.p_value) == (None, None)
    # the first alone has 1 right (the twelfth), the second alone 7 (six of b, one of c)
    assert second.delta == pytest.approx(6 / 20)
    assert second.p_value == pytest.approx(binomtest(1, 8).pvalue) == pytest.approx(2 * (1 + 8) / 2**8)
    assert second.cells()["Δ accuracy"] == "+30.00"
    assert second.measures["accuracy, %"].value == pytest.approx(90)
    assert json.loads(json.dumps(second.to_dict()))["macro_f1"]["value"] == second.macro_f1.value


def test_a_classifier_is_not_better_than_itself():
    one = Facts("one"), SECOND
    assert [(row.delta, row.p_value) for row in compare_labels([one, one], GOLD, "abc")] == [(None, None), (0, 1)]


def test_macro_f1_of_every_resample_is_scikit_learn_s():
    """A slow twin: examples drawn one by one, F1 by scikit-learn."""
    classes = ["a", "b", "c", "never"]
    interval = macro_f1_interval(confusion_matrix(GOLD, SECOND, labels=classes), resamples=2000)
    chance, means = np.random.default_rng(0), []
    for _ in range(300):
        rows = chance.integers(20, size=20)
        gold, found = [GOLD[row] for row in rows], [SECOND[row] for row in rows]
        expected = f1_score(gold, found, labels=classes, average="macro", zero_division=0)
        assert macro_f1(confusion_matrix(gold, found, labels=classes)) == pytest.approx(expected)
        means.append(expected)
    assert [interval.low, interval.high] == pytest.approx(np.percentile(means, [2.5, 97.5]), abs=0.04)
    assert interval.low < interval.value < interval.high
    sure = macro_f1_interval([[5, 0], [0, 5]])
    assert (sure.value, sure.high) == (1, 1)


# Texts ---------------------------------------------------------------------------------------------------------------


def test_a_text_is_told_per_token_word_and_byte():
    row = TextRow(KNOWN, Perplexity(2.0, 30, 20, 60), "next token")
    assert isinstance(row, Compared)
    cells = row.cells()
    assert [cells[f"nats/{unit}"] for unit in ("token", "word", "byte")] == ["2.0000", "3.0000", "1.0000"]
    assert cells["perplexity"] == "7.39"
    assert {name: one.value for name, one in row.measures.items()} == {"nats per byte": 1, "nats per word": 3}
    hidden = TextRow(KNOWN, Perplexity(2.0, 30), "masked token")
    assert hidden.cells()["nats/word"] == ""
    assert list(hidden.measures) == ["nats per predicted token"]


def test_a_label_row_is_text_in_percent():
    row = LabelRow(KNOWN, wilson(3, 4), wilson(1, 2))
    assert row.cells()["accuracy, %"].startswith("75.00 (")
