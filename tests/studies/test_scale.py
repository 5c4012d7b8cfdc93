"""Scale: the power law by hand, the verdict in each direction, and the study in small."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from regard.errors import DataError
from regard.studies import scale
from regard.studies.frame.study import Order
from regard.studies.frame.verdict import Difference
from regard.studies.loss_by_size.law import power_law
from regard.studies.scale import QUICK, Size, run, verdict

TINY = replace(QUICK, sizes=(Size(1, 8, 2), Size(1, 16, 2), Size(2, 16, 2)), steps=3, batch_tokens=256, marks=2)
BETTER, WORSE = Difference(-0.5, True, "sure"), Difference(0.5, True, "sure")
UNSURE = Difference(0.01, False, "unsure")


@pytest.mark.parametrize(
    ("steps", "ends", "held"),
    [
        ([BETTER, BETTER], BETTER, True),
        ([BETTER, UNSURE], BETTER, True),
        ([BETTER, WORSE], BETTER, None),
        ([UNSURE, UNSURE], UNSURE, None),
        ([WORSE, UNSURE], WORSE, False),
        ([BETTER, WORSE], WORSE, False),
    ],
)
def test_the_claim_holds_where_the_largest_surely_loses_less_and_no_step_surely_hurts(steps, ends, held):
    assert verdict(steps, ends) is held


def test_the_exponent_of_an_exact_power_law_is_its_own():
    found = power_law([1e3, 1e4, 1e5, 1e6], [8.0, 4.0, 2.0, 1.0])
    assert found.value == pytest.approx(0.30103, abs=1e-5)  # log10 2
    assert found.high - found.low < 1e-6
    assert power_law([1.0, 16.0], [8.0, 2.0]).value == pytest.approx(0.5)


def test_the_exponents_interval_widens_where_the_sizes_are_on_no_line():
    found = power_law([1e3, 1e4, 1e5, 1e6], [8.0, 5.0, 1.5, 1.0])
    assert found.low < found.value < found.high
    assert found.high - found.low > 0.05


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "counting.txt"
    path.write_text("".join(f"line {n % 7} of {n} is {n * n}\n" for n in range(300)), encoding="utf-8")
    return path


def test_the_study_takes_a_text_and_all_sizes_see_as_many_tokens(monkeypatch, written):
    monkeypatch.setattr(scale, "QUICK", TINY)
    found = run(Order(quick=True, text=written))
    assert found.numbers["parameters"] == sorted(found.numbers["parameters"])
    # one block: 4 (d² + d) of attention, 2 · 4d² + 5d of feed-forward, 4d of two norms; 2d of the last norm
    assert found.numbers["parameters"][0] == 12 * 8**2 + 13 * 8 + 2 * 8
    assert len(found.tables[0].rows) == 3
    assert f"{found.numbers['nats_per_token'][-1][0]:.3f}" in found.sentence
    assert found.held in (True, False, None)


def test_a_text_of_few_lines_is_refused(tmp_path: Path):
    path = tmp_path / "short.txt"
    path.write_text("one line\n" * 5, encoding="utf-8")
    with pytest.raises(
        DataError, match="got 5 lines; expected at least 200 lines of text; give a longer text, or none"
    ):
        run(Order(quick=True, text=path))
