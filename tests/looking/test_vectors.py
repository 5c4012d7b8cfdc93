from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from regard.errors import DataError
from regard.looking.style import BLUE, FAINT, VERMILION, styled
from regard.looking.vectors import neighbours, word_maps

Check = Callable[[Figure], None]
Texts = Callable[[Figure], list[str]]
WORDS = [f"word{number}" for number in range(40)]
CLASSES = [f"class {number % 8}" for number in range(40)]


def points(seed: int, spread: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(40, 2)) * spread


def labels(figure: Figure, panel: int) -> list[Annotation]:
    return [text for text in figure.axes[panel].texts if isinstance(text, Annotation)]


def test_every_word_stands_on_every_map_and_no_label_covers_another(assert_whole: Check):
    figure = word_maps({"counts": points(1), "learned": points(2)}, WORDS, CLASSES, "Maps")
    assert_whole(figure)
    for panel in (0, 1):
        notes = labels(figure, panel)
        assert sorted(note.get_text() for note in notes) == sorted(WORDS)
        with styled():
            boxes = [note.get_window_extent() for note in notes]
            frame = figure.axes[panel].get_window_extent()
        for number, box in enumerate(boxes):
            assert box.x0 >= frame.x0 - 1
            assert box.x1 <= frame.x1 + 1
            for other in boxes[:number]:
                width, height = (
                    min(box.x1, other.x1) - max(box.x0, other.x0),
                    min(box.y1, other.y1) - max(box.y0, other.y0),
                )
                assert width <= 0.5 or height <= 0.5


def test_a_class_has_one_colour_and_mark_on_all_maps(texts_of: Texts):
    figure = word_maps({"one": points(1), "two": points(2)}, WORDS, CLASSES)
    first, second = (axes.collections for axes in figure.axes[:2])
    assert len(first) == 8
    for ours, theirs in zip(first, second, strict=True):
        np.testing.assert_array_equal(ours.get_facecolor(), theirs.get_facecolor())
        assert ours.get_label() == theirs.get_label()
    looks = {(tuple(one.get_facecolor()[0]), one.get_paths()[0].vertices.tobytes()) for one in first}
    assert len(looks) == 8
    assert "class 3" in texts_of(figure)


def test_words_that_lie_on_one_place_are_all_readable(assert_whole: Check):
    figure = word_maps({"map": np.zeros((12, 2))}, WORDS[:12])
    assert_whole(figure)
    with styled():
        boxes = [note.get_window_extent() for note in labels(figure, 0)]
    centres = {(round(box.x0), round(box.y0)) for box in boxes}
    assert len(centres) == 12
    assert figure.axes[0].lines  # lines lead to those that had to move away


def test_letters_that_no_font_has_are_said_once(texts_of: Texts):
    figure = word_maps({"지도": points(1)[:2]}, ["개", "$x"])
    shown = texts_of(figure)
    assert {"□", "□□", "$x"} <= set(shown)
    assert sum("no installed font has" in text for text in shown) == 1


def test_points_words_and_classes_that_do_not_fit_are_refused():
    with pytest.raises(
        DataError, match=r"^map: got points of 40×2, 3 words, 3 classes; expected two numbers and a class"
    ):
        word_maps({"map": points(1)}, WORDS[:3])


FOUND = {"dog": [("cat", 0.9, True), ("the", 0.45, False)], "_run": [("ran", 0.6, None)]}


def test_bars_are_as_long_as_neighbours_are_similar_and_their_colour_says_whether_of_the_class(assert_whole: Check):
    figure = neighbours({"counts": FOUND, "learned": {"dog": [], "_run": []}}, "Nearest")
    assert_whole(figure)
    dog, _, run, _ = figure.axes
    assert [bar.get_width() for bar in dog.patches] == pytest.approx([1, 0.5])
    assert [bar.get_width() for bar in run.patches] == pytest.approx([0.6 / 0.9])
    colours = [bar.get_facecolor()[:3] for bar in (*dog.patches, *run.patches)]
    from matplotlib.colors import to_rgb

    assert colours == [to_rgb(BLUE), to_rgb(VERMILION), to_rgb(FAINT)]
    assert [text.get_text() for text in dog.texts] == ["cat", "0.90", "the", "0.45"]
    assert dog.get_ylabel() == "dog"


def test_similarities_of_nothing_and_less_are_drawn(assert_whole: Check):
    assert_whole(neighbours({"a": {"x": [("y", 0.0, True), ("z", -1.0, False)]}}))
    assert_whole(neighbours({"a": {"x": [("개", 2_000_000.0, True)]}}))


def test_columns_of_other_words_are_refused():
    with pytest.raises(DataError, match=r"^neighbours: got columns of other words; expected the same words in each"):
        neighbours({"a": FOUND, "b": {"dog": []}})
    with pytest.raises(DataError, match=r"^neighbours: got columns of other words"):
        neighbours({})
