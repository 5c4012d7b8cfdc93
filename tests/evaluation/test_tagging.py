from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regard.errors import DataError
from regard.evaluation.tagging import Span, spans_of, tagging

LABELS = st.lists(st.sampled_from(["O", "B-X", "I-X", "B-Y", "I-Y"]), max_size=12)


def labels_of(spans: set[Span], length: int) -> list[str]:
    """The labels that mark the spans: the way back."""
    labels = ["O"] * length
    for span in spans:
        labels[span.start : span.end] = [f"B-{span.kind}"] + [f"I-{span.kind}"] * (span.end - span.start - 1)
    return labels


@pytest.mark.parametrize(
    ("labels", "spans"),
    [
        ("", set()),
        ("O O", set()),
        ("B-X I-X O B-Y", {("X", 0, 2), ("Y", 3, 4)}),
        ("B-X B-X I-X", {("X", 0, 1), ("X", 1, 3)}),
        ("O I-X I-X", {("X", 1, 3)}),  # an I that continues nothing begins a span
        ("B-X I-Y", {("X", 0, 1), ("Y", 1, 2)}),
        ("B-A-B I-A-B", {("A-B", 0, 2)}),
    ],
)
def test_spans_are_read_as_conlleval_reads_them(labels: str, spans: set[tuple[str, int, int]]):
    assert spans_of(labels.split()) == spans


@given(LABELS)
def test_spans_written_and_read_again_are_the_same(labels: list[str]):
    spans = spans_of(labels)
    assert spans_of(labels_of(spans, len(labels))) == spans
    assert sum(span.end - span.start for span in spans) == sum(label != "O" for label in labels)


def test_a_word_without_label_ends_a_span_and_counts_for_nothing():
    assert spans_of(["B-X", None, "I-X"]) == {("X", 0, 1), ("X", 2, 3)}
    found = tagging([["B-X", "B-X", "O"]], [["B-X", None, "B-X"]])
    assert (found.words, found.accuracy.value) == (2, 0.5)


def test_scores_are_those_of_arithmetic_by_hand():
    gold = [["B-X", "I-X", "O", "B-Y"], ["O", "B-X"]]
    predicted = [["B-X", "I-X", "B-Y", "B-Y"], ["O", "B-Y"]]
    found = tagging(predicted, gold)
    assert (found.accuracy.value, found.words, found.sentences) == (4 / 6, 6, 2)
    everything, x, y = found.spans  # right: one X and one Y, of 4 found and 3 true
    assert (everything.kind, everything.precision, everything.recall, everything.f1) == ("", 2 / 4, 2 / 3, 4 / 7)
    assert (x.kind, x.precision, x.recall, x.f1, x.spans) == ("X", 1, 1 / 2, 2 / 3, 2)
    assert (y.kind, y.precision, y.recall, y.f1, y.spans) == ("Y", 1 / 3, 1, 1 / 2, 1)
    assert [row[0] for row in found.rows()] == ["accuracy of words", "F1 of spans", "F1 of spans X", "F1 of spans Y"]
    assert json.loads(json.dumps(found.to_dict()))["spans"][0]["recall"] == 2 / 3


@given(LABELS.filter(bool))
def test_the_right_labels_have_all_there_is(labels: list[str]):
    found = tagging([labels], [labels])
    assert found.accuracy.value == 1
    assert found.spans[0].f1 == (1.0 if spans_of(labels) else 0.0)


def test_parts_of_speech_have_no_spans():
    assert tagging([["NOUN", "VERB"]], [["NOUN", "O"]]).spans == ()


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(DataError, match=r"^labels: got no labelled words; expected at least one"):
        tagging([["O"]], [[None]])
    with pytest.raises(
        DataError, match=r"^predictions: got 0 sentences; expected as many as were labelled \(1\); give one each, in"
    ):
        tagging([], [["O"]])
    with pytest.raises(
        DataError, match=r"^sentence 2: got 1 labels; expected one for each of its 2 words; predict them all"
    ):
        tagging([["O"], ["O"]], [["O"], ["O", "O"]])
    with pytest.raises(DataError, match=r"^label: got 'NOUN'; expected O, B-TYPE or I-TYPE; write the labels as BIO"):
        spans_of(["NOUN"])
