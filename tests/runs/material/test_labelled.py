"""Labelled texts: which rows, which labels, and what is refused."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from regard.data.batching import IGNORED
from regard.errors import DataError, SettingError
from regard.runs.material import read_corpus
from regard.runs.material.labelled import LabelledCorpus, chosen_rows
from regard.runs.recipe import recipe_from

ROWS = [f"text number {n}\t{'rare' if n == 7 else 'even' if n % 2 == 0 else 'odd'}" for n in range(100)]


def corpus(path: str, kind: str = "classification", seed: int = 1, **data: object) -> LabelledCorpus:
    table = {"data": {"text": path, **data}, "task": {"kind": kind}, "train": {"seed": seed}}
    found = read_corpus(recipe_from(table, size="tiny"))
    assert isinstance(found, LabelledCorpus)
    return found


@pytest.fixture
def table(written) -> str:
    return written("t.tsv", "text\tlabel", *ROWS)


def test_every_row_is_trained_or_validated_on(table):
    found = corpus(table)
    rows = [tuple(row.split("\t")) for row in ROWS]
    assert sorted(found.train + found.valid) == sorted(rows)
    assert found.valid == rows[::20]
    assert found.labels.names == ("even", "odd", "rare")


def test_a_label_that_only_the_held_out_rows_have_is_a_label_all_the_same(written):
    rows = [row.replace("even", "only here") if n == 20 else row for n, row in enumerate(ROWS)]
    found = corpus(written("t.tsv", "text\tlabel", *rows))
    assert "only here" in found.labels.names


def test_a_label_of_the_validation_file_that_training_has_not_is_refused(table, written):
    valid = written("v.tsv", "text\tlabel", "a\teven", "b\tprime")
    with pytest.raises(DataError, match="label: got 'prime'; expected one that was learnt"):
        corpus(table, valid_text=valid)


def test_so_many_labels_are_the_same_ones_for_the_same_seed_and_of_every_class(table):
    for count in (3, 10, 50):
        found = corpus(table, labels=count)
        assert len(found.train) == count
        assert {row[-1] for row in found.train} == {"even", "odd", "rare"}
        assert found.train == corpus(table, labels=count).train
        assert found.valid == corpus(table).valid
        assert set(found.train) < set(corpus(table).train)
    assert corpus(table, labels=10).train != corpus(table, labels=10, seed=2).train
    assert corpus(table, labels=1000).train == corpus(table).train
    assert len(corpus(table, labels=2).train) == 2


def test_the_choice_of_rows_is_by_chance():
    """Of ten thousand choices of 3 among 6, with two classes of 3, each row is in about half."""
    rows = [(str(n), "ab"[n % 2]) for n in range(6)]
    counts = Counter(row for seed in range(2000) for row in chosen_rows(rows, 3, seed))
    assert all(850 < counts[row] < 1150 for row in rows)
    assert all({label for _, label in chosen_rows(rows, 2, seed)} == {"a", "b"} for seed in range(50))


def test_a_label_of_several_words_is_one_label_of_a_text_and_several_of_its_words():
    rows = [("1", "very good"), ("2", "good"), ("3", "very bad"), ("4", "bad")]
    few = [[label for _, label in chosen_rows([*rows, *rows], 4, seed)] for seed in range(50)]
    assert all(len(set(labels)) == 4 for labels in few)
    words = [chosen_rows(rows, 3, seed, each_word=True) for seed in range(50)]
    assert all({word for _, label in found for word in label.split()} == {"very", "good", "bad"} for found in words)


@pytest.mark.parametrize(
    ("lines", "data", "message"),
    [
        (["text\tkind", "a\tb"], {}, "t.tsv:1: got columns text, kind; expected one called label; name one of these"),
        (
            ["text\tlabel", "a\tb", "c\t "],
            {},
            "got no label for the text 'c'; expected one in the column label; name it",
        ),
        (["text\tlabel", "a\tb", "c\tb"], {}, "labels: got only 'b'; expected at least two that differ"),
        (["text\tlabel", "a\tb"], {"data.labels": 0}, None),
        (["text\tlabel", "a\tb", "a\tc"][:2], {}, "labels: got only 'b'"),
        (["plain", "text"], {}, "columns: got the plain text"),
    ],
    ids=str,
)
def test_a_table_that_cannot_be_learnt_from_is_refused(written, lines, data, message):
    if message is None:
        with pytest.raises(SettingError, match=r"data\.labels: got 0; expected at least 1"):
            corpus(written("t.tsv", *lines), labels=0)
        return
    name = "t.tsv" if "\t" in lines[0] else "t"
    with pytest.raises((DataError, SettingError), match=message):
        corpus(written(name, *lines))


def test_a_single_row_leaves_none_to_train_on(written):
    with pytest.raises(
        DataError, match="got 1 rows with text; expected rows to train and to measure on; check the file"
    ):
        corpus(written("t.tsv", "text\tlabel", "a b\tB I"), kind="token_classification")


def test_no_table_is_asked_for():
    with pytest.raises(
        SettingError, match=r"data\.text: got nothing; expected a file; give --text TABLE with a column"
    ):
        read_corpus(recipe_from({"task": {"kind": "classification"}}, size="tiny"))


def test_labels_of_words_are_of_one_text(written):
    with pytest.raises(
        SettingError, match=r"data\.second_column: got '2' with labels of words; expected one text; leave"
    ):
        corpus(written("t.tsv", "text\tlabel", "a b\tB I"), kind="token_classification", second_column="2")


def test_the_head_has_the_labels_and_the_batch_their_ids(material, table):
    found = material("classification", {"text": table})
    assert (found.head.kind, found.head.labels) == ("classification", ("even", "odd", "rare"))
    counted = Counter(found.head.labels[index] for batch in found.validation() for index in batch.labels.tolist())
    assert counted == {"even": 5}
    rows = found.feed().epoch(0)
    assert sum(map(len, rows)) == 95


def test_a_pair_of_texts_is_told_apart_by_types(material, written):
    path = written("t.tsv", "text\tsecond\tlabel", *(f"one {n}\ttwo {n}\t{n % 2}" for n in range(40)))
    found = material("classification", {"text": path, "second_column": "second"})
    (batch,) = found.validation()
    assert set(batch.types.flatten().tolist()) == {0, 1}
    separator = found.source.sep
    assert ((batch.ids == separator).sum(1) == 2).all()


def test_labels_of_words_stand_at_their_first_pieces(material, written):
    path = written("t.tsv", "text\tlabel", *(f"alpha beta {n} gamma\tO B-X I-X O" for n in range(40)))
    found = material("token_classification", {"text": path, "label_column": "label"})
    assert found.head.kind == "tokens"
    (batch,) = found.validation()
    for row in batch.labels:
        assert [found.head.labels[index] for index in row[row != IGNORED].tolist()] == ["O", "B-X", "I-X", "O"]
    assert batch.target_tokens == int((batch.labels != IGNORED).sum()) == 8


class Knowing:
    """A model that knows the labels of the rows by the number in their text."""

    training = False

    def __init__(self, material: object) -> None:
        self.material = material

    def train(self, mode: bool) -> None:
        pass

    def eval(self) -> None:
        pass

    def classify(self, ids: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        even = [int(self.material.source.decode(row.tolist()).split()[-1]) % 2 == 0 for row in ids]
        return torch.tensor([[1.0, 0.0, 0.0] if one else [0.0, 1.0, 0.0] for one in even])


def test_what_is_right_is_counted(material, table, written):
    valid = written("v.tsv", "text\tlabel", "text 2\teven", "text 3\todd", "text 4\todd", "text 6 6 6\teven")
    found = material("classification", {"text": table, "valid_text": valid})
    assert found.measured(Knowing(found)) == {"valid_accuracy": 0.75}
    done = found.results(Knowing(found))
    assert done.samples[2] == ("text 4", "odd", "even")
