"""Residual connections: alikeness by hand, collapse as a law, where it begins, and the study in small."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from regard.evaluation.interval import Interval
from regard.studies import residual
from regard.studies.depth.alikeness import ATTENTION, KINDS, RESIDUAL, Layer, alikeness, apart, cosine, geometric
from regard.studies.depth.collapse import collapses, power, sentence_of
from regard.studies.frame.page import write
from regard.studies.frame.study import Order
from regard.studies.frame.verdict import Difference
from regard.studies.residual import QUICK, begins, hurt, run

WORSE, BETTER, SAME = Difference(0.5, True, ""), Difference(-0.5, True, ""), Difference(0.5, False, "")
SLIGHT = Difference(0.004, True, "")


def test_what_distinguishes_positions_is_nothing_where_all_are_one_and_all_where_they_cancel_out():
    assert apart(torch.tensor([[1.0, 2.0], [1.0, 2.0]])) == 0
    assert apart(torch.tensor([[1.0, 2.0], [-1.0, -2.0]])) == pytest.approx(1)
    assert apart(torch.tensor([[3.0, 1.0], [3.0, -1.0]])) == pytest.approx(np.sqrt(2 / 20))


def test_no_vector_in_every_row_is_nearer_than_the_mean():
    x = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    others = torch.randn(200, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    assert all(float((x - other).norm() / x.norm()) > apart(x) for other in others)


def test_the_cosine_is_the_mean_over_pairs_of_positions():
    x = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])
    assert cosine(x) == pytest.approx((0 + 2 * np.sqrt(0.5)) / 3)
    assert cosine(torch.tensor([[1.0, 1.0], [-2.0, -2.0]])) == pytest.approx(-1)


def test_the_geometric_mean_is_that_of_the_logarithms():
    assert geometric(np.array([1.0, 100.0])).value == pytest.approx(10)
    assert geometric(np.array([1.0, 100.0, 10.0])).low > 0


def test_layers_have_the_parts_of_their_kind_and_treat_all_positions_alike():
    x = torch.randn(1, 6, 16)
    for kind in KINDS:
        layer = Layer(kind, 16)
        assert (layer.feed_forward is None) == (kind == ATTENTION)
        order = torch.randperm(6)
        assert torch.allclose(layer(x)[:, order], layer(x[:, order]), atol=1e-5)


def test_positions_are_one_vector_soon_without_residual_connections_and_not_with_them():
    found = {kind: alikeness(kind, 5, 32, 2, 1) for kind in KINDS}
    starts = [values["apart"][:, 0] for values in found.values()]
    assert all(np.array_equal(start, starts[0]) for start in starts)
    assert found[RESIDUAL]["apart"][:, -1].min() > 0.05
    assert all(found[kind]["apart"][:, -1].max() < 1e-3 for kind in KINDS if kind != RESIDUAL)
    assert all(found[kind]["cosine"][:, -1].min() > 0.999 for kind in KINDS if kind != RESIDUAL)


def falling(first: float, layers: int, exponent: float, factor: float = 1.0) -> np.ndarray:
    """Of each of three draws, that begin a little apart: r, c · r^k, c · (c · r^k)^k and so on."""
    rows = []
    for start in (0.9 * first, first, 1.1 * first):
        row = [start]
        for _ in range(layers):
            row.append(factor * row[-1] ** exponent)
        rows.append(row)
    return np.array(rows)


@pytest.mark.parametrize(("exponent", "factor"), [(3.0, 0.5), (1.0, 0.7), (2.0, 1.3)])
def test_the_power_is_the_one_that_each_layer_raises_to(exponent, factor):
    found = power(falling(0.5, 4, exponent, factor))
    assert (found.value, found.low, found.high) == pytest.approx((exponent,) * 3)


def test_what_is_left_below_the_precision_of_a_float_counts_for_no_power():
    rows = falling(0.2, 3, 3.0)
    rounded = np.concatenate([rows, np.full((3, 9), 2e-16)], axis=1)
    assert power(rounded).value == pytest.approx(3.0)


def test_attention_alone_cubes_what_distinguishes_positions_and_residual_connections_do_not():
    found = {kind: power(alikeness(kind, 8, 32, 4, 1)["apart"]) for kind in KINDS}
    assert found[ATTENTION].value == pytest.approx(3.0, abs=0.25)  # Dong et al. 2021
    assert found[RESIDUAL].value == pytest.approx(1.0, abs=0.15)


CUBED, KEPT, VAGUE = Interval(3.0, 2.9, 3.1), Interval(1.0, 0.9, 1.1), Interval(2.0, 1.5, 2.5)


@pytest.mark.parametrize(
    ("alone", "skipped", "held"),
    [
        (CUBED, KEPT, True),
        (CUBED, CUBED, False),
        (KEPT, KEPT, False),
        (VAGUE, KEPT, None),
        (CUBED, VAGUE, None),
        (Interval(2.4, 1.8, 3.0), KEPT, None),
        (CUBED, Interval(1.6, 1.0, 2.2), None),
        (VAGUE, CUBED, False),
    ],
)
def test_rank_is_lost_where_attention_alone_is_surely_doubly_exponential_and_surely_not_with_residuals(
    alone, skipped, held
):
    assert collapses(alone, skipped) is held


def test_the_sentence_tells_both_powers():
    alike = {kind: {"apart": falling(0.5, 3, k, 0.7)} for kind, k in ((ATTENTION, 3.0), (RESIDUAL, 1.0))}
    assert "to the power 3.00 (3.00–3.00), with residual connections to the power 1.00" in sentence_of(alike)


@pytest.mark.parametrize(
    ("alone", "nats", "held"),
    [(3.0, 60.0, True), (3.0, 20.0, False), (3.0, 40.0, None), (1.0, 60.0, False), (1.0, 40.0, False)],
)
def test_the_claim_needs_the_loss_of_rank_and_the_worse_training(monkeypatch, few_pairs, outcome, alone, nats, held):
    def alike(kind: str, *given: int) -> dict[str, np.ndarray]:
        apart = falling(0.5, 3, alone if kind == ATTENTION else 1.0, 0.7)
        return {"apart": apart, "cosine": 1 - apart}

    def learnt(arms, *given):
        losses = {arm.name: nats if arm.name.startswith("without") else 40.0 for arm in arms}
        return {name: [outcome(name, nats=[loss] * len(few_pairs.test))] for name, loss in losses.items()}

    monkeypatch.setattr(residual, "pairs_of", lambda order: few_pairs)
    monkeypatch.setattr(residual, "alikeness", alike)
    monkeypatch.setattr(residual, "try_arms", learnt)
    assert run(Order(quick=True)).held is held


@pytest.mark.parametrize(("deepest", "held"), [(WORSE, True), (BETTER, False), (SAME, None), (SLIGHT, None)])
def test_training_suffers_where_the_deepest_is_surely_worse_without(deepest, held):
    assert hurt(deepest) is held


@pytest.mark.parametrize(
    ("worse", "first"),
    [
        ({1: SAME, 2: WORSE, 4: WORSE}, 2),
        ({1: WORSE, 2: SAME, 4: WORSE}, 4),
        ({1: WORSE, 2: WORSE, 4: BETTER}, None),
        ({4: WORSE, 1: WORSE, 2: WORSE}, 1),
    ],
)
def test_it_begins_where_all_deeper_ones_are_worse_too(worse, first):
    assert begins(worse) == first


def test_the_study_in_small_says_what_its_numbers_say(monkeypatch, few_pairs, tmp_path):
    model = {**QUICK.model, "d_model": 8, "d_ff": 8}
    tiny = replace(QUICK, model=model, depths=(1, 2), untrained=2, draws=2, width=8, test=4, steps=2, batch_tokens=64)
    monkeypatch.setattr(residual, "QUICK", tiny)
    monkeypatch.setattr(residual, "pairs_of", lambda order: few_pairs)
    found = run(Order(quick=True))
    arms = found.numbers["arms"]
    gap = arms["without, N = 2"][0]["nats_per_token"] - arms["with residuals, N = 2"][0]["nats_per_token"]
    assert found.numbers["without minus with"]["2"]["value"] == pytest.approx(gap)
    assert f"at N = 2 it is {gap:+.3f} nats per token" in found.sentence
    assert f"to the power {found.numbers['power'][ATTENTION]['value']:.2f}" in found.sentence
    assert [row[0] for row in found.tables[0].rows] == ["N = 1", "N = 2"]
    write(residual.STUDY, found, tmp_path)
    assert {path.name for path in tmp_path.glob("*.png")} == {"residual.png", "untrained.png"}
