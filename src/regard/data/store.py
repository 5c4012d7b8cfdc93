"""The ids of a corpus in memory-mapped files, written in one pass over the text.

    FOLDER/source.ids  target.ids          the ids of all sentences one after the other, without </s>
    FOLDER/source.offsets  target.offsets  where each sentence begins, and the end (one more than there are pairs)
    FOLDER/meta.json                       counts, sizes and a fingerprint of the ids
    FOLDER/manifest.json                   the sizes and digests of these files (see storage.py)

Numbers are little-endian: ids of 2 bytes where the vocabulary fits and of 4 where not, offsets of 8.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from regard.data.tokenizer import Tokenizer
from regard.errors import DataError, RunError
from regard.storage import whole_folder

CHUNK = 10_000  # pairs in memory at a time
FORMAT = 1
SIDES = ("source", "target")


class _Side:
    """The two growing files of one language."""

    def __init__(self, folder: Path, name: str, vocabulary: int) -> None:
        self.dtype = np.dtype("<u2" if vocabulary <= 2**16 else "<u4")
        self.vocabulary = vocabulary
        self.tokens = 0
        self.digest = hashlib.sha256()
        self._ids = (folder / f"{name}.ids").open("wb")
        self._offsets = (folder / f"{name}.offsets").open("wb")
        self._offsets.write(np.zeros(1, "<u8").tobytes())

    def append(self, rows: list[list[int]]) -> None:
        lengths = np.fromiter(map(len, rows), "<u8", len(rows))
        flat = np.fromiter((index for row in rows for index in row), self.dtype, int(lengths.sum()))
        offsets = np.cumsum(lengths, dtype="<u8") + np.uint64(self.tokens)
        for file, content in ((self._ids, flat.tobytes()), (self._offsets, offsets.tobytes())):
            file.write(content)
            self.digest.update(content)
        self.tokens += flat.size

    def close(self) -> None:
        self._ids.close()
        self._offsets.close()


def write_store(
    folder: Path,
    pairs: Iterable[tuple[str, str]],
    source: Tokenizer,
    target: Tokenizer,
    max_tokens: int = 0,
) -> PairStore:
    """Encode ``pairs`` into ``folder``, which appears whole or not at all, in memory for ``CHUNK`` pairs.

    Pairs with a side of more than ``max_tokens`` tokens (``</s>`` not counted; 0: no limit) are left out and counted.
    Raises RunError where the folder exists, DataError where no pair is left.
    """
    if folder.exists():
        raise RunError.because(folder, "an existing folder", "a new one", "delete it or choose another")
    with whole_folder(folder) as partial:
        _write(partial, folder, pairs, (source, target), max_tokens)
    return PairStore.open(folder)


def _write(
    partial: Path,
    folder: Path,
    pairs: Iterable[tuple[str, str]],
    tokenizers: tuple[Tokenizer, Tokenizer],
    max_tokens: int,
) -> None:
    sides = [_Side(partial, name, tokenizer.size) for name, tokenizer in zip(SIDES, tokenizers, strict=True)]
    read = kept = 0
    try:
        stream = iter(pairs)
        while chunk := list(islice(stream, CHUNK)):
            encoded = [tokenizers[side].encode_batch([pair[side] for pair in chunk]) for side in (0, 1)]
            rows = list(zip(*encoded, strict=True))
            if max_tokens:
                rows = [row for row in rows if max(map(len, row)) <= max_tokens]
            for side, column in zip(sides, zip(*rows, strict=True) if rows else ((), ()), strict=True):
                side.append(list(column))
            read, kept = read + len(chunk), kept + len(rows)
    finally:
        for side in sides:
            side.close()
    if not kept:
        got = f"{read} pairs, all with more than {max_tokens} tokens" if read else "no pairs"
        raise DataError.because(folder, got, "at least one pair", "raise the limit" if read else "check the corpus")
    meta: dict[str, Any] = {"format": FORMAT, "pairs": kept, "too_long": read - kept, "max_tokens": max_tokens}
    for name, side in zip(SIDES, sides, strict=True):
        meta[name] = {"tokens": side.tokens, "vocabulary": side.vocabulary, "dtype": side.dtype.str}
    meta["fingerprint"] = hashlib.sha256(b"".join(side.digest.digest() for side in sides)).hexdigest()
    (partial / "meta.json").write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")


class PairStore:
    """The pairs of a corpus as ids, read from disk when they are asked for."""

    def __init__(self, folder: Path, meta: dict[str, Any]) -> None:
        """Raises DataError where the files are not as large as ``meta`` says."""
        self.folder, self.meta = folder, meta
        self._pairs = int(meta["pairs"])
        self.ids: list[np.ndarray] = []  # of source and target, all sentences in a row
        self.offsets: list[np.ndarray] = []  # of source and target, pairs + 1 each
        for name in SIDES:
            side = meta[name]
            self.ids.append(_map(folder / f"{name}.ids", side["dtype"], int(side["tokens"])))
            self.offsets.append(_map(folder / f"{name}.offsets", "<u8", self._pairs + 1))

    @classmethod
    def open(cls, folder: Path) -> PairStore:
        """Open what ``write_store`` wrote. Raises DataError where it is missing or damaged."""
        action = "delete the folder and prepare the data again"
        try:
            meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
            if meta["format"] != FORMAT:
                raise DataError.because(folder, f"format {meta['format']}", f"format {FORMAT}", action)
            return cls(folder, meta)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError.because(folder, "no whole store", "what write_store wrote", action) from error

    def __len__(self) -> int:
        return self._pairs

    def source(self, row: int) -> np.ndarray:
        """The source ids of one pair, without ``</s>``."""
        return self._sentence(0, row)

    def target(self, row: int) -> np.ndarray:
        """The target ids of one pair, without ``</s>``."""
        return self._sentence(1, row)

    def _sentence(self, side: int, row: int) -> np.ndarray:
        if not 0 <= row < self._pairs:
            raise IndexError(f"pair {row} of {self._pairs}")
        begin, end = self.offsets[side][row : row + 2]
        return self.ids[side][int(begin) : int(end)]

    @cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of each pair's source and target, without ``</s>``: [pairs, 2], int32."""
        return np.stack([np.diff(offsets).astype(np.int32) for offsets in self.offsets], axis=1)

    @property
    def tokens(self) -> tuple[int, int]:
        """All tokens of the source and of the target, without ``</s>``."""
        return int(self.meta["source"]["tokens"]), int(self.meta["target"]["tokens"])

    @property
    def too_long(self) -> int:
        """Pairs that were left out for their number of tokens."""
        return int(self.meta["too_long"])

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all ids and offsets: the same for the same ids, whatever the folder."""
        return str(self.meta["fingerprint"])


def _map(path: Path, dtype: str, count: int) -> np.ndarray:
    size = count * np.dtype(dtype).itemsize
    if path.stat().st_size != size:
        action = "delete the folder and prepare the data again"
        raise DataError.because(path, f"{path.stat().st_size} bytes", f"{size} bytes", action)
    return np.memmap(path, dtype=dtype, mode="r", shape=(count,)) if count else np.zeros(0, dtype)
