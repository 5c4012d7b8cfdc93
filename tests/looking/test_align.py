from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regard.errors import DataError
from regard.looking.align import checked, merge_groups, merge_words, pharaoh, spell, word_groups, words_of

SOURCE = ["▁Der", "▁Hund", "▁läuf", "t", ".", "</s>"]
TARGET = ["▁The", "▁dog", "▁run", "s.", "</s>"]
# A row each target piece; every row sums to one.
MATRIX = [
    [0.7, 0.1, 0.1, 0.0, 0.0, 0.1],  # The
    [0.1, 0.6, 0.1, 0.1, 0.0, 0.1],  # dog
    [0.0, 0.2, 0.4, 0.3, 0.0, 0.1],  # run
    [0.0, 0.0, 0.1, 0.2, 0.5, 0.2],  # s.
    [0.0, 0.0, 0.0, 0.0, 0.1, 0.9],  # </s>
]


def test_words_begin_at_the_mark_and_specials_stand_alone():
    assert word_groups(SOURCE) == [[0], [1], [2, 3, 4], [5]]
    assert words_of(SOURCE) == ["Der", "Hund", "läuft.", "</s>"]
    assert word_groups(["▁a", "<unk>", "b", "</s>", "<pad>"]) == [[0], [1], [2], [3], [4]]


def test_pieces_without_marks_are_words_already():
    assert words_of(["the", "dog", "</s>"]) == ["the", "dog", "</s>"]
    assert word_groups([]) == []


def test_spelling_joins_bytes_and_spaces():
    assert spell(["▁", "<0xEA>", "<0xB0>", "<0x9C>"]) == "개"
    assert spell(["▁a", "▁b", "c"]) == "a bc"
    assert spell(["<0xFF>"]) == "\ufffd"
    assert words_of(["H", "u", "n", "d", "▁", "j", "a"]) == ["Hund", "ja"]


def test_merging_adds_over_the_source_and_averages_over_the_target():
    # "läuft." is columns 2+3+4; "runs." is the mean of rows 2 and 3.
    by_hand = [
        [0.7, 0.1, 0.1, 0.1],
        [0.1, 0.6, 0.2, 0.1],
        [0.0, 0.1, 0.75, 0.15],  # sums (0.7, 0.8) → 0.75; (0.2, 0.0) → 0.1; (0.1, 0.2) → 0.15
        [0.0, 0.0, 0.1, 0.9],
    ]
    np.testing.assert_allclose(merge_words(MATRIX, SOURCE, TARGET), by_hand, atol=1e-12)


@given(
    st.lists(st.sampled_from(["▁a", "b", "</s>", "▁", "<unk>"]), min_size=1, max_size=8),
    st.lists(st.sampled_from(["▁a", "b", "</s>", "▁", "<unk>"]), min_size=1, max_size=8),
    st.integers(0, 2**32 - 1),
)
def test_rows_still_sum_to_one_between_words(source: list[str], target: list[str], seed: int):
    weights = np.random.default_rng(seed).dirichlet(np.ones(len(source)), size=len(target))
    merged = merge_words(weights, source, target)
    assert merged.shape == (len(word_groups(target)), len(word_groups(source)))
    np.testing.assert_allclose(merged.sum(axis=1), 1.0, atol=1e-12)
    assert sorted(n for group in word_groups(source) for n in group) == list(range(len(source)))


def test_pharaoh_takes_the_best_source_word_of_each_target_word():
    assert pharaoh(merge_words(MATRIX, SOURCE, TARGET)) == "0-0 1-1 2-2 3-3"


def test_pharaoh_counts_source_first():
    assert pharaoh(np.array([[0.1, 0.9], [0.7, 0.3]])) == "0-1 1-0"
    assert pharaoh(np.array([[0.1, 0.9], [0.2, 0.8]])) == "1-0 1-1"  # both look at source word 1


def test_pharaoh_with_a_threshold_takes_all_that_reach_it():
    weights = merge_words(MATRIX, SOURCE, TARGET)
    assert pharaoh(weights, threshold=0.2) == "0-0 1-1 2-1 2-2 3-3"
    assert pharaoh(weights, threshold=0.99) == ""


def test_groups_may_leave_pieces_out():
    """The looked-at ones are added up, the looking ones are a mean; the last column and row are in no group."""
    matrix = [[0.1, 0.2, 0.7], [0.5, 0.1, 0.4], [0.0, 0.0, 1.0]]
    np.testing.assert_allclose(merge_groups(matrix, [[0, 1]], [[0, 1]]), [[(0.3 + 0.6) / 2]])


def test_a_matrix_that_does_not_fit_its_pieces_is_refused():
    message = r"^attention: got a matrix of 2×3; expected 3×2, a row each target piece"
    with pytest.raises(DataError, match=message):
        checked(np.zeros((2, 3)), ["a", "b"], ["x", "y", "z"])
    with pytest.raises(DataError, match=r"^attention: got a matrix of 0×2"):
        merge_words(np.zeros((0, 2)), ["a", "b"], [])
