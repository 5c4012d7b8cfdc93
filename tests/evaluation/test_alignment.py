"""The alignment error rate: by hand, by NLTK, and what its files must look like."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk.translate import metrics

from regard.errors import DataError
from regard.evaluation.alignment import Gold, alignment_error_rate, gold_links, read_alignments

links = st.frozensets(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=8)


def spelt(found: frozenset[tuple[int, int]]) -> str:
    return " ".join(f"{source}-{target}" for source, target in sorted(found))


def write(folder: Path, text: str) -> Path:
    path = folder / "gold.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_rates_by_hand():
    # A = {0-0, 1-1, 2-1}, S = {0-0, 1-2}, P = {0-0, 1-2, 1-1}: |A∩S| = 1, |A∩P| = 2, |A| = 3, |S| = 2.
    found = alignment_error_rate(["0-0 1-1 2-1"], [gold_links("0-0 1-2 1?1")])
    assert found.error_rate.value == pytest.approx(1 - (1 + 2) / (3 + 2))
    assert found.precision.value == pytest.approx(2 / 3)
    assert found.recall.value == pytest.approx(1 / 2)
    assert found.pairs == 1


def test_links_are_counted_over_all_pairs():
    # Sums: |A∩S| = 1 + 0, |A∩P| = 1 + 0, |A| = 1 + 3, |S| = 1 + 1; the mean of the pairs' rates would be 1/2.
    found = alignment_error_rate(["0-0", "0-1 1-1 2-1"], [gold_links("0-0"), gold_links("0-0")])
    assert found.error_rate.value == pytest.approx(1 - 2 / 6)


@given(links, links, links)
def test_it_is_that_of_nltk(found: frozenset, sure: frozenset, more: frozenset):
    if not found or not sure:
        return  # NLTK divides by |A| + |S|
    ours = alignment_error_rate([spelt(found)], [Gold(sure, sure | more)], resamples=2)
    theirs = metrics.alignment_error_rate(sure, found, possible=sure | more)
    assert ours.error_rate.value == pytest.approx(theirs, abs=1e-12)


@given(links, links, links)
def test_all_sure_links_and_only_possible_ones_are_no_error(sure: frozenset, one: frozenset, other: frozenset):
    found = alignment_error_rate([spelt(sure | one)], [Gold(sure, sure | one | other)], resamples=2)
    assert (found.error_rate.value, found.precision.value, found.recall.value) == (0, 1, 1)


def test_the_interval_is_over_pairs():
    golds = [gold_links("0-0")] * 40
    spread = alignment_error_rate(["0-0"] * 20 + ["1-1"] * 20, golds).error_rate
    assert spread.low < 0.4 < spread.value == 0.5 < 0.6 < spread.high
    alike = alignment_error_rate(["0-0 1-1"] * 40, golds).error_rate
    assert alike.low == alike.value == alike.high == pytest.approx(1 / 3)


def test_a_file_tells_sure_from_possible_links_and_may_have_empty_lines(tmp_path: Path):
    first, empty, last = read_alignments(write(tmp_path, "0-0 1?2 3p1\n\n10-7\n"), [(4, 3), (1, 1), (11, 8)])
    assert first == Gold(frozenset({(0, 0)}), frozenset({(0, 0), (1, 2), (3, 1)}))
    assert empty == Gold(frozenset(), frozenset())
    assert last == Gold(frozenset({(10, 7)}), frozenset({(10, 7)}))


def test_what_is_no_link_is_named_with_its_line(tmp_path: Path):
    path = write(tmp_path, "0-0\n0-0 1:2\n")
    message = r"gold.txt:2: got '1:2'; expected SOURCE-TARGET, or SOURCE\?TARGET .*; write the alignment in Pharaoh's"
    with pytest.raises(DataError, match=message):
        read_alignments(path)


def test_a_link_to_a_word_that_is_not_there_is_refused(tmp_path: Path):
    path = write(tmp_path, "0-0\n1-2\n")
    with pytest.raises(DataError, match=r"gold.txt:2: got a link of target word 2; expected target words 0 to 1; co"):
        read_alignments(path, [(1, 1), (2, 2)])
    with pytest.raises(DataError, match=r"gold.txt:1: got a link of source word 0; expected none, since the source"):
        read_alignments(path, [(0, 1), (2, 3)])


def test_another_number_of_lines_is_refused(tmp_path: Path):
    with pytest.raises(
        DataError,
        match=r"gold.txt: got 1 lines; expected 2, one for each sentence pair; give the alignments of these pairs",
    ):
        read_alignments(write(tmp_path, "0-0\n"), [(1, 1), (1, 1)])
    with pytest.raises(DataError, match=r"alignments: got 1 lines; expected 2, one for each gold alignment; give"):
        alignment_error_rate(["0-0"], [gold_links("")] * 2)
    with pytest.raises(DataError, match=r"alignments: got 0 lines; expected one pair or more"):
        alignment_error_rate([], [])
