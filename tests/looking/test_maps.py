from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from numpy.typing import NDArray

from regard.errors import DataError
from regard.looking.align import merge_words
from regard.looking.maps import alignment, heads, masks, piece_labels, pointing
from regard.looking.style import BLUE, VERMILION, save, styled

Check = Callable[[Figure], None]
Texts = Callable[[Figure], list[str]]

SOURCE = ["▁Der", "▁Hund", "▁läuf", "t", ".", "</s>"]
TARGET = ["▁The", "▁dog", "▁run", "s.", "</s>"]


def weights(rows: int, columns: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).dirichlet(np.ones(columns), size=rows)


def shown(axes: Axes) -> NDArray[np.float64]:
    return np.asarray(axes.images[0].get_array())


def tick_texts(axes: Axes) -> tuple[list[str], list[str]]:
    return [t.get_text() for t in axes.get_xticklabels()], [t.get_text() for t in axes.get_yticklabels()]


def test_pieces_are_labelled_for_reading():
    assert piece_labels(SOURCE) == ["Der", "Hund", "läuf", "·t", "·.", "</s>"]
    assert piece_labels(["▁", "gut", "<unk>", "</s>"]) == ["␣", "gut", "<unk>", "</s>"]
    assert piece_labels(["j", "a", "▁", "n"]) == ["j", "a", "␣", "n"]  # single characters
    assert piece_labels(["the", "dog"]) == ["the", "dog"]


def test_an_alignment_shows_the_matrix_it_was_given():
    matrix = weights(5, 6)
    (axes,) = [axes for axes in alignment(matrix, SOURCE, TARGET, "Title").axes if axes.images]
    np.testing.assert_array_equal(shown(axes), matrix)
    assert tick_texts(axes) == (piece_labels(SOURCE), piece_labels(TARGET))
    assert axes.images[0].get_clim() == (0, matrix.max())


def test_an_alignment_between_words_shows_the_merged_matrix():
    matrix = weights(5, 6)
    figure = alignment(matrix, SOURCE, TARGET, words=True)
    np.testing.assert_array_equal(shown(figure.axes[0]), merge_words(matrix, SOURCE, TARGET))
    assert tick_texts(figure.axes[0]) == (["Der", "Hund", "läuft.", "</s>"], ["The", "dog", "runs.", "</s>"])


def test_darker_means_more():
    image = alignment([[0.0, 0.4, 1.0]], ["▁a", "▁b", "▁c"], ["▁x"]).axes[0].images[0]
    opacity = image.to_rgba(image.get_array())[0, :, 3]
    assert opacity[0] == 0
    assert opacity[0] < opacity[1] < opacity[2] == 1


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 46), (81, 47), (3, 200)])
def test_labels_of_alignments_are_whole_and_do_not_overlap(rows: int, columns: int, assert_whole: Check):
    source, target = [f"▁Wörter{i}" for i in range(columns)], [f"▁words{i}" for i in range(rows)]
    figure = alignment(weights(rows, columns), source, target, "A title of some length for this picture")
    assert_whole(figure)
    axes = figure.axes[0]
    with styled():
        across = [label.get_window_extent() for label in axes.get_xticklabels()]
        down = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert all(left.x1 <= right.x0 for left, right in pairwise(across))
    assert all(upper.y0 >= lower.y1 for upper, lower in pairwise(down))


def test_dollars_and_other_scripts_are_drawn_as_they_are(tmp_path: Path, assert_whole: Check, texts_of: Texts):
    pieces = ["▁$\\frac{$", "▁개", "▁\U0001fae0", "▁<b>", "▁a\nb", "▁القطة", "▁_x", "▁" + "long" * 50]
    figure = alignment(weights(8, 8), pieces, pieces, "$\\bad{$ 개 \u202e")
    save(figure, tmp_path / "a.png")
    save(figure, tmp_path / "a.svg")
    texts = texts_of(figure)
    assert "$\\frac{$" in texts
    assert "$\\bad{$ □ U+202E" in texts
    assert sum("install" in text for text in texts) == 1
    assert_whole(figure)


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (6, 3), (8, 4)])
def test_heads_stand_in_full_rows_on_one_scale(count: int, columns: int, assert_whole: Check, texts_of: Texts):
    maps = np.stack([weights(5, 6, seed) for seed in range(count)])
    figure = heads(maps, SOURCE, TARGET, "Layer 1")
    panels = [axes for axes in figure.axes if axes.images]
    for axes, each in zip(panels, maps, strict=True):
        np.testing.assert_array_equal(shown(axes), each)
        assert axes.images[0].get_clim() == (0, maps.max())
    assert panels[0].get_gridspec().ncols == columns
    assert {"head 1", f"head {count}", "Layer 1"} <= set(texts_of(figure))
    assert_whole(figure)


def test_long_sentences_have_heads_without_labels(assert_whole: Check, texts_of: Texts):
    maps = np.stack([weights(40, 30, seed) for seed in range(4)])
    figure = heads(maps, ["▁x"] * 30, ["▁y"] * 40, names=["one", "two", "three", "four"])
    assert sorted(texts_of(figure)) == ["four", "one", "three", "two"]
    assert_whole(figure)


def test_pointing_draws_a_bar_for_each_weight_and_marks_who_looks(assert_whole: Check):
    first, second = [0.1, 0.6, 0.01, 0.29], [0.0, 0.0, 0.0, 1.0]
    pieces = ["▁The", "▁dog", "▁because", "▁it"]
    figure = pointing([(pieces, 3, first), (pieces, 0, second)], "where it looks")
    for axes, expected, query in zip(figure.axes, (first, second), (3, 0), strict=True):
        assert [bar.get_height() for bar in axes.patches] == expected
        colours = [to_hex(bar.get_facecolor()) for bar in axes.patches]
        assert colours == [VERMILION if number == query else BLUE for number in range(4)]
    assert [text.get_text() for text in figure.axes[0].texts] == ["10 %", "60 %", "29 %"]
    assert_whole(figure)


def test_pointing_between_words_adds_up_their_pieces():
    figure = pointing([(SOURCE, 3, [0.1, 0.2, 0.3, 0.1, 0.1, 0.2])], words=True)
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    np.testing.assert_allclose(heights, [0.1, 0.2, 0.5, 0.2])
    assert to_hex(figure.axes[0].patches[2].get_facecolor()) == VERMILION  # "läuft." holds piece 3


def test_masks_show_true_as_may_look(assert_whole: Check):
    encoder, cross = np.ones((6, 6), bool), np.ones((5, 6), bool)
    encoder[:, 5] = cross[:, 5] = False
    decoder = np.tril(np.ones((5, 5), bool))
    figure = masks(encoder, decoder, cross, SOURCE, TARGET)
    for axes, mask in zip(figure.axes, (encoder, decoder, cross), strict=True):
        image = axes.images[0]
        blue = [
            [to_hex(image.to_rgba(image.get_array())[t, s]) == BLUE for s in range(mask.shape[1])]
            for t in range(len(mask))
        ]
        np.testing.assert_array_equal(blue, mask)
    assert_whole(figure)


def test_a_mask_that_hides_nothing_is_all_blue():
    everything = np.ones((5, 5), bool)
    image = masks(everything, everything, everything, TARGET, TARGET).axes[0].images[0]
    assert to_hex(image.to_rgba(image.get_array())[0, 0]) == BLUE


def test_weights_that_do_not_fit_their_pieces_are_refused():
    with pytest.raises(DataError, match=r"^attention: got a matrix of 6×5; expected 5×6"):
        alignment(weights(6, 5), SOURCE, TARGET)
    with pytest.raises(DataError, match=r"^heads: got weights of 5×6; expected weights \[heads, target, source\]"):
        heads(weights(5, 6), SOURCE, TARGET)
    with pytest.raises(DataError, match=r"^heads: got weights of 1×5×6 and 2 names; expected .* a name each head"):
        heads(weights(5, 6)[None], SOURCE, TARGET, names=["a", "b"])
    with pytest.raises(DataError, match=r"^attention: got a matrix of 1×3; expected 1×6"):
        pointing([(SOURCE, 0, [0.2, 0.3, 0.5])])
    with pytest.raises(DataError, match=r"^attention: got a matrix of 6×6; expected 5×5"):
        masks(np.ones((6, 6)), np.ones((6, 6)), np.ones((5, 6)), SOURCE, TARGET)
