"""How sure a difference is: against textbook numbers, scipy's tests, and cases that everybody can judge."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from regard.evaluation.interval import wilson
from regard.studies.frame.verdict import (
    Difference,
    all_held,
    bleu_difference,
    loss_contrast,
    loss_difference,
    of_draws,
    over_seeds,
    seeds_differ,
    share_of,
)


def test_the_interval_over_seeds_is_student_s():
    found = over_seeds([1.0, 2.0, 3.0])  # s = 1, t(0.975, 2) = 4.302653 in every table
    assert found.value == 2.0
    assert found.high - 2.0 == pytest.approx(4.302653 / math.sqrt(3), abs=1e-6)
    assert 2.0 - found.low == pytest.approx(found.high - 2.0)


def test_one_seed_has_no_interval():
    found = over_seeds([5.0])
    assert (found.value, found.low, found.high) == (5.0, 5.0, 5.0)


@pytest.mark.parametrize("shift", [0.0, 0.3, 2.0])
def test_seeds_differ_where_the_paired_t_test_says_so(shift):
    first, second = np.array([30.1, 31.4, 29.8, 30.9]), np.array([30.4, 31.2, 30.3, 30.8]) + shift
    found = seeds_differ(first.tolist(), second.tolist())
    assert found.sure == bool(stats.ttest_rel(second, first).pvalue < 0.05)
    assert found.value == pytest.approx(float((second - first).mean()))


def test_one_seed_is_sure_of_no_difference():
    found = seeds_differ([1.0], [100.0])
    assert not found.sure
    assert found.evidence == "one seed: no interval"


def test_a_difference_has_a_direction_only_where_it_is_sure():
    assert Difference(2.0, True, "").larger
    assert Difference(-2.0, True, "").smaller
    assert not Difference(2.0, False, "").larger
    assert not Difference(-2.0, False, "").smaller
    assert Difference(1.25, True, "p = 0.01").text("BLEU") == "+1.2 BLEU (p = 0.01)"


def test_a_difference_is_told_in_words_only_as_sure_as_it_is():
    assert Difference(2.0, True, "").way("higher", "lower") == "surely higher"
    assert Difference(-2.0, True, "").way("higher", "lower") == "surely lower"
    assert Difference(2.0, False, "").way("higher", "lower") == "not surely higher or lower"


def test_a_difference_too_small_to_be_shown_is_no_negative_zero():
    assert Difference(-0.04, False, "p = 0.9").text() == "+0.0 (p = 0.9)"


def test_a_share_of_one_seed_is_wilsons_and_of_several_the_mean_within_0_and_1():
    one, other = np.array([True, True, False, True]), np.array([True, False, False, True])
    assert share_of([one]) == wilson(3, 4)
    several = share_of([one, other])
    assert several.value == pytest.approx(0.625)
    assert (several.low, several.high) == (0.0, 1.0)  # 0.625 ± 12.706 · 0.1768 / √2, cut at the ends
    wide = [np.arange(100) < count for count in (60, 61, 62)]
    assert share_of(wide).high == pytest.approx(0.61 + 4.302653 * 0.01 / math.sqrt(3), abs=1e-6)


@pytest.mark.parametrize(("low", "sure"), [(1, True), (-1, False), (-12, True)])
def test_draws_are_sure_where_nearly_all_are_on_one_side_of_0(low, sure):
    found = of_draws(0.5, np.linspace(low, low + 10, 101), "texts", 1)  # 2.5 % of them lie below low + 0.25
    assert found.sure is sure
    assert found.evidence == f"95 %: {low + 0.25:.1f} to {low + 9.75:.1f} over texts, one seed"


def test_losses_of_one_seed_are_compared_sentence_by_sentence(outcome):
    base = outcome(nats=[20.0, 10.0, 30.0, 40.0])
    always_a_nat_more = outcome(nats=[21.0, 11.0, 31.0, 41.0])
    found = loss_difference([base], [always_a_nat_more])
    assert found.larger
    assert found.value == pytest.approx(0.1)  # one nat in ten tokens
    now_and_then = outcome(nats=[10.0, 20.0, 40.0, 30.5])
    assert not loss_difference([base], [now_and_then]).sure


def test_losses_of_several_seeds_are_compared_seed_by_seed(outcome):
    first = [outcome(seed=seed, nats=[20.0 + seed, 20.0]) for seed in (1, 2, 3)]
    second = [outcome(seed=seed, nats=[10.0 + seed, 20.0]) for seed in (1, 2, 3)]
    found = loss_difference(first, second)
    assert found.smaller
    assert found.value == pytest.approx(-0.5)
    assert "3 seeds" in found.evidence


def test_bleu_of_one_seed_is_compared_by_paired_bootstrap(outcome):
    references = [f"the {word} is very {word} today" for word in "abcdefghijklmnopqrst"]
    right, wrong = outcome(translations=references), outcome(translations=["nothing at all here now"] * 20)
    found = bleu_difference([wrong], [right], references)
    assert found.larger
    assert found.value > 90
    same = bleu_difference([right], [right], references)
    assert (same.value, same.sure) == (0.0, False)


def test_bleu_of_several_seeds_is_compared_seed_by_seed(outcome):
    first = [outcome(seed=seed, bleu=20.0 + seed) for seed in (1, 2, 3)]
    second = [outcome(seed=seed, bleu=25.5 + seed) for seed in (1, 2, 3)]
    found = bleu_difference(first, second, [])
    assert found.larger
    assert found.value == pytest.approx(5.5)


def test_a_contrast_weighs_the_losses_of_its_arms(outcome):
    arms = [[outcome(nats=np.linspace(20.0, 40.0, 20) + more)] for more in (0.0, 1.0, 4.0, 2.0)]
    found = loss_contrast(list(zip((1, -1, -1, 1), arms, strict=True)))
    assert found.value == pytest.approx((0 - 1 - 4 + 2) / 10)  # ten tokens a text
    assert found.smaller
    assert loss_contrast([(-1, arms[0]), (0.5, arms[1]), (0.5, arms[2])]).value == pytest.approx(0.25)


def test_a_contrast_of_several_seeds_is_of_their_own_sums(outcome):
    first, second, third = (
        [outcome(seed=seed, nats=[10.0 * seed + more * seed] * 2) for seed in (1, 2, 3)] for more in (0.0, 1.0, 3.0)
    )
    found = loss_contrast([(-2, first), (1, second), (1, third)])  # by hand: 0.4, 0.8 and 1.2
    assert found.value == pytest.approx(0.8)
    assert found.high == pytest.approx(0.8 + 4.302653 * 0.4 / math.sqrt(3), abs=1e-6)


@pytest.mark.parametrize(
    ("parts", "held"),
    [([True, True], True), ([True, None], None), ([None, False], False), ([True, False], False)],
)
def test_a_claim_of_several_parts_holds_where_all_do(parts, held):
    assert all_held(parts) is held


@pytest.mark.parametrize(("value", "sure", "way"), [(2.0, True, 1), (-2.0, True, -1), (2.0, False, 0)])
def test_the_direction_of_what_is_not_sure_is_none(value, sure, way):
    assert Difference(value, sure, "").direction == way
