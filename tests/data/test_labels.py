from __future__ import annotations

import re
from pathlib import Path

import pytest

from regard.data.labels import LabelCoder, PieceCounter, word_rows
from regard.data.tokenizers.tokenizer import TokenizerSettings, train_tokenizer
from regard.errors import CheckpointError, DataError


def test_labels_are_sorted_and_numbers_as_numbers() -> None:
    assert LabelCoder.learn(["b", "a", "b", "C"]).names == ("C", "a", "b")
    assert LabelCoder.learn(["10", "9", "-1", "9"]).names == ("-1", "9", "10")
    assert LabelCoder.learn(["10", "9", "x"]).names == ("10", "9", "x")


def test_the_order_of_the_corpus_does_not_matter() -> None:
    labels = ["1", "01", "2", "10"]
    assert len({LabelCoder.learn(order).names for order in (labels, labels[::-1], sorted(labels))}) == 1


def test_a_label_is_its_place_among_the_names() -> None:
    coder = LabelCoder.learn(["pos", "neg", "neutral"])
    assert coder.size == 3
    assert coder.encode_batch(["pos", " neg ", "pos"]) == [[2], [0], [2]]


def test_a_text_of_labels_has_one_a_word() -> None:
    coder = LabelCoder.learn(["O PER O", "LOC"], each_word=True)
    assert coder.names == ("LOC", "O", "PER")
    assert coder.encode_batch(["O  LOC", ""]) == [[1, 0], []]


def test_an_unknown_label_is_named_with_the_known_ones() -> None:
    with pytest.raises(
        DataError, match=r"label: got 'x'; expected one that was learnt \(a, b\); check the label column"
    ):
        LabelCoder(("a", "b")).encode_batch(["a", "x"])
    many = LabelCoder(tuple(f"l{number}" for number in range(30)))
    with pytest.raises(DataError, match=r"l18, l19, …\)"):
        many.encode_batch(["x"])


@pytest.mark.parametrize(("labels", "got"), [(["a", "a "], "only 'a'"), ([], "no label")])
def test_one_label_is_nothing_to_learn(labels: list[str], got: str) -> None:
    with pytest.raises(DataError, match=f"labels: got {got}; expected at least two that differ; check which column"):
        LabelCoder.learn(labels)


@pytest.mark.parametrize("each_word", [False, True])
def test_a_coder_comes_back_from_its_file(tmp_path: Path, each_word: bool) -> None:
    coder = LabelCoder(("schön", "a"), each_word)
    coder.save(tmp_path / "labels.json")
    assert LabelCoder.load(tmp_path / "labels.json") == coder


@pytest.mark.parametrize("content", [None, "{", "[]", '{"labels": ["a"]}', '{"labels": [1], "each_word": false}'])
def test_a_damaged_file_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "labels.json").write_text(content, encoding="utf-8")
    with pytest.raises(CheckpointError, match="got no list of labels; expected what training wrote; restore the file"):
        LabelCoder.load(tmp_path / "labels.json")


class Cut:
    """Cuts a text at the places that are marked, and says where the pieces stand."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern

    def spans(self, text: str) -> list[tuple[int, int]]:
        return [match.span() for match in re.finditer(self.pattern, text)]


@pytest.mark.parametrize(
    ("pattern", "counts"),
    [
        (r"\S", [3, 4, 3]),  # characters
        (r" *\S", [3, 4, 3]),  # a space belongs to the character behind it
        (r"\s|\S\S?", [2, 3, 3]),  # spaces of their own belong to the word behind them
        (r"\w+|[^\w\s]", [1, 1, 3]),  # signs by themselves
        (r".+", [0, 0, 1]),  # one piece over all words
    ],
)
def test_every_piece_belongs_to_one_word(pattern: str, counts: list[int]) -> None:
    assert PieceCounter(Cut(pattern)).encode_batch(["Ein Hund ist", ""])[1] == []
    text = "Ein Hund a-b"
    assert PieceCounter(Cut(pattern)).encode_batch([text]) == [counts]
    assert sum(counts) == len(Cut(pattern).spans(text))


@pytest.mark.parametrize("kind", ["bpe", "unigram", "character"])
def test_the_pieces_of_a_tokenizer_add_up(kind: str) -> None:
    texts = ["Ein Hund läuft.", "Zwei Hunde, sagt er, laufen!", " Ja  ja "]
    tokenizer = train_tokenizer(texts * 20, TokenizerSettings(kind=kind, size=300 if kind == "bpe" else 0))
    for text, counts in zip(texts, PieceCounter(tokenizer).encode_batch(texts), strict=True):
        assert sum(counts) == len(tokenizer.encode(text))
        assert len(counts) == len(text.split())
        ends = [sum(counts[: number + 1]) for number in range(len(counts))]
        shown = [tokenizer.decode(tokenizer.encode(text)[:end]).split() for end in ends]
        assert shown == [text.split()[: number + 1] for number in range(len(counts))]


def test_words_and_labels_have_to_match() -> None:
    assert list(word_rows([("Ein Hund", "O  O")])) == [("Ein Hund", "Ein Hund", "O  O")]
    with pytest.raises(
        DataError, match="row 2: got 1 labels for 2 words; expected one label a word; repair the row or"
    ):
        list(word_rows([("a", "O"), ("Ein Hund", "O")]))
