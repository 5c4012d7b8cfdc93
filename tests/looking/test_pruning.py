"""The map of the heads' worth: what is written in it, and that it is whole."""

from __future__ import annotations

import numpy as np
import pytest

from regard.errors import DataError
from regard.looking.pruning import Worth, worth_of_heads


def worth(rows: int = 2, columns: int = 3) -> Worth:
    lost = np.linspace(-1.0, 20.0, rows * columns).reshape(rows, columns)
    return Worth("BLEU lost", lost, lost > 5, 1.0, 1)


def test_every_value_stands_in_its_cell_and_the_sure_ones_are_bold(assert_whole, texts_of):
    figure = worth_of_heads([worth(), worth()], ["encoder 1", "cross attention 1"], "The worth of each head")
    assert_whole(figure)
    texts = texts_of(figure)
    assert {"−1.0", "+3.2", "+7.4", "+11.6", "+15.8", "+20.0"} <= set(texts)
    assert {"encoder 1", "cross attention 1", "BLEU lost", "head", "1", "2", "3"} <= set(texts)
    weights = {text.get_text(): text.get_fontweight() for text in figure.axes[0].texts}
    assert [weights[text] for text in ("−1.0", "+3.2", "+7.4")] == ["normal", "normal", "bold"]


def test_a_loss_is_the_colour_of_its_size_and_nothing_is_no_colour():
    image = worth_of_heads([worth(1, 1)], ["encoder 1"]).axes[0].images[0]
    colour = image.get_cmap()
    assert colour(image.norm(0.0))[3] == pytest.approx(0.0, abs=0.02)
    most = image.norm.vmax
    assert image.norm.vmin == -most
    assert colour(image.norm(most))[3] == 1.0
    assert colour(image.norm(most))[0] > colour(image.norm(-most))[0]  # vermilion is redder than blue


def test_rows_that_do_not_fit_the_layers_are_refused():
    with pytest.raises(DataError, match=r"maps: got other rows than 1 layers; expected a row each layer; hand in all"):
        worth_of_heads([worth()], ["encoder 1"])
