"""Codes of positions as maps: the values that are drawn, on one scale, under their names."""

from __future__ import annotations

import numpy as np

from regard.looking.positions import position_codes


def test_each_code_is_drawn_as_it_is_on_one_scale_with_nothing_at_zero():
    waves, digits = np.array([[0.0, 1.0], [0.5, -0.5], [-1.0, 0.0]]), np.array([[0.0], [1.0], [0.0]])
    figure = position_codes({"waves": waves, "digits": digits}, "Codes")
    for axes, name, table in zip(figure.axes, ("waves", "digits"), (waves, digits), strict=False):
        image = axes.images[0]
        assert np.array_equal(np.asarray(image.get_array()), table)
        assert axes.get_title(loc="left") == name
        assert image.get_clim() == (-1.0, 1.0)
    assert image.cmap(image.norm(0.0))[3] < 0.01  # as good as transparent
    assert image.cmap(image.norm(1.0))[3] == image.cmap(image.norm(-1.0))[3] == 1.0
    for value in (-0.25, 0.25):
        assert abs(image.cmap(image.norm(value))[3] - 0.25) < 0.01
