"""Average precision: by hand, silent, and against a slow twin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from regard.errors import DataError
from regard.evaluation.detection import Truth, detection


@dataclass(frozen=True)
class Guessed:
    label: str
    score: float
    box: tuple[float, float, float, float]


HERE, THERE, ELSEWHERE = (0.0, 0.0, 10.0, 10.0), (50.0, 0.0, 60.0, 20.0), (80.0, 80.0, 99.0, 99.0)


def test_what_is_all_right_scores_one():
    true = [[Truth("cat", HERE), Truth("dog", THERE)], [Truth("cat", THERE)], []]
    found = [[Guessed(one.label, 0.9, one.box) for one in picture] for picture in true]
    scores = detection(found, true)
    assert (scores.ap, scores.ap50, scores.ap75) == pytest.approx((1.0, 1.0, 1.0))
    assert [(one.label, one.objects) for one in scores.classes] == [("cat", 2), ("dog", 1)]
    assert (scores.pictures, scores.objects) == (3, 3)


@pytest.mark.parametrize("found", [[], [Guessed("cat", 0.9, ELSEWHERE)], [Guessed("dog", 0.9, HERE)]])
def test_nothing_the_wrong_place_and_the_wrong_class_score_zero(found):
    scores = detection([found], [[Truth("cat", HERE)]], labels=["cat", "dog"])
    assert (scores.ap, scores.ap50, scores.ap75) == (0.0, 0.0, 0.0)


def test_half_of_the_objects_found_reach_half_of_the_recalls():
    """Of the recalls 0, 0.01 … 1 the 51 up to ½ have precision 1, the other 50 none."""
    scores = detection([[Guessed("cat", 0.9, HERE)]], [[Truth("cat", HERE), Truth("cat", THERE)]])
    assert scores.ap == pytest.approx(51 / 101)


def test_a_surer_mistake_halves_the_precision_and_a_less_sure_one_costs_nothing():
    true = [[Truth("cat", HERE)]]
    right = Guessed("cat", 0.5, HERE)
    assert detection([[Guessed("cat", 0.9, ELSEWHERE), right]], true).ap == pytest.approx(0.5)
    assert detection([[Guessed("cat", 0.1, ELSEWHERE), right]], true).ap == pytest.approx(1.0)


def test_the_same_object_found_twice_is_one_mistake():
    """The surer one is right; the second is wrong, and stands before the other object's: precisions 1 and ⅔."""
    found = [[Guessed("cat", 0.9, HERE), Guessed("cat", 0.8, HERE), Guessed("cat", 0.7, THERE)]]
    scores = detection(found, [[Truth("cat", HERE), Truth("cat", THERE)]])
    assert scores.ap == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)


def test_a_box_that_is_a_little_off_is_right_where_less_is_asked():
    """Shifted by 2 of 10 it shares 8 of 12: enough at 0.50, 0.55, 0.60 and 0.65."""
    scores = detection([[Guessed("cat", 0.9, (2.0, 0.0, 12.0, 10.0))]], [[Truth("cat", HERE)]])
    assert (scores.ap50, scores.ap75) == pytest.approx((1.0, 0.0))
    assert scores.ap == pytest.approx(0.4)
    barely = detection([[Guessed("cat", 0.9, (3.0, 0.0, 13.0, 10.0))]], [[Truth("cat", HERE)]])  # 7 of 13
    assert (barely.ap, barely.ap50) == pytest.approx((0.1, 1.0))


def test_the_mean_is_over_classes_not_objects():
    true = [[Truth("cat", HERE), Truth("cat", THERE), Truth("dog", ELSEWHERE)]]
    found = [[Guessed("cat", 0.9, HERE), Guessed("cat", 0.9, THERE)]]
    scores = detection(found, true, labels=["dog", "cat", "bird"])
    assert scores.ap == pytest.approx(0.5)
    assert [(one.label, one.ap) for one in scores.classes] == [
        ("dog", 0.0),
        ("cat", pytest.approx(1.0)),
        ("bird", None),
    ]
    assert scores.class_rows()[2] == ("bird", "–", "–", "–", "0")
    assert any("No object of bird" in note for note in scores.notes)


def test_who_finds_one_of_a_crowd_is_neither_right_nor_wrong():
    true = [[Truth("cat", HERE), Truth("cat", (50.0, 0.0, 90.0, 40.0), crowd=True)]]
    found = [[Guessed("cat", 0.9, THERE), Guessed("cat", 0.5, HERE)]]
    scores = detection(found, true)
    assert scores.ap == pytest.approx(1.0)
    assert scores.objects == 1


def test_nothing_is_printed(capfd):
    detection([[Guessed("cat", 0.9, HERE)]], [[Truth("cat", HERE)]])
    assert capfd.readouterr() == ("", "")


def slow_ap(found: list[list[Guessed]], true: list[list[Truth]], least: float) -> float:
    """One class, from the definition: guesses take the best object left, the surest guess first."""

    def overlap(one, other) -> float:
        sides = [max(0.0, min(one[i + 2], other[i + 2]) - max(one[i], other[i])) for i in (0, 1)]
        areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
        return sides[0] * sides[1] / (sum(areas) - sides[0] * sides[1])

    guesses = [(one.score, place, one.box) for place, picture in enumerate(found) for one in picture]
    left = [list(picture) for picture in true]
    total, hits, precisions, recalls = sum(map(len, true)), 0, [], []
    for number, (_, place, box) in enumerate(sorted(guesses, key=lambda guess: -guess[0]), start=1):
        best = max(left[place], key=lambda one: overlap(one.box, box), default=None)
        if best is not None and overlap(best.box, box) >= least:
            left[place].remove(best)
            hits += 1
        precisions.append(hits / number)
        recalls.append(hits / total)
    pairs = list(zip(precisions, recalls, strict=True))
    return float(np.mean([max((p for p, r in pairs if r >= at), default=0.0) for at in np.linspace(0, 1, 101)]))


def test_random_guesses_score_what_the_definition_says():
    random = np.random.default_rng(0)

    def boxes(count: int) -> list[tuple[float, ...]]:
        corner, side = random.uniform(0, 50, (count, 2)), random.uniform(5, 40, (count, 2))
        return [tuple(map(float, one)) for one in np.concatenate((corner, corner + side), 1)]

    true = [[Truth("cat", box) for box in boxes(count)] for count in (4, 0, 2, 6, 3)]
    found = []
    for picture in true:
        near = [tuple(np.array(one.box) + random.normal(0, 3, 4)) for one in picture]
        found.append([Guessed("cat", float(random.uniform()), tuple(map(float, box))) for box in near + boxes(2)])
    scores = detection(found, true)
    assert 0.1 < scores.ap < 0.9
    assert scores.ap50 == pytest.approx(slow_ap(found, true, 0.5), abs=1e-9)
    assert scores.ap75 == pytest.approx(slow_ap(found, true, 0.75), abs=1e-9)
    levels = [slow_ap(found, true, least) for least in np.linspace(0.5, 0.95, 10)]
    assert scores.ap == pytest.approx(np.mean(levels), abs=1e-9)


def test_the_scores_can_be_shown_and_written():
    scores = detection([[Guessed("cat", 0.9, (2.0, 0.0, 12.0, 10.0))]], [[Truth("cat", HERE)]])
    assert scores.rows() == [("AP", "40.00"), ("AP50", "100.00"), ("AP75", "0.00")]
    assert scores.class_rows() == [("cat", "40.00", "100.00", "0.00", "1")]
    table = scores.to_dict()
    assert table["ap"] == pytest.approx(0.4)
    assert table["classes"][0]["label"] == "cat"
    assert table["notes"] == ["The test set has 1 picture: few."]


@pytest.mark.parametrize(
    ("found", "true", "labels", "message"),
    [
        ([[]], [[]], None, r"boxes: got no true objects; expected at least one; give a test set that is not empty\."),
        ([], [[Truth("a", HERE)]], None, r"predictions: got 0 lists; expected as many as there are pictures \(1\);"),
        ([[]], [[Truth("a", HERE)]], ["b"], r"label: got 'a'; expected one of b; correct it or name it too\."),
    ],
)
def test_what_cannot_be_scored_is_named(found, true, labels, message):
    with pytest.raises(DataError, match=message):
        detection(found, true, labels=labels)
