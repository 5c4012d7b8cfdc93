from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from regard.errors import DataError
from regard.looking.charts import lengths, positional_encoding

Check = Callable[[Figure], None]
Texts = Callable[[Figure], list[str]]


def test_histograms_count_every_sentence_or_say_how_many_lie_beyond(assert_whole: Check, texts_of: Texts):
    source, target = [3, 3, 4, 5] * 100, [2, 4, 4, 6] * 100
    figure = lengths(source, target, unit="words")
    heights = [patch.get_height() for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    assert sum(heights) == 800
    assert sorted(heights)[-3:] == [100, 200, 200]
    assert "length in words" in texts_of(figure)
    assert "source: median 4, 99 % up to 5" in texts_of(figure)
    assert_whole(figure)


def test_a_few_monsters_do_not_flatten_the_histogram(texts_of: Texts):
    figure = lengths([10] * 999 + [100_000], [10] * 1000)
    assert "length in tokens (1 longer, up to 100,000)" in texts_of(figure)
    assert figure.axes[0].get_xlim()[1] < 20


def test_long_documents_are_counted_in_wider_bars():
    values = np.arange(1, 5001)
    figure = lengths(values, values)
    bars = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    assert 40 <= len(bars) / 2 <= 65


def test_no_sentences_are_refused():
    with pytest.raises(DataError, match=r"^lengths: got no sentences; expected at least one on each side"):
        lengths([1, 2], [])


def test_a_positional_encoding_shows_its_table_between_its_extremes(assert_whole: Check):
    table = np.sin(np.arange(600).reshape(50, 12) / 7)
    figure = positional_encoding(table, "Sinusoids")
    image = figure.axes[0].images[0]
    np.testing.assert_array_equal(np.asarray(image.get_array()), table)
    low, high = image.get_clim()
    assert high == -low == np.abs(table).max()
    for line in figure.axes[1].lines:
        dimension = int(str(line.get_label()).split()[-1])
        np.testing.assert_array_equal(line.get_ydata(), table[:, dimension])
    assert_whole(figure)


@pytest.mark.parametrize("shape", [(1, 1), (1, 8), (8, 1), (600, 256)])
def test_tables_of_any_size_are_drawn(shape: tuple[int, int], assert_whole: Check):
    assert_whole(positional_encoding(np.zeros(shape)))


def test_what_is_no_table_is_refused():
    with pytest.raises(DataError, match=r"^positional encoding: got a table of 3; expected \[positions, d_model\]"):
        positional_encoding([1.0, 2.0, 3.0])
