"""Scaling: the measures of a softmax row by hand and by autograd, footnote 4, the verdicts, and the study in small."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from regard.errors import DataError
from regard.evaluation.interval import Interval
from regard.studies import scaling
from regard.studies.frame.page import write
from regard.studies.frame.study import Order
from regard.studies.frame.verdict import Difference
from regard.studies.saturation.by_width import _order, saturates
from regard.studies.saturation.softmax import ADDITIVE, PLAIN, SCALED, Sharpness, entropy, gradient_norm, sharpness
from regard.studies.scaling import QUICK, STUDY, Harm, held, run

TINY = replace(
    QUICK, widths=(1, 256), draws=4, keys=8, model={**QUICK.model, "d_model": 8, "d_ff": 8}, heads=(4, 1), steps=2
)
SHARP, FLAT = [0.1, 0.11, 0.12], [3.0, 3.01, 3.02]


def test_entropy_and_gradient_of_rows_are_those_worked_out_by_hand():
    rows = torch.tensor([[1.0, 0.0], [0.5, 0.5]], dtype=torch.float64)
    assert entropy(rows).tolist() == pytest.approx([0.0, math.log(2)], abs=1e-15)
    assert gradient_norm(rows).tolist() == pytest.approx([0.0, 0.5], abs=1e-15)  # ¼ in each of four entries
    equal = torch.full((5,), 0.2, dtype=torch.float64)
    assert float(entropy(equal)) == pytest.approx(math.log(5))
    assert float(gradient_norm(equal)) == pytest.approx(math.sqrt(4) / 5)


def test_the_gradient_is_what_autograd_finds():
    scores = 3 * torch.randn(6, 9, dtype=torch.float64)
    for row, found in zip(scores, gradient_norm(scores.softmax(-1)), strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda one: one.softmax(0), row)
        assert float(found) == pytest.approx(float(jacobian.norm()), abs=1e-12)


@pytest.mark.parametrize("d_k", [4, 64, 256])
def test_the_variance_of_dot_products_is_d_k_and_scaled_it_is_one(d_k: int):
    found = sharpness(d_k, draws=200, keys=32, seed=3)
    mean = {name: sum(one.variance) / len(one.variance) for name, one in found.items()}
    assert mean[PLAIN] == pytest.approx(d_k, rel=0.05)
    assert mean[SCALED] == pytest.approx(1.0, rel=0.05)
    # v has variance 2 / (d_k + 1); tanh² of N(0, 2) is 0.53 on average, by numerical integration
    x = torch.linspace(-12, 12, 20_001, dtype=torch.float64)
    square = float((x.tanh() ** 2 * torch.exp(-(x**2) / 4)).sum() * (x[1] - x[0]) / math.sqrt(4 * math.pi))
    assert mean[ADDITIVE] == pytest.approx(2 * d_k / (d_k + 1) * square, rel=0.2)


def test_with_d_k_of_one_there_is_nothing_to_scale():
    found = sharpness(1, draws=3, keys=8, seed=1)
    assert found[SCALED] == found[PLAIN]


def made(plain: list[float], scaled: list[float]) -> dict[str, Sharpness]:
    return {PLAIN: Sharpness(plain, plain, plain), SCALED: Sharpness(scaled, scaled, scaled)}


@pytest.mark.parametrize(
    ("small", "large", "expected"),
    [
        (made(FLAT, FLAT), made(SHARP, FLAT), True),
        (made(FLAT, FLAT), made(FLAT, FLAT), None),
        (made(FLAT, FLAT), made(FLAT, SHARP), False),
        (made(SHARP, FLAT), made(FLAT, FLAT), False),
        (made(FLAT, FLAT), made([0.0, 3.0, 6.0], FLAT), None),
    ],
)
def test_saturation_is_sure_only_where_no_intervals_meet(small, large, expected):
    assert saturates({1: small, 512: large}) is expected


UP, DOWN = Difference(2.0, True, ""), Difference(-2.0, True, "")
UNSURE = Difference(-2.0, False, "")


@pytest.mark.parametrize(
    ("bleu", "loss", "harm"),
    [(DOWN, UP, True), (DOWN, UNSURE, True), (UP, UNSURE, False), (UNSURE, DOWN, False), (UNSURE, UNSURE, None),
     (DOWN, DOWN, None)],
)  # fmt: skip
def test_a_model_is_worse_by_bleu_or_by_loss_unless_they_contradict(bleu, loss, harm):
    assert Harm(bleu, loss).verdict is harm


def test_the_claim_holds_only_where_rows_saturate_and_the_model_suffers():
    worse, better, unsure = Harm(DOWN, UP), Harm(UP, DOWN), Harm(UNSURE, UNSURE)
    assert held(True, worse) is True
    assert held(True, unsure) is None
    assert held(None, worse) is None
    assert held(True, better) is False
    assert held(False, worse) is False


def test_the_arms_have_the_same_matrices_and_differ_in_heads_and_scale(monkeypatch, few_pairs, tmp_path: Path):
    monkeypatch.setattr(scaling, "QUICK", TINY)
    monkeypatch.setattr(scaling, "pairs_of", lambda order: few_pairs)
    found = run(Order(quick=True))
    trained = found.numbers["trained"]
    assert list(trained) == ["d_k 2, scaled", "d_k 2, not scaled", "d_k 8, scaled", "d_k 8, not scaled"]
    assert len({one[0]["parameters"] for one in trained.values()}) == 1
    assert len({one[0]["nats_per_token"] for one in trained.values()}) == 4
    difference = trained["d_k 8, not scaled"][0]["nats_per_token"] - trained["d_k 8, scaled"][0]["nats_per_token"]
    assert f"{difference:+.3f} nats per token" in found.sentence
    entropies = {name: rows[-1]["entropy"] for name, rows in found.numbers["random"].items()}
    assert f"{entropies[PLAIN]:.2f} (" in found.sentence
    write(STUDY, found, tmp_path / "out")
    assert {one.name for one in (tmp_path / "out").iterdir()} >= {"index.html", "random-scores.png", "training.png"}


def test_a_users_own_pairs_are_taken_and_too_few_are_refused(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(scaling, "QUICK", replace(TINY, heads=(1,)))
    source, target = tmp_path / "a.en", tmp_path / "a.de"
    for many in (300, 100):
        source.write_text("".join(f"number {i} stands here\n" for i in range(many)), encoding="utf-8")
        target.write_text("".join(f"die Zahl {i} steht hier\n" for i in range(many)), encoding="utf-8")
        order = Order(quick=True, source=source, target=target)
        STUDY.check(order)
        if many == 300:
            assert run(order).settings["pairs"] == "a.en to a.de"
    with pytest.raises(DataError, match=r"got 100 pairs; expected at least 200 pairs of lines; give a larger corpus"):
        run(order)


def test_intervals_that_touch_are_in_no_order():
    assert _order(Interval(1, 0, 2), Interval(3, 2, 4)) == 0
    assert _order(Interval(1, 0, 2), Interval(4, 3, 5)) == 1
    assert _order(Interval(4, 3, 5), Interval(1, 0, 2)) == -1
