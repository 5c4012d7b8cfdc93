from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from regard.errors import SettingError
from regard.evaluation import interval
from regard.evaluation.interval import bootstrap, bootstrap_means, wilson


@pytest.mark.parametrize(("hits", "trials"), [(0, 1), (1, 1), (0, 20), (7, 10), (93, 100), (500, 1000)])
def test_wilsons_interval_is_scipys(hits: int, trials: int):
    expected = binomtest(hits, trials).proportion_ci(method="wilson")
    found = wilson(hits, trials)
    assert found.value == hits / trials
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_the_bootstrap_of_a_coin_has_the_width_that_theory_gives_it():
    found = bootstrap([0.0, 1.0] * 500, resamples=4000)
    half = 1.96 * 0.5 / 1000**0.5
    assert found.value == 0.5
    assert found.low == pytest.approx(0.5 - half, abs=0.004)
    assert found.high == pytest.approx(0.5 + half, abs=0.004)


def test_a_value_without_variation_has_no_width():
    found = bootstrap([0.25] * 7)
    assert (found.low, found.value, found.high) == (0.25, 0.25, 0.25)


def test_the_resamples_are_as_many_as_asked_for_however_few_are_held(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(interval, "DRAWS_AT_ONCE", 30)
    means = bootstrap_means(np.arange(10), resamples=11)
    assert means.shape == (11,)
    assert ((means >= 0) & (means <= 9)).all()


def test_an_interval_is_read_in_percent():
    assert wilson(1, 2).text() == "50.0 (9.5–90.5)"


def test_a_single_resample_is_refused():
    with pytest.raises(SettingError, match=r"^bootstrap: got 1; expected at least 2 resamples; use 1000"):
        bootstrap([1.0], resamples=1)


def test_below_zero_an_interval_has_a_word_between_its_ends_and_zero_has_no_sign():
    assert interval.Interval(-0.003, -0.004, -0.002).text(3, 1.0) == "-0.003 (-0.004 to -0.002)"
    assert interval.Interval(-0.0001, -0.0002, 0.3).text(2, 1.0) == "0.00 (0.00–0.30)"
