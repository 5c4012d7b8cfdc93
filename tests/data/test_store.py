from __future__ import annotations

import hashlib
import json
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from regard.data import store as module
from regard.data.store import Store, write_columns, write_store
from regard.data.tokenizers.tokenizer import Tokenizer, TokenizerSettings, train_tokenizer
from regard.errors import DataError, RunError

PAIRS = [("Ein Hund.", "A dog."), ("Zwei Hunde laufen.", "Two dogs run."), ("Hund", "dog"), ("Ja, ja.", "Yes.")]


@pytest.fixture(scope="module")
def joint() -> Tokenizer:
    return train_tokenizer([text for pair in PAIRS * 10 for text in pair], TokenizerSettings())


@pytest.fixture(scope="module")
def many() -> Tokenizer:
    """More ids than 2 bytes can hold."""
    lines = ["".join(map(chr, range(0x20000 + 9000 * row, 0x20000 + 9000 * (row + 1)))) for row in range(8)]
    return train_tokenizer(lines * 2, TokenizerSettings(kind="character", size=70_000))


def test_ids_come_back_as_they_were_encoded(tmp_path: Path, joint: Tokenizer) -> None:
    store = write_store(tmp_path / "store", PAIRS, joint, joint)
    assert len(store) == 4
    for row, (source, target) in enumerate(PAIRS):
        assert store.row("source", row).tolist() == joint.encode(source)
        assert store.row("target", row).tolist() == joint.encode(target)
    expected = [[len(joint.encode(text)) for text in pair] for pair in PAIRS]
    assert store.lengths.tolist() == expected
    assert store.tokens == {"source": sum(pair[0] for pair in expected), "target": sum(pair[1] for pair in expected)}
    assert store.too_long == 0


@pytest.mark.parametrize("row", [-1, 4])
def test_there_is_no_pair_beyond_the_last(tmp_path: Path, joint: Tokenizer, row: int) -> None:
    store = write_store(tmp_path / "store", PAIRS, joint, joint)
    with pytest.raises(IndexError, match=f"row {row} of 4"):
        store.row("source", row)


def test_each_side_has_the_narrowest_numbers_that_hold_its_vocabulary(
    tmp_path: Path, joint: Tokenizer, many: Tokenizer
) -> None:
    assert many.size > 2**16 > joint.size
    words = many.pieces_of([2, many.size - 2])
    store = write_store(tmp_path / "store", [("Hund", word) for word in words], joint, many)
    assert [ids.dtype for ids in store.ids.values()] == [np.uint16, np.uint32]
    assert [store.row("target", row).tolist() for row in (0, 1)] == [[2], [many.size - 2]]
    assert store.row("source", 1).tolist() == joint.encode("Hund")


def test_the_files_are_what_the_docstring_says(tmp_path: Path, joint: Tokenizer) -> None:
    """A reader of its own, with nothing but the description."""
    write_store(tmp_path / "store", PAIRS, joint, joint)
    ids = (tmp_path / "store" / "target.ids").read_bytes()
    offsets = (tmp_path / "store" / "target.offsets").read_bytes()
    bounds = [int.from_bytes(offsets[8 * i : 8 * i + 8], "little") for i in range(len(offsets) // 8)]
    numbers = [int.from_bytes(ids[2 * i : 2 * i + 2], "little") for i in range(len(ids) // 2)]
    assert [numbers[begin:end] for begin, end in pairwise(bounds)] == [joint.encode(target) for _, target in PAIRS]


@pytest.mark.parametrize("chunk", [1, 2, 3, 4, 100])
def test_the_size_of_a_chunk_makes_no_difference(
    tmp_path: Path, joint: Tokenizer, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    whole = write_store(tmp_path / "whole", PAIRS, joint, joint)
    monkeypatch.setattr(module, "CHUNK", chunk)
    store = write_store(tmp_path / "store", iter(PAIRS), joint, joint)
    for name in ("source.ids", "source.offsets", "target.ids", "target.offsets"):
        assert (store.folder / name).read_bytes() == (whole.folder / name).read_bytes()
    assert store.lengths.tolist() == whole.lengths.tolist()


def test_the_fingerprint_tells_ids_apart_and_folders_not(tmp_path: Path, joint: Tokenizer) -> None:
    def fingerprint(name: str, pairs: list[tuple[str, str]]) -> str:
        return write_store(tmp_path / name, pairs, joint, joint).fingerprint

    first = fingerprint("one", PAIRS)
    assert first == fingerprint("two", PAIRS)
    # Other orders, sides swapped, and the same ids with another end of a sentence.
    others = [PAIRS[::-1], [pair[::-1] for pair in PAIRS], [("Hund", "Hund"), ("Hund", "Hund")], [("Hund Hund",) * 2]]
    assert len({first, *(fingerprint(str(n), pairs) for n, pairs in enumerate(others))}) == 5
    assert len(bytes.fromhex(first)) == hashlib.sha256().digest_size


def test_pairs_with_too_many_tokens_are_left_out_and_counted(tmp_path: Path, joint: Tokenizer) -> None:
    longest = [max(len(joint.encode(text)) for text in pair) for pair in PAIRS]
    limit = sorted(longest)[1]
    store = write_store(tmp_path / "store", PAIRS, joint, joint, max_tokens=limit)
    kept = [pair for pair, length in zip(PAIRS, longest, strict=True) if length <= limit]
    assert 0 < len(kept) < len(PAIRS)
    assert [
        (joint.decode(store.row("source", i)), joint.decode(store.row("target", i))) for i in range(len(store))
    ] == kept
    assert store.too_long == len(PAIRS) - len(kept)


def test_nothing_is_left_of_a_store_without_pairs(tmp_path: Path, joint: Tokenizer) -> None:
    with pytest.raises(DataError, match="got no pairs; expected at least one pair; check the corpus"):
        write_store(tmp_path / "store", [], joint, joint)
    with pytest.raises(DataError, match="got 4 pairs, all with more than 1 tokens; expected at least one pair; raise"):
        write_store(tmp_path / "store", PAIRS[:2] * 2, joint, joint, max_tokens=1)
    assert list(tmp_path.iterdir()) == []


def test_a_store_appears_whole_or_not_at_all(tmp_path: Path, joint: Tokenizer) -> None:
    def broken() -> Iterator[tuple[str, str]]:
        yield from PAIRS
        assert not (tmp_path / "store").exists()
        raise DataError("the corpus breaks off")

    with pytest.raises(DataError, match="the corpus breaks off"):
        write_store(tmp_path / "store", broken(), joint, joint)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_no_obstacle(tmp_path: Path, joint: Tokenizer) -> None:
    left = tmp_path / ".store.partial"
    left.mkdir()
    (left / "source.ids").write_bytes(b"half")
    assert len(write_store(tmp_path / "store", PAIRS, joint, joint)) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_a_folder_that_exists_is_never_overwritten(tmp_path: Path, joint: Tokenizer) -> None:
    (tmp_path / "mine").write_text("precious", encoding="utf-8")
    with pytest.raises(RunError, match="got an existing folder; expected a new one; delete it or choose another"):
        write_store(tmp_path, PAIRS, joint, joint)
    assert (tmp_path / "mine").read_text(encoding="utf-8") == "precious"


@pytest.mark.parametrize("name", ["source.ids", "source.offsets", "target.ids", "target.offsets", "meta.json"])
def test_a_damaged_store_is_refused(tmp_path: Path, joint: Tokenizer, name: str) -> None:
    folder = write_store(tmp_path / "store", PAIRS, joint, joint).folder
    whole = (folder / name).read_bytes()
    for content in (whole[:-5], whole + b"12345678", b""):
        (folder / name).write_bytes(content)
        with pytest.raises(DataError, match="delete the folder and prepare the data again"):
            Store.open(folder)
    (folder / name).unlink()
    with pytest.raises(DataError, match="got no whole store; expected what write_columns wrote; delete the folder"):
        Store.open(folder)


def test_a_store_of_another_format_is_refused(tmp_path: Path, joint: Tokenizer) -> None:
    folder = write_store(tmp_path / "store", PAIRS, joint, joint).folder
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    (folder / "meta.json").write_text(json.dumps(meta | {"format": 1}), encoding="utf-8")
    with pytest.raises(DataError, match="got format 1; expected format 2; delete the folder and prepare"):
        Store.open(folder)


def test_pairs_are_read_in_chunks_and_never_all_held(
    tmp_path: Path, joint: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", 500)
    tracemalloc.start()
    store = write_store(tmp_path / "store", (PAIRS[n % 4] for n in range(6000)), joint, joint)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000  # 6,000 pairs as lists of ids: 2.4 MB
    tracemalloc.stop()
    assert len(store) == 6000


# --- columns


class Characters:
    """Each character is its code point."""

    size = 0x110000

    def __init__(self) -> None:
        self.longest = 0

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        self.longest = max(self.longest, *map(len, texts))
        return [[ord(character) for character in text] for text in texts]


class Digits:
    size = 10

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return [[int(text)] for text in texts]


ROWS = [("gut", "good", "1"), ("", "x", "0"), ("schlecht", "", "9")]


def test_a_row_may_have_any_number_of_named_columns(tmp_path: Path) -> None:
    encoders = {"text": Characters(), "second": Characters(), "label": Digits()}
    write_columns(tmp_path / "store", ROWS, encoders)
    store = Store.open(tmp_path / "store")
    assert (len(store), store.names) == (3, ("text", "second", "label"))
    for number, row in enumerate(ROWS):
        found = ["".join(map(chr, store.row(name, number))) for name in ("text", "second")]
        assert (*found, str(store.row("label", number)[0])) == row
    assert store.lengths.tolist() == [[3, 4, 1], [0, 1, 1], [8, 0, 1]]
    assert store.tokens == {"text": 11, "second": 5, "label": 3}
    assert [ids.dtype for ids in store.ids.values()] == [np.uint32, np.uint32, np.uint16]
    assert store.offsets["text"].tolist() == [0, 3, 3, 11]


def test_one_column_is_enough(tmp_path: Path) -> None:
    store = write_columns(tmp_path / "store", [("ab",), ("c",)], {"text": Characters()}, max_tokens=1)
    assert (len(store), store.too_long, store.row("text", 0).tolist()) == (1, 1, [ord("c")])


def test_rows_that_are_no_pairs_are_called_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="got no rows; expected at least one row; check the corpus"):
        write_columns(tmp_path / "store", [], {"text": Characters()})


def test_the_same_ids_in_columns_of_other_names_are_something_else(tmp_path: Path) -> None:
    names = [("a", "b"), ("b", "a")]
    stores = [
        write_columns(tmp_path / "".join(pair), [("x", "x")], {name: Characters() for name in pair}) for pair in names
    ]
    assert stores[0].fingerprint != stores[1].fingerprint


@pytest.mark.parametrize("text", ["one\ntwo\n\nthree and four\n", "no line end at all", "\n" * 12, "a\n" + "b" * 30])
def test_a_long_text_is_encoded_in_pieces_and_stays_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(module, "LONGEST_PIECE", 7)
    encoder = Characters()
    store = write_columns(tmp_path / "store", [("short",), (text,)], {"text": encoder})
    assert "".join(map(chr, store.row("text", 1))) == text
    assert encoder.longest <= 7


def test_pieces_of_a_long_text_end_with_a_line_where_they_can() -> None:
    text = "on\n" * 600_000
    pieces = list(module._pieces(text))
    assert "".join(pieces) == text
    assert [len(piece) for piece in pieces] == [999_999, 800_001]
    assert list(module._pieces("x" * 999_999 + "yy\nz"))[1] == "y\nz"


def test_rows_in_memory_are_bounded_by_their_characters_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_CHARACTERS", 5)
    rows = [("abc", "d"), ("e", "f"), ("ghijkl", ""), ("m", "n")]
    assert list(module._chunks(rows)) == [rows[:2], rows[2:3], rows[3:]]
