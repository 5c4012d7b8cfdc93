"""The study of diversity in small: the rule, what may go, and that the sentence says what the numbers say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from regard.errors import DataError
from regard.evaluation.interval import Interval
from regard.studies import diversity
from regard.studies.diversity import QUICK, Grown, growth_of, held, mean_distance
from regard.studies.frame.page import write
from regard.studies.frame.study import Order
from regard.studies.head_maps.distance import KINDS
from regard.studies.head_maps.pruning import Pruned, spared

TINY = replace(
    QUICK,
    model={**QUICK.model, "layers": 1, "d_model": 16, "d_ff": 16, "heads": 2},
    shares=(0.0, 0.5, 1.0),
    steps=4,
    batch_tokens=128,
    looked_at=3,
    pruned_on=6,
)


@pytest.fixture
def small(tmp_path: Path) -> Order:
    """A corpus of one's own, of 220 pairs."""
    source, target = tmp_path / "a.txt", tmp_path / "b.txt"
    source.write_text("".join(f"one {n} two\n" for n in range(220)))
    target.write_text("".join(f"eins {n} zwei\n" for n in range(220)))
    return Order(quick=True, source=source, target=target)


def table(*distances: float) -> np.ndarray:
    """Of each sentence, one layer of two heads by their distance."""
    return np.array([[[[0, a], [a, 0]]] for a in distances])


def grown(before: tuple[float, ...], after: tuple[float, ...]) -> Grown:
    return Grown([(0, {"cross": table(*before)}), (9, {"cross": table(*after)})], [])


def test_growth_is_trained_minus_untrained():
    one, two = grown((0.1, 0.2, 0.3), (0.5, 0.7, 0.6)), grown((0.1, 0.1, 0.1), (0.7, 0.7, 0.7))
    assert mean_distance([one.curve[-1][1]], "cross").value == pytest.approx(0.6)
    assert mean_distance([one.curve[-1][1]], "cross").high == pytest.approx(0.7)  # three times the sentence of 0.7
    assert growth_of([one], "cross").value == pytest.approx(0.4)
    assert 0.3 <= growth_of([one], "cross").low <= 0.4 <= growth_of([one], "cross").high <= 0.5
    both = growth_of([one, two], "cross")  # t(0.975, 1) = 12.706; s / sqrt(2) of 0.4 and 0.6 is 0.1
    assert both.value == pytest.approx(0.5)
    assert both.high == pytest.approx(0.5 + 1.2706, abs=1e-3)


def test_the_claim_holds_where_all_grew_and_fails_where_one_shrank():
    up, flat, down = Interval(0.2, 0.1, 0.3), Interval(0.0, -0.1, 0.1), Interval(-0.2, -0.3, -0.1)
    above = dict.fromkeys(KINDS, up)
    assert held(above, above) is True
    assert held({**above, "cross": flat}, above) is None
    assert held({**above, "cross": down}, above) is False
    assert held(above, {**above, "decoder": flat}) is None


def test_what_is_not_surely_lost_may_go():
    made = [
        Pruned("cross", 0, head, 0.1, nats, 1.0, bleu)
        for head, (nats, bleu) in enumerate([(True, True), (True, False), (False, False), (True, False)])
    ]
    assert spared(made) == (3, 1)


def test_the_study_of_ones_own_corpus_writes_a_page_whose_sentence_agrees_with_its_numbers(
    monkeypatch: pytest.MonkeyPatch, small: Order, tmp_path: Path
):
    monkeypatch.setattr(diversity, "QUICK", TINY)
    found = diversity.run(replace(small, repeats=2))
    write(diversity.STUDY, found, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {"distance.png", "pruning.png"}
    assert found.settings["pairs"] == "a.txt to b.txt"
    numbers = found.numbers
    for kind in KINDS:
        begun, ended = (numbers[f"distance_{when}"][kind]["value"] for when in ("untrained", "trained"))
        assert numbers["growth"][kind]["value"] == pytest.approx(ended - begun)
        assert f"from {begun:.2f} to {ended:.2f}" in found.sentence
    kept = [sum(not one["sure_bleu"] for one in numbers["pruned"] if one["seed"] == seed) for seed in (1, 2)]
    assert f"Of the 6 heads of each of 2 models, {kept[0]} and {kept[1]} can go one at a time" in found.sentence


def test_too_small_a_corpus_is_refused(small: Order):
    assert small.source is not None
    assert small.target is not None
    for path in (small.source, small.target):
        path.write_text("word\n" * 20)
    with pytest.raises(DataError, match=r"got 20 pairs; expected at least 200 pairs of lines"):
        diversity.run(small)
