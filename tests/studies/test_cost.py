"""The cost of layers: what is measured against what can be counted by hand, the verdict, and the study in small."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from regard.evaluation.interval import Interval
from regard.studies import cost
from regard.studies.cost import STUDY, attention_faster_than_recurrence, run, verdict
from regard.studies.frame.page import write
from regard.studies.frame.study import Order
from regard.studies.frame.threads import one_thread
from regard.studies.layer_costs import measures
from regard.studies.layer_costs.exponents import crossing, exponent, slope
from regard.studies.layer_costs.measured import Measured
from regard.studies.layer_costs.measures import call_of, peak_bytes, seconds
from regard.studies.layer_costs.paths import depth, layers_to_join
from regard.studies.layer_costs.rows import (
    CONVOLUTIONAL,
    MASKED,
    RECURRENT,
    SELF_ATTENTION,
    TABLE_1,
    WEIGHTS_MADE,
    WITHIN,
    rows,
)

TINY = replace(
    cost.QUICK, lengths=(2, 4, 8), widths=(4, 8), at_width=4, at_length=4, fitted=2, rows=1, reach=2, heads=2, sweeps=2
)


@pytest.mark.parametrize("power", [1.0, 2.0, 0.5])
def test_the_exponent_of_a_power_is_found_whatever_it_is_multiplied_by(power):
    sizes = [128, 256, 1024]
    times = np.array([[constant * size**power for size in sizes] for constant in (1.0, 2.0, 3.0)])
    found = exponent(sizes, times)
    assert [found.value, found.low, found.high] == pytest.approx([power] * 3)


def test_the_exponent_of_two_sizes_is_the_ratio_of_logs():
    assert slope([2, 8], np.array([3.0, 24.0])) == pytest.approx(1.5)


def test_a_wild_sweep_widens_the_interval_and_leaves_the_median():
    times = np.array([[1.0, 2.0]] * 4 + [[1.0, 200.0]])
    found = exponent([1, 2], times)
    assert found.value == pytest.approx(1.0)
    assert found.low == pytest.approx(1.0)
    assert found.high > 1.5


def test_lines_cross_where_arithmetic_says():
    sizes = [1, 10, 100]
    assert crossing(sizes, [size**2 for size in sizes], [30.0 * size for size in sizes]) == pytest.approx(30.0)
    assert crossing(sizes, [1, 1, 1], [2, 2, 2]) is None
    assert crossing(sizes, [2, 2, 2], [1, 1, 1]) is None


def test_memory_is_that_of_tensors_alive_at_once():
    x, g = torch.randn(1000), torch.randn(1000, requires_grad=True)
    assert peak_bytes(lambda: x + 1) == 4000
    assert peak_bytes(lambda: x.exp().exp().exp()) == 8000
    assert peak_bytes(lambda: g.exp().exp().exp()) == 12000, "kept for the gradient"
    assert peak_bytes(lambda: (x + 1).view(10, 100)[:5]) == 4000
    assert peak_bytes(lambda: x.add_(1)) == 0
    assert peak_bytes(lambda: [x + 1 for _ in range(3)]) == 12000


def test_weights_that_are_made_are_held():
    n, x = 64, torch.randn(1, 64, 4)
    table = rows(3, 2, 2)
    made, fused = (peak_bytes(call_of(table[name].build(n, 4), x, False)) for name in (WEIGHTS_MADE, SELF_ATTENTION))
    assert made >= 4 * n * n > fused


def test_every_call_is_timed_once_a_sweep_in_turn(monkeypatch):
    monkeypatch.setattr(measures, "SHORTEST", 0.0)
    called, swept = [], []
    times = seconds({"a": lambda: called.append("a"), "b": lambda: called.append("b")}, 3, swept.append)
    assert called == ["a", "b"] * 4, "one sweep is not counted"
    assert {name: len(one) for name, one in times.items()} == {"a": 3, "b": 3}
    assert swept == [1, 2, 3]


def _break_off() -> None:
    with one_thread():
        raise RuntimeError(f"on {torch.get_num_threads()} thread")


def test_threads_are_as_before_also_after_an_error():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with pytest.raises(RuntimeError, match="on 1 thread"):
        _break_off()
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


def test_the_mask_and_the_blocks_compute_the_same():
    table, x = rows(3, 2, 2), torch.randn(2, 9, 4, dtype=torch.float64)
    masked, near = (table[name].build(9, 4).call(x) for name in (MASKED, WITHIN))
    torch.testing.assert_close(near, masked, rtol=0, atol=1e-12)


def test_backward_gives_the_gradient_of_input_and_weights():
    layer = rows(3, 2, 2)[RECURRENT].build(5, 4)
    found = call_of(layer, torch.randn(2, 5, 4), True)()
    assert [tuple(one.shape) for one in found] == [(2, 5, 4), (4, 4), (4,), (4, 4)], "x, W, b, U"


def test_layers_that_join_the_ends_are_as_many_as_arithmetic_says():
    table = rows(3, 4, 2)
    joined = {name: layers_to_join(table[name], 17) for name in TABLE_1}
    assert joined == {SELF_ATTENTION: 1, RECURRENT: 1, CONVOLUTIONAL: 16, WITHIN: 4}


def test_only_recurrence_waits_longer_in_longer_texts():
    table = rows(3, 4, 2)
    longer = {name: depth(table[name], 20) - depth(table[name], 10) for name in TABLE_1}
    assert longer[RECURRENT] % 10 == 0 < longer.pop(RECURRENT)
    assert set(longer.values()) == {0}


def fit(low: float, high: float) -> Interval:
    return Interval((low + high) / 2, low, high)


@pytest.mark.parametrize(
    ("found", "won", "held"),
    [
        (fit(1.9, 2.1), True, True),
        (fit(1.7, 2.3), True, True),
        (fit(1.5, 1.9), True, None),
        (fit(2.1, 2.5), True, None),
        (fit(1.2, 1.6), True, False),
        (fit(2.4, 2.6), True, False),
        (fit(1.9, 2.1), None, None),
        (fit(1.9, 2.1), False, False),
    ],
)
def test_the_claim_holds_where_exponents_are_near_and_attention_wins(found, won, held):
    assert verdict([(fit(1.0, 1.0), 1.0), (found, 2.0)], won) is held


@pytest.mark.parametrize(
    ("attention", "recurrence", "won"),
    [([1, 9], [2, 2], True), ([3, 1], [2, 2], False), ([2, 1], [2, 2], None)],
)
def test_only_where_n_is_below_d_does_it_count_who_is_faster(attention, recurrence, won):
    times = {SELF_ATTENTION: np.array([attention] * 3, float), RECURRENT: np.array([recurrence] * 3, float)}
    assert attention_faster_than_recurrence([Measured("n", [(4, 8), (16, 8)], 2, times, {})]) is won


@pytest.mark.parametrize(
    ("attention", "told"),
    [
        ([1, 1, 1], "it was the slower at none of the 3 lengths measured."),
        ([3, 3, 3], "it was the slower at 3 of the 3 lengths measured."),
        ([1, 1, 4], "it is the slower from n ≈ "),
    ],
)
def test_the_sentence_is_true_wherever_the_lines_do_or_do_not_cross(attention, told):
    times = {name: np.full((3, 3), 2.0) for name in TABLE_1}
    times[SELF_ATTENTION] = np.array([attention] * 3, float)
    found = Measured("n", [(4, 8), (8, 8), (16, 8)], 2, times, {})
    limit = crossing(found.sizes, found.medians(SELF_ATTENTION), found.medians(RECURRENT))
    assert told in cost._sentence(TINY, rows(3, 2, 2), found, found, None, limit)


def test_the_study_in_small_is_a_page_whose_sentence_has_the_numbers(monkeypatch, tmp_path):
    monkeypatch.setattr(cost, "QUICK", TINY)
    monkeypatch.setattr(measures, "SHORTEST", 0.0)
    findings = run(Order(quick=True))
    write(STUDY, findings, tmp_path / "page")
    assert {path.name for path in (tmp_path / "page").iterdir()} >= {"index.html", "time.png", "memory.png"}
    for name in TABLE_1:
        n, d = (findings.numbers[axis][name]["exponent"]["value"] for axis in "nd")
        assert f"{name} n^{n:.2f} d^{d:.2f}" in findings.sentence
    assert [row[0] for row in findings.tables[0].rows][:4] == list(TABLE_1)
