from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from regard.errors import DataError
from regard.evaluation.compare import Row
from regard.evaluation.scores import Bucket, Score
from regard.looking.charts import bleu_by_length, comparison, lengths, positional_encoding

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


def test_buckets_of_different_runs_share_their_places(assert_whole: Check, texts_of: Texts):
    early, middle, late = Bucket(1, 10, 5, 30.0), Bucket(11, 20, 5, 20.0), Bucket(21, None, 5, 10.0)
    figure = bleu_by_length({"rnn": [early, late], "_transformer 개": [early, middle, late]})
    first, second = figure.axes[0].lines
    assert list(first.get_xdata()) == [0, 2]
    assert list(second.get_ydata()) == [30.0, 20.0, 10.0]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["1–10", "11–20", "≥ 21"]
    assert " _transformer □" in texts_of(figure)
    assert_whole(figure)


def row(name: str, bleu: float, half: float | None, p_value: float | None) -> Row:
    mean = None if half is None else bleu
    scores = Score("BLEU", bleu, mean, half, "s"), Score("chrF2", bleu + 10, mean and mean + 10, half, "s")
    return Row(name, None, None, None, *scores, None, p_value)


def test_runs_stand_side_by_side_and_stars_mark_what_is_significant(assert_whole: Check):
    figure = comparison([row("first", 20, 2, None), row("$second", 24, 2, 0.04), row("third", 21, 2, 0.3)])
    left, right = figure.axes
    assert [bar.get_width() for bar in left.patches] == [20, 24, 21]
    assert [bar.get_width() for bar in right.patches] == [30, 34, 31]
    assert [text.get_text().strip() for text in left.texts] == ["20.0", "24.0 ✱", "21.0"]
    assert [label.get_text() for label in left.get_yticklabels()] == ["first", "$second", "third"]
    assert left.get_ylim()[0] > left.get_ylim()[1]  # the first stands at the top
    assert_whole(figure)


def test_runs_without_intervals_are_drawn(assert_whole: Check):
    figure = comparison([row("only", 0.0, None, None)])
    assert not figure.axes[0].containers[1:]
    assert_whole(figure)
