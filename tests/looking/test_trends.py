from __future__ import annotations

from collections.abc import Callable

import pytest
from matplotlib.figure import Figure

from regard.evaluation.interval import Interval
from regard.looking.directions import Movement, movements
from regard.looking.trends import Panel, bars, exact, smoothed, trends

Check = Callable[[Figure], None]
Texts = Callable[[Figure], list[str]]
LOW, HIGH = Interval(2.0, 1.0, 3.0), Interval(20.0, 10.0, 40.0)


def test_a_panel_s_line_goes_through_its_values_in_the_band_of_its_intervals(assert_whole: Check, texts_of: Texts):
    panel = Panel({"RNN": [(1, LOW), (8, HIGH)]}, "distance", "norm", "P", log_x=True, log_y=True)
    figure = trends([panel], "T")
    (axes,) = figure.axes
    assert list(axes.lines[0].get_xdata()) == [1, 8]
    assert list(axes.lines[0].get_ydata()) == [2, 20]
    band = axes.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (1, 40)
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert {"distance", "norm", "P", "T", "1", "8"} <= set(texts_of(figure))
    assert_whole(figure)


def test_a_name_has_one_colour_in_all_panels(assert_whole: Check):
    left = Panel({"a": [(1, LOW)], "b": [(1, LOW)]}, "x", "y")
    right = Panel({"b": [(1, LOW)], "c": [(1, HIGH)]}, "x", "y")
    figure = trends([left, right])
    first, second = figure.axes
    colours = {line.get_color() for line in first.lines[:2]}
    assert first.lines[1].get_color() == second.lines[0].get_color()
    assert second.lines[1].get_color() not in colours
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b", "c"]
    assert_whole(figure)


def test_one_line_needs_no_legend():
    assert trends([Panel({"a": [(1, LOW)]}, "x", "y")]).legends == []


def test_many_panels_stand_in_rows_and_leave_no_empty_axes(assert_whole: Check):
    figure = trends([Panel({"a": [(1, LOW)]}, "x", "y", str(number)) for number in range(4)])
    assert [axes.get_visible() for axes in figure.axes] == [True] * 4 + [False] * 2
    assert_whole(figure)


def test_a_reference_is_a_dashed_line_with_its_name(texts_of: Texts):
    figure = trends([Panel({"a": [(1, LOW)]}, "x", "y", reference=("chance", 1.5))])
    dashed = [line for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    assert [list(line.get_ydata()) for line in dashed] == [[1.5, 1.5]]
    assert "chance" in texts_of(figure)


def test_bars_show_value_and_interval_the_first_at_the_top(assert_whole: Check, texts_of: Texts):
    figure = bars({"one": LOW, "개": exact(5.0)}, "BLEU", "T")
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == [2, 5]
    assert [list(line.get_xdata()) for line in axes.lines] == [[1, 3]]  # what is exact has no interval
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    assert {"one", "□", "  2.0", "  5.0", "BLEU"} <= set(texts_of(figure))
    assert_whole(figure)


def test_smoothing_is_the_mean_of_the_last_values():
    assert smoothed([4.0, 2.0, 6.0, 1.0], window=2) == [4.0, 3.0, 4.0, 3.5]
    assert smoothed([4.0, 2.0], window=9) == [4.0, 3.0]


@pytest.mark.parametrize("sure", [True, False])
def test_movements_stand_beside_each_other_and_are_hollow_where_not_sure(assert_whole: Check, sure):
    figure = movements([Movement("heads 1", 1.2, 0.9, sure)], "perplexity", "T")
    (axes,) = figure.axes
    _, joined, theirs, ours, *_ = axes.lines
    assert list(joined.get_xdata()) == [1.2, 0.9]
    assert (theirs.get_xdata()[0], ours.get_xdata()[0]) == (1.2, 0.9)
    assert (ours.get_markerfacecolor() == "none") is not sure
    assert_whole(figure)


def test_a_logarithmic_axis_of_less_than_a_power_of_ten_has_ticks(texts_of: Texts):
    narrow = {"loss": [(1, exact(3.2)), (10, exact(1.6))]}
    assert {"2", "3"} <= set(texts_of(trends([Panel(narrow, "size", "nats", log_x=True, log_y=True)])))


def test_a_border_is_a_dashed_line_across_the_panel_at_its_amount_and_has_a_name(assert_whole: Check, texts_of: Texts):
    figure = trends([Panel({"a": [(1, LOW), (9, HIGH)]}, "x", "y", border=("longest of training", 4.0))])
    (axes,) = figure.axes
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert [list(line.get_xdata()) for line in dashed] == [[4, 4]]
    (name,) = (text for text in axes.texts if "longest of training" in text.get_text())
    assert name.get_position()[0] == 4
    assert " longest of training" in texts_of(figure)
    assert_whole(figure)
