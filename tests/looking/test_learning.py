from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from regard.looking.learning import learning_curve, schedule

Check = Callable[[Figure], None]
Texts = Callable[[Figure], list[str]]

TRAINING = [{"step": step, "seconds": step * 0.5, "loss": 8.0 - step / 100} for step in range(10, 401, 10)]
LOSSES = [{"step": s, "seconds": s * 0.5, "valid_loss": v} for s, v in ((100, 5.0), (200, 4.0), (300, 3.5), (400, 3.6))]
BLEU = [{**record, "valid_bleu": b} for record, b in zip(LOSSES, (3.0, 12.0, 11.0, 10.0), strict=True)]


def line(figure: Figure, label: str) -> tuple[list[float], list[float]]:
    (found,) = [line for axes in figure.axes for line in axes.lines if line.get_label() == label]
    return list(map(float, found.get_xdata())), list(map(float, found.get_ydata()))


def star(figure: Figure) -> tuple[float, float]:
    (found,) = [line for axes in figure.axes for line in axes.lines if line.get_marker() == "*"]
    return float(found.get_xdata()[0]), float(found.get_ydata()[0])


def time_axis(figure: Figure) -> Axes | None:
    axes = figure.axes[0].child_axes
    return axes[0] if axes else None


def test_lines_run_through_the_records(assert_whole: Check):
    figure = learning_curve([*TRAINING, *BLEU])
    expected = [r["step"] for r in TRAINING], [r["loss"] for r in TRAINING]
    assert line(figure, "training loss (with dropout and smoothing)") == expected
    assert line(figure, "validation loss") == ([100, 200, 300, 400], [5.0, 4.0, 3.5, 3.6])
    assert line(figure, "validation BLEU") == ([100, 200, 300, 400], [3.0, 12.0, 11.0, 10.0])
    assert_whole(figure)


def test_the_order_of_records_does_not_matter_and_broken_values_are_left_out():
    broken = [{"step": 250, "loss": math.nan}, {"step": 260, "loss": math.inf, "valid_bleu": math.nan}]
    mixed = [*BLEU[::-1], *broken, *TRAINING[::-1]]
    for label in ("training loss (with dropout and smoothing)", "validation loss", "validation BLEU"):
        assert line(learning_curve(mixed), label) == line(learning_curve([*TRAINING, *BLEU]), label)


def test_the_best_is_the_highest_bleu_or_without_bleu_the_lowest_loss(texts_of: Texts):
    assert star(learning_curve([*TRAINING, *BLEU])) == (200, 12.0)
    assert "best: 12.00 BLEU" in texts_of(learning_curve([*TRAINING, *BLEU]))
    assert star(learning_curve([*TRAINING, *LOSSES])) == (300, 3.5)
    assert "best: 3.500 nats" in texts_of(learning_curve(LOSSES))


def test_noisy_training_losses_are_smoothed_by_a_mean_that_keeps_a_straight_line():
    many = [{"step": step, "loss": 9.0 - step / 100} for step in range(1, 401)]
    steps, values = line(learning_curve(many), "training loss (with dropout and smoothing)")
    assert len(steps) == 400
    inner = slice(10, -10)
    np.testing.assert_allclose(values[inner], [9.0 - step / 100 for step in steps[inner]], atol=1e-9)


@pytest.mark.parametrize(
    ("seconds", "unit", "end"),
    [(100.0, "seconds", 100.0), (600.0, "minutes", 10.0), (36000.0, "hours", 10.0), (864000.0, "days", 10.0)],
)
def test_the_time_stands_above_the_steps(seconds: float, unit: str, end: float, assert_whole: Check, texts_of: Texts):
    records = [{"step": step, "seconds": seconds * step / 1000, "loss": 3.0} for step in range(100, 1001, 100)]
    figure = learning_curve(records)
    assert f"time ({unit})" in texts_of(figure)
    above = time_axis(figure)
    assert above is not None
    left, right = above.get_xlim()
    assert left == pytest.approx(0, abs=1e-6)
    assert right == pytest.approx(end * 1.02, rel=1e-3)  # the steps' axis too goes on for a fiftieth
    assert_whole(figure)


def test_a_clock_that_went_back_or_is_missing_is_no_trouble(assert_whole: Check):
    clock = ((10, 5.0), (20, 30.0), (30, 6.0), (40, 7.0), (40, 9.0), (50, 40.0))  # the longest time so far counts
    figure = learning_curve([{"step": step, "seconds": seconds, "loss": 3.0} for step, seconds in clock])
    assert_whole(figure)
    above = time_axis(figure)
    assert above is not None
    places = above.transData.transform([(second, 0.0) for second in (0, 2.5, 5, 10, 20, 30.01, 35, 40)])[:, 0]
    pixels = figure.axes[0].transData.transform([(step, 3.0) for step in (0, 5, 10, 12, 16, 40, 45, 50)])[:, 0]
    np.testing.assert_allclose(places, pixels, atol=1.5)
    assert time_axis(learning_curve([{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0}])) is None
    assert (
        time_axis(learning_curve([{"step": 1, "seconds": 0.0, "loss": 3.0}, {"step": 2, "seconds": 0.0, "loss": 2.0}]))
        is None
    )


@pytest.mark.parametrize("records", [TRAINING[:1], LOSSES[:1], BLEU[:1], [{"step": 5, "valid_bleu": 0.0}]])
def test_a_single_record_is_drawn(records: list[dict[str, Any]], assert_whole: Check, texts_of: Texts):
    figure = learning_curve(records)
    assert "nothing measured yet" not in texts_of(figure)
    assert_whole(figure)


def test_no_records_say_so(texts_of: Texts):
    assert "nothing measured yet" in texts_of(learning_curve([]))
    assert "nothing measured yet" in texts_of(learning_curve([{"step": 1, "loss": math.nan}]))


def test_the_schedule_marks_the_peak_of_the_paper(assert_whole: Check, texts_of: Texts):
    # Equation 3 with d_model 512 and 4000 steps of warm-up: 512^-0.5 · 4000^-0.5 = 1 / √2048000 = 6.99e-4 at step 4000.
    steps = np.arange(1, 8001)
    figure = schedule({"paper": 512**-0.5 * np.minimum(steps**-0.5, steps * 4000**-1.5), "constant": [1e-4] * 100})
    assert "paper: 6.99e-04 at step 4,000" in texts_of(figure)
    assert "constant: 1.00e-04 at step 1" in texts_of(figure)
    assert_whole(figure)


def test_titles_are_drawn_as_they_are(texts_of: Texts):
    assert "$\\bad{$" in texts_of(schedule([1.0], title="$\\bad{$"))


def test_one_schedule_needs_no_name_and_an_empty_one_is_an_empty_picture(assert_whole: Check, texts_of: Texts):
    assert "3.00e-01 at step 2" in texts_of(schedule([0.1, 0.3, 0.2]))
    assert_whole(schedule([]))
    assert " _hidden: 1.00e+00 at step 1" in texts_of(schedule({"_hidden": [1.0]}))
