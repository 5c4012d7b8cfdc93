from __future__ import annotations

import json
import random

import pytest
from scipy.stats import binomtest
from sklearn.metrics import classification_report, confusion_matrix, matthews_corrcoef

from regard.errors import DataError
from regard.evaluation.classification import classification, mcnemar

GOLD = ["cat", "cat", "dog", "dog", "dog", "cow"]
FOUND = ["cat", "dog", "dog", "dog", "cat", "dog"]


def test_scores_are_those_of_arithmetic_by_hand():
    found = classification(FOUND, GOLD)
    assert [one.label for one in found.classes] == ["cat", "cow", "dog"]
    cat, cow, dog = found.classes
    assert (cat.precision, cat.recall, cat.f1, cat.examples) == (1 / 2, 1 / 2, 1 / 2, 2)
    assert (cow.precision, cow.recall, cow.f1, cow.examples) == (0, 0, 0, 1)
    assert (dog.precision, dog.recall) == (2 / 4, 2 / 3)
    assert dog.f1 == pytest.approx(4 / 7)
    assert found.accuracy.value == found.micro_f1 == pytest.approx(3 / 6)
    assert found.macro_f1 == pytest.approx((1 / 2 + 0 + 4 / 7) / 3)
    assert found.confusion == (
        (1, 0, 1),
        (0, 0, 1),
        (1, 0, 2),
    )  # cat, cow, dog as they are; columns as they were called


def test_scores_are_scikit_learns_for_any_labels():
    rng = random.Random(4)
    gold, predicted = ([rng.choice("abcd") for _ in range(200)] for _ in range(2))
    report = classification_report(gold, predicted, output_dict=True)
    found = classification(predicted, gold)
    assert found.macro_f1 == pytest.approx(report["macro avg"]["f1-score"])
    assert found.accuracy.value == pytest.approx(report["accuracy"])
    assert found.micro_f1 == pytest.approx(found.accuracy.value)
    assert found.matthews == pytest.approx(matthews_corrcoef(gold, predicted))
    assert [list(row) for row in found.confusion] == confusion_matrix(gold, predicted).tolist()
    for one in found.classes:
        assert (one.precision, one.recall) == pytest.approx(
            (report[one.label]["precision"], report[one.label]["recall"])
        )


@pytest.mark.parametrize(("flip", "expected"), [({"a": "a", "b": "b"}, 1.0), ({"a": "b", "b": "a"}, -1.0)])
def test_the_correlation_of_matthews_is_one_where_all_is_right_and_minus_one_where_all_is_wrong(flip, expected):
    gold = ["a", "b", "b", "a", "b"]
    assert classification([flip[label] for label in gold], gold).matthews == pytest.approx(expected)


def test_the_order_of_the_examples_is_irrelevant():
    pairs = list(zip(FOUND, GOLD, strict=True))[::-1]
    assert classification([one for one, _ in pairs], [two for _, two in pairs]) == classification(FOUND, GOLD)


def test_classes_stand_in_the_order_that_was_asked_for_and_one_that_never_occurs_counts_as_zero():
    found = classification(["b", "a"], ["b", "a"], labels=["b", "a", "c"])
    assert [one.label for one in found.classes] == ["b", "a", "c"]
    assert found.macro_f1 == pytest.approx(2 / 3)
    assert "No example of c in the test set; their recall and F1 are 0." in found.notes


def test_one_class_alone_has_no_correlation():
    found = classification(["a", "a"], ["a", "a"])
    assert (found.accuracy.value, found.matthews, found.confusion) == (1.0, 0.0, ((2,),))


def test_scores_survive_json_and_stand_in_rows():
    found = classification(FOUND, GOLD)
    table = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert table["confusion"][0] == [1, 0, 1]
    assert table["accuracy"]["value"] == 0.5
    assert found.rows()[0] == ("accuracy", "50.00", "18.76–81.24")
    assert found.class_rows()[0] == ("cat", "50.00", "50.00", "50.00", "2")
    assert found.notes[0] == "The test set has 6 examples: few; see interval."


@pytest.mark.parametrize(("first_alone", "second_alone"), [(0, 0), (3, 3), (1, 9), (30, 12), (0, 5)])
def test_mcnemars_p_value_is_that_of_scipys_exact_binomial_test(first_alone: int, second_alone: int):
    gold = ["y"] * (first_alone + second_alone + 4)
    first = ["y"] * first_alone + ["n"] * second_alone + ["y", "y", "y", "n"]
    second = ["n"] * first_alone + ["y"] * second_alone + ["y", "y", "y", "n"]
    found = mcnemar(first, second, gold)
    differing = first_alone + second_alone
    expected = binomtest(first_alone, differing, 0.5).pvalue if differing else 1.0
    assert found.p_value == pytest.approx(expected, abs=1e-12)
    assert (found.only_first, found.only_second) == (first_alone, second_alone)
    assert found.delta == pytest.approx((second_alone - first_alone) / len(gold))
    assert found.significant == (expected < 0.05)
    assert json.loads(json.dumps(found.to_dict()))["significant"] == (expected < 0.05)
    assert found.rows()[0][0] == "accuracy"


def test_mcnemar_can_count_any_number_of_examples():
    assert mcnemar(["y"] * 5000, ["n"] * 5000, ["y"] * 5000).p_value == 0.0


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(DataError, match=r"^labels: got no examples; expected at least one"):
        classification([], [])
    with pytest.raises(DataError, match=r"^predictions: got 1 labels; expected as many as there are labels \(2\)"):
        classification(["a"], ["a", "b"])
    with pytest.raises(DataError, match=r"^label: got 'c'; expected one of a, b; correct it or name it too"):
        classification(["c"], ["a"], labels=["a", "b"])
    with pytest.raises(DataError, match=r"^second system: got 1 labels; expected as many as there are labels \(2\)"):
        mcnemar(["a", "a"], ["a"], ["a", "b"])
