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
from regard.data.store import PairStore, write_store
from regard.data.tokenizer import Tokenizer, TokenizerSettings, train_tokenizer
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
        assert store.source(row).tolist() == joint.encode(source)
        assert store.target(row).tolist() == joint.encode(target)
    expected = [[len(joint.encode(text)) for text in pair] for pair in PAIRS]
    assert store.lengths.tolist() == expected
    assert store.tokens == (sum(pair[0] for pair in expected), sum(pair[1] for pair in expected))
    assert store.too_long == 0


@pytest.mark.parametrize("row", [-1, 4])
def test_there_is_no_pair_beyond_the_last(tmp_path: Path, joint: Tokenizer, row: int) -> None:
    store = write_store(tmp_path / "store", PAIRS, joint, joint)
    with pytest.raises(IndexError, match=f"pair {row} of 4"):
        store.source(row)


def test_each_side_has_the_narrowest_numbers_that_hold_its_vocabulary(
    tmp_path: Path, joint: Tokenizer, many: Tokenizer
) -> None:
    assert many.size > 2**16 > joint.size
    words = many.pieces_of([2, many.size - 2])
    store = write_store(tmp_path / "store", [("Hund", word) for word in words], joint, many)
    assert [ids.dtype for ids in store.ids] == [np.uint16, np.uint32]
    assert [store.target(row).tolist() for row in (0, 1)] == [[2], [many.size - 2]]
    assert store.source(1).tolist() == joint.encode("Hund")


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
    assert [(joint.decode(store.source(i)), joint.decode(store.target(i))) for i in range(len(store))] == kept
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
            PairStore.open(folder)
    (folder / name).unlink()
    with pytest.raises(DataError, match="got no whole store; expected what write_store wrote; delete the folder"):
        PairStore.open(folder)


def test_a_store_of_another_format_is_refused(tmp_path: Path, joint: Tokenizer) -> None:
    folder = write_store(tmp_path / "store", PAIRS, joint, joint).folder
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    (folder / "meta.json").write_text(json.dumps(meta | {"format": 2}), encoding="utf-8")
    with pytest.raises(DataError, match="got format 2; expected format 1; delete the folder and prepare"):
        PairStore.open(folder)


def test_pairs_are_read_in_chunks_and_never_all_held(
    tmp_path: Path, joint: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", 500)
    tracemalloc.start()
    store = write_store(tmp_path / "store", (PAIRS[n % 4] for n in range(6000)), joint, joint)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000  # 6,000 pairs as lists of ids: 2.4 MB
    tracemalloc.stop()
    assert len(store) == 6000
