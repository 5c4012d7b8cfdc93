"""The learning rate: equation 3 by hand, and where the other shapes begin and end."""

from __future__ import annotations

import math

import pytest

from regard.training.schedule import SCHEDULES, Schedule, paper_peak

BASE = Schedule("paper", paper_peak(512, 4000), warmup=4000, steps=100_000)


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        # 512^−½ = 0.0441942; 4000^−1.5 = 3.952847e-6
        (1, 1.746928e-7),  # 0.0441942 · 1 · 3.952847e-6
        (100, 1.746928e-5),
        (2000, 3.493856e-4),
        (4000, 6.987712e-4),  # 0.0441942 · 4000^−½
        (16_000, 3.493856e-4),  # half of it, as √(4000/16000)
        (100_000, 1.397542e-4),  # 0.0441942 / 316.2278
    ],
)
def test_equation_3_of_the_base_model(step, rate):
    assert BASE.rate(step) == pytest.approx(rate, rel=1e-6)


@pytest.mark.parametrize(("d_model", "warmup"), [(512, 4000), (1024, 4000), (128, 7)])
def test_equation_3_as_it_is_printed(d_model, warmup):
    schedule = Schedule("paper", paper_peak(d_model, warmup), warmup, steps=50)
    for step in range(1, 3 * warmup, 1 + warmup // 100):
        printed = d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)
        assert schedule.rate(step) == pytest.approx(printed, rel=1e-12)


def test_the_peak_of_the_base_model_is_the_paper_s():
    assert round(paper_peak(512, 4000), 5) == 7.0e-4
    assert max(range(3000, 5000), key=BASE.rate) == 4000


@pytest.mark.parametrize("shape", SCHEDULES)
def test_every_shape_rises_in_a_line_to_its_peak(shape):
    schedule = Schedule(shape, 0.5, warmup=10, steps=100)
    assert [schedule.rate(step) for step in range(1, 11)] == pytest.approx([0.05 * step for step in range(1, 11)])


@pytest.mark.parametrize("shape", SCHEDULES)
def test_no_shape_rises_again_after_its_peak(shape):
    schedule = Schedule(shape, 0.5, warmup=10, steps=100)
    rates = [schedule.rate(step) for step in range(10, 151)]
    assert rates == sorted(rates, reverse=True)
    assert all(rate >= 0 for rate in rates)


@pytest.mark.parametrize(
    ("shape", "at_a_third", "halfway"),
    [
        ("cosine", (1 + math.cos(math.pi / 3)) / 2, 0.5),
        ("linear", 2 / 3, 0.5),
        ("constant", 1.0, 1.0),
        ("inverse_sqrt", 1 / 2, math.sqrt(10 / 55)),
    ],
)
def test_a_shape_has_its_formula_s_values(shape, at_a_third, halfway):
    """From step 10 to step 100: a third of the way is step 40, half of it step 55."""
    schedule = Schedule(shape, 3.0, warmup=10, steps=100)
    assert schedule.rate(40) == pytest.approx(3.0 * at_a_third)
    assert schedule.rate(55) == pytest.approx(3.0 * halfway)


@pytest.mark.parametrize("shape", ["cosine", "linear"])
def test_what_ends_at_zero_stays_there(shape):
    schedule = Schedule(shape, 0.5, warmup=10, steps=100)
    assert schedule.rate(99) > 0
    assert [schedule.rate(step) for step in (100, 101, 1000)] == pytest.approx([0, 0, 0], abs=1e-17)


@pytest.mark.parametrize("shape", SCHEDULES)
def test_a_run_as_long_as_its_warmup_has_a_rate_at_every_step(shape):
    schedule = Schedule(shape, 0.5, warmup=10, steps=10)
    assert schedule.rate(10) == 0.5
    assert math.isfinite(schedule.rate(11))
