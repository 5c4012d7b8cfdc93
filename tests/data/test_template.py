from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regard.data.batching import IGNORED, plan_batches
from regard.data.store import Store, write_columns
from regard.data.template import (
    Template,
    collate_couples,
    collate_labelled,
    cut_lengths,
    text_pieces,
    wrapped,
    wrapped_lengths,
    wrapped_pieces,
)
from regard.data.tokenizers.layout import LAYOUTS
from regard.data.tokenizers.tokenizer import TokenizerSettings, train_tokenizer
from regard.errors import DataError, SettingError

CLS, SEP, PAD = 101, 102, 99
BERT = Template((CLS,), (SEP,), (SEP,), second_type=1)
ROBERTA = Template((CLS,), (SEP, SEP), (SEP,))
PLAIN = Template()


class Numbers:
    """A text of numbers is those numbers."""

    size = 200

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return [[int(word) for word in text.split()] for text in texts]


ROWS = [("1 2 3", "11 12", "0"), ("4", "", "2"), ("", "13", "1"), ("5 6 7 8 9", "14 15 16 17", "0")]
TEXTS = [Numbers().encode_batch(list(row[:2])) for row in ROWS]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return write_columns(tmp_path / "store", ROWS, {name: Numbers() for name in ("first", "second", "label")})


def by_hand(template: Template, texts: Sequence[list[int]]) -> tuple[list[int], list[int]]:
    ids, types = [*template.before, *texts[0]], [0] * (len(template.before) + len(texts[0]))
    if len(texts) == 2:
        ids, types = [*ids, *template.between], [*types, *[0] * len(template.between)]
        ids, types = [*ids, *texts[1]], [*types, *[template.second_type] * len(texts[1])]
    last = template.second_type if len(texts) == 2 else 0
    return [*ids, *template.after], [*types, *[last] * len(template.after)]


@pytest.mark.parametrize("template", [BERT, ROBERTA, PLAIN])
@pytest.mark.parametrize("columns", [["first"], ["second"], ["first", "second"], ["second", "first"]])
@pytest.mark.parametrize("rows", [[0], [3, 1], [0, 1, 2, 3], [2, 2]])
def test_texts_stand_within_the_template_as_by_hand(store: Store, template: Template, columns, rows) -> None:
    ids, types = wrapped(store, columns, rows, template, PAD, longest=50)
    expected = [by_hand(template, [TEXTS[row][["first", "second"].index(name)] for name in columns]) for row in rows]
    width = max(len(one) for one, _ in expected)
    assert ids.tolist() == [one + [PAD] * (width - len(one)) for one, _ in expected]
    assert types.tolist() == [kinds + [0] * (width - len(kinds)) for _, kinds in expected]
    lengths = wrapped_lengths(store, columns, template, 50)
    assert lengths[rows].tolist() == [[len(one)] for one, _ in expected]


def test_a_long_text_loses_its_end(store: Store) -> None:
    assert wrapped(store, ["first"], [3], BERT, PAD, longest=5)[0].tolist() == [[CLS, 5, 6, 7, SEP]]
    assert wrapped_lengths(store, ["first"], BERT, 5).tolist() == [[5], [3], [2], [5]]


def test_of_a_pair_the_longer_text_loses_its_end(store: Store) -> None:
    ids, types = wrapped(store, ["first", "second"], [3, 0], BERT, PAD, longest=8)
    assert ids.tolist() == [[CLS, 5, 6, 7, SEP, 14, 15, SEP], [CLS, 1, 2, 3, SEP, 11, 12, SEP]]
    assert types.tolist() == [[0, 0, 0, 0, 0, 1, 1, 1]] * 2


def one_at_a_time(first: int, second: int, room: int) -> list[int]:
    while first + second > room:
        first, second = (first - 1, second) if first > second else (first, second - 1)
    return [first, second]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1), st.integers(2, 40))
def test_tokens_go_one_at_a_time_from_the_longer(lengths: list[tuple[int, int]], room: int) -> None:
    expected = [one_at_a_time(*pair, room) for pair in lengths]
    assert cut_lengths(np.array(lengths), room).tolist() == expected
    assert cut_lengths(np.array(lengths)[:, :1], room).tolist() == [[min(first, room)] for first, _ in lengths]


def test_there_has_to_be_room_for_a_token(store: Store) -> None:
    with pytest.raises(
        SettingError, match="longest: got room for 1 tokens; expected at least a token of each text; raise"
    ):
        wrapped(store, ["first", "second"], [0], BERT, PAD, longest=4)
    with pytest.raises(SettingError, match="got room for 0 tokens"):
        wrapped(store, ["first"], [0], BERT, PAD, longest=1)


class Wrapped(NamedTuple):
    ids: list[int]
    types: list[int]


@pytest.mark.parametrize("template", [BERT, ROBERTA, PLAIN, Template((), (), (1,)), Template((), (1,), (1, 7))])
def test_a_template_is_found_out_by_wrapping(template: Template) -> None:
    wrap: Callable[[list[int], list[int]], Wrapped] = lambda first, second: Wrapped(*by_hand(template, [first, second]))  # noqa: E731
    assert Template.of(wrap) == template


# --- pieces


@pytest.mark.parametrize("longest", [1, 2, 3, 50])
def test_no_token_of_a_long_text_is_lost_where_it_is_cut_into_pieces(store: Store, longest: int) -> None:
    pieces = text_pieces(store, "first", longest)
    expected = [text[begin : begin + longest] for text, _ in TEXTS for begin in range(0, len(text), longest)]
    width = max(map(len, expected)) + 2
    found = wrapped_pieces(store, "first", pieces, BERT, PAD).tolist()
    assert found == [[CLS, *piece, SEP] + [PAD] * (width - 2 - len(piece)) for piece in expected]
    assert wrapped_pieces(store, "first", pieces[[2, 0]], PLAIN, PAD)[1][: len(expected[0])].tolist() == expected[0]


def test_texts_without_tokens_have_no_pieces(tmp_path: Path) -> None:
    store = write_columns(tmp_path / "empty", [("",)], {"first": Numbers()})
    with pytest.raises(DataError, match="got texts without tokens; expected some tokens; check the corpus"):
        text_pieces(store, "first", 5)


# --- labels


def test_a_text_has_a_label(store: Store) -> None:
    batch = collate_labelled(store, [3, 0, 1], BERT, PAD, 50, ["first", "second"])
    assert batch.labels.tolist() == [0, 0, 2]
    assert batch.target_tokens == 3
    ids, types = wrapped(store, ["first", "second"], [3, 0, 1], BERT, PAD, 50)
    assert (batch.ids.tolist(), batch.types.tolist()) == (ids.tolist(), types.tolist())


def test_batches_are_planned_by_what_they_will_hold(store: Store) -> None:
    lengths = wrapped_lengths(store, ["first"], BERT, 50)
    plan = plan_batches(lengths, 7, 0, 0, extra=0)
    assert sorted(row for batch in plan for row in batch.tolist()) == [0, 1, 2, 3]
    sizes = [collate_labelled(store, rows, BERT, PAD, 50, ["first"]).ids.numel() for rows in plan]
    assert all(size <= 7 for size in sizes)
    assert max(map(len, plan)) == 2


WORDS = [
    # ids of the text, pieces of its words, their labels
    ("1 2 3 4 5", "2 1 2", "7 8 9"),
    ("6", "1", "5"),
    ("10 11", "0 2", "3 4"),  # a word that left no piece
]


@pytest.mark.parametrize("template", [BERT, PLAIN])
@pytest.mark.parametrize("longest", [50, 5, 3])
def test_the_label_of_a_word_stands_at_its_first_piece(tmp_path: Path, template: Template, longest: int) -> None:
    store = write_columns(tmp_path / "s", WORDS, {name: Numbers() for name in ("words", "pieces", "labels")})
    batch = collate_labelled(store, [0, 1, 2], template, PAD, longest, ["words"], "labels", pieces="pieces")
    label = {1: 7, 3: 8, 4: 9, 6: 5, 10: 4}  # by the id that begins the word
    assert batch.labels.tolist() == [[label.get(index, IGNORED) for index in row] for row in batch.ids.tolist()]
    assert batch.target_tokens == sum(index in label for row in batch.ids.tolist() for index in row) > 0


def test_couples_are_two_texts_each(store: Store) -> None:
    batch = collate_couples(store, [0, 3], BERT, PAD, 6)
    assert batch.first.tolist() == [[CLS, 1, 2, 3, SEP, PAD], [CLS, 5, 6, 7, 8, SEP]]
    assert batch.second.tolist() == [[CLS, 11, 12, SEP, PAD, PAD], [CLS, 14, 15, 16, 17, SEP]]
    assert batch.target_tokens == 2
    same = collate_couples(store, [0], BERT, PAD, 6, ("first", "first"))
    assert same.first.tolist() == same.second.tolist()


@pytest.mark.parametrize(
    ("layout", "before", "between", "after", "second_type"),
    [
        ("regard", [], ["</s>"], ["</s>"], 0),
        ("bert", ["[CLS]"], ["[SEP]"], ["[SEP]"], 1),
        ("roberta", ["<s>"], ["</s>", "</s>"], ["</s>"], 0),
        ("t5", [], ["</s>"], ["</s>"], 0),
    ],
)
def test_the_template_of_a_tokenizer_is_that_of_its_layout(layout: str, before, between, after, second_type) -> None:
    texts = ["Ein Hund läuft.", "Zwei Hunde laufen."] * 20
    tokenizer = train_tokenizer(texts, TokenizerSettings(), LAYOUTS[layout])
    found = Template.of(tokenizer.wrap)
    assert [tokenizer.pieces_of(part) for part in (found.before, found.between, found.after)] == [
        before,
        between,
        after,
    ]
    assert found.second_type == second_type
    assert list(by_hand(found, [[9, 8], [7]])[0]) == list(tokenizer.wrap([9, 8], [7]).ids)
    assert list(by_hand(found, [[9, 8]])[0]) == list(tokenizer.wrap([9, 8]).ids)
