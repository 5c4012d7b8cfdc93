"""Pictures of costs."""

from __future__ import annotations

import pytest

from regard.looking.powers import Growth, apart, powers
from regard.looking.trends import exact


def test_every_line_has_its_exponent_at_its_end_and_its_name_in_the_legend():
    lines = {"one": [(1, exact(2.0)), (10, exact(20.0))], "two": [(1, exact(2.0)), (10, exact(20.5))]}
    figure = powers([Growth(lines, {"one": 1.0, "two": 1.01}, "n", "ms", "", ("n = d", 3.0))], "Title")
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == [" n = d", "1.00", "1.01"]  # the first beside its line
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "two"]
    figure.draw_without_rendering()
    assert all("$" not in label.get_text() for label in axes.get_yticklabels())


def test_places_too_near_are_moved_up_in_their_order():
    assert apart([0.5, 0.0, 0.51, 0.9], 0.1) == pytest.approx([0.5, 0.0, 0.6, 0.9])
