from __future__ import annotations

from collections.abc import Callable

import pytest
from matplotlib.figure import Figure

from regard.errors import DataError
from regard.evaluation.interval import Interval
from regard.looking.intervals import growth, shares

Check = Callable[[Figure], None]
Texts = Callable[[Figure], list[str]]
HALF, ALL = Interval(0.5, 0.4, 0.625), Interval(1.0, 0.9, 1.0)


def test_bars_are_in_percent_with_their_intervals_and_chance(assert_whole: Check, texts_of: Texts):
    figure = shares({"counts": {"cosine": HALF, "dot": ALL}, "개": {"cosine": ALL, "dot": HALF}}, "share", "T", 0.08)
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == [50, 100, 100, 50]
    assert list(axes.lines[0].get_xdata()) == [40, 62.5]
    shown = texts_of(figure)
    assert {"chance: 8.0 %", "cosine", "dot", "counts", "□", "  50.0"} <= set(shown)
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first stands at the top
    assert_whole(figure)


def test_one_key_needs_no_legend(texts_of: Texts):
    assert "only" not in texts_of(shares({"a": {"only": HALF}}, "share"))


def test_rows_of_other_keys_are_refused():
    with pytest.raises(DataError, match=r"^shares: got rows of other keys; expected the same keys in each row"):
        shares({"a": {"x": HALF}, "b": {"y": HALF}}, "share")
    with pytest.raises(DataError, match=r"^shares: got rows of other keys"):
        shares({}, "share")


def test_a_line_goes_through_its_values_in_the_band_of_its_intervals(assert_whole: Check, texts_of: Texts):
    figure = growth({"_counts": [(100, HALF), (10_000, ALL)], "learned": [(100, ALL)]}, "sentences", "%", "T")
    (axes,) = figure.axes
    first, second = axes.lines
    assert list(first.get_xdata()) == [100, 10_000]
    assert list(first.get_ydata()) == [50, 100]
    assert list(second.get_ydata()) == [100]
    band = axes.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (40, 100)
    assert {"100", "10,000", " _counts", "learned"} <= set(texts_of(figure))
    assert_whole(figure)
