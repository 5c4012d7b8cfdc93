"""The ids of a corpus in memory-mapped files, a column for each text or label of a row, written in one pass.

    FOLDER/NAME.ids        the ids of all rows of the column NAME, one row after the other, without any end of text
    FOLDER/NAME.offsets    where each row begins, and the end (one more than there are rows)
    FOLDER/meta.json       counts, sizes and a fingerprint of the ids
    FOLDER/manifest.json   the sizes and digests of these files (see storage.py)

A corpus of pairs has the columns ``source`` and ``target``. Numbers are little-endian: ids of 2 bytes where the
vocabulary fits and of 4 where not, offsets of 8.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from regard.errors import DataError, RunError
from regard.storage import whole_folder

CHUNK = 10_000  # rows in memory at a time
CHUNK_CHARACTERS = 4_000_000  # and characters; a row alone may have more
LONGEST_PIECE = 1_000_000  # characters that are encoded in one go; a longer text is cut after the end of a line
FORMAT = 2
SIDES = ("source", "target")
AGAIN = "delete the folder and prepare the data again"


@runtime_checkable
class Encoder(Protocol):
    """What turns a column's texts into ids: a tokenizer, or a coder of labels."""

    @property
    def size(self) -> int:
        """How many ids there are."""

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        """The ids of each text."""


class _Column:
    """The two growing files of one column."""

    def __init__(self, folder: Path, name: str, encoder: Encoder) -> None:
        self.encoder, self.vocabulary = encoder, encoder.size
        self.dtype = np.dtype("<u2" if self.vocabulary <= 2**16 else "<u4")
        self.tokens = 0
        self.digest = hashlib.sha256()
        self._ids = (folder / f"{name}.ids").open("wb")
        self._offsets = (folder / f"{name}.offsets").open("wb")
        self._offsets.write(np.zeros(1, "<u8").tobytes())

    def append(self, rows: Sequence[Sequence[int]]) -> None:
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


def write_columns(
    folder: Path, rows: Iterable[tuple[str, ...]], encoders: Mapping[str, Encoder], max_tokens: int = 0
) -> Store:
    """Encode ``rows`` into ``folder``, which appears whole or not at all, in memory for ``CHUNK`` rows.

    The texts of a row are those of the columns ``encoders``, in their order. Rows with a text of more than
    ``max_tokens`` tokens (ends of text not counted; 0: no limit) are left out and counted.
    Raises RunError where the folder exists, DataError where no row is left.
    """
    if folder.exists():
        raise RunError.because(folder, "an existing folder", "a new one", "delete it or choose another")
    with whole_folder(folder) as partial:
        _write(partial, folder, rows, encoders, max_tokens)
    return Store.open(folder)


def write_store(
    folder: Path, pairs: Iterable[tuple[str, str]], source: Encoder, target: Encoder, max_tokens: int = 0
) -> Store:
    """``write_columns`` with the columns ``source`` and ``target``."""
    return write_columns(folder, pairs, dict(zip(SIDES, (source, target), strict=True)), max_tokens)


def _write(
    partial: Path, folder: Path, rows: Iterable[tuple[str, ...]], encoders: Mapping[str, Encoder], max_tokens: int
) -> None:
    columns = {name: _Column(partial, name, encoder) for name, encoder in encoders.items()}
    read = kept = 0
    try:
        for chunk in _chunks(rows):
            texts = zip(columns.values(), zip(*chunk, strict=True), strict=True)
            encoded = list(zip(*(_encode(column.encoder, list(found)) for column, found in texts), strict=True))
            if max_tokens:
                encoded = [row for row in encoded if max(map(len, row)) <= max_tokens]
            for number, column in enumerate(columns.values()):
                column.append([row[number] for row in encoded])
            read, kept = read + len(chunk), kept + len(encoded)
    finally:
        for column in columns.values():
            column.close()
    what = "pair" if tuple(encoders) == SIDES else "row"
    if not kept:
        if read:
            got = f"{read} {what}s, all with more than {max_tokens} tokens"
            raise DataError.because("max_tokens", got, f"at least one {what}", "raise the limit (data.max_tokens)")
        raise DataError.because(folder, f"no {what}s", f"at least one {what}", "check the corpus")
    described = {
        name: {"tokens": column.tokens, "vocabulary": column.vocabulary, "dtype": column.dtype.str}
        for name, column in columns.items()
    }
    digests = b"".join(name.encode() + column.digest.digest() for name, column in columns.items())
    meta = {"format": FORMAT, "rows": kept, "too_long": read - kept, "max_tokens": max_tokens, "columns": described}
    meta["fingerprint"] = hashlib.sha256(digests).hexdigest()
    (partial / "meta.json").write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")


def _chunks(rows: Iterable[tuple[str, ...]]) -> Iterator[list[tuple[str, ...]]]:
    chunk: list[tuple[str, ...]] = []
    characters = 0
    for row in rows:
        chunk.append(row)
        characters += sum(map(len, row))
        if len(chunk) >= CHUNK or characters >= CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def _encode(encoder: Encoder, texts: list[str]) -> list[list[int]]:
    """A whole book as one text would take the tokenizer some hundred times its size in memory."""
    if max(map(len, texts)) <= LONGEST_PIECE:
        return encoder.encode_batch(texts)
    return [[index for piece in _pieces(text) for index in encoder.encode_batch([piece])[0]] for text in texts]


def _pieces(text: str) -> Iterator[str]:
    begin = 0
    while len(text) - begin > LONGEST_PIECE:
        line_end = text.rfind("\n", begin, begin + LONGEST_PIECE) + 1
        if line_end <= begin:
            line_end = begin + LONGEST_PIECE
        yield text[begin:line_end]
        begin = line_end
    yield text[begin:]


class Store:
    """The columns of a corpus as ids, read from disk when they are asked for."""

    def __init__(self, folder: Path, meta: dict[str, Any]) -> None:
        """Raises DataError where the files are not as large as ``meta`` says."""
        self.folder, self.meta = folder, meta
        self._rows = int(meta["rows"])
        self.names = tuple(meta["columns"])
        self.ids: dict[str, np.ndarray] = {}  # of each column, all rows one after the other
        self.offsets: dict[str, np.ndarray] = {}  # of each column, rows + 1
        for name, column in meta["columns"].items():
            self.ids[name] = _map(folder / f"{name}.ids", column["dtype"], int(column["tokens"]))
            self.offsets[name] = _map(folder / f"{name}.offsets", "<u8", self._rows + 1)

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Open what ``write_columns`` wrote. Raises DataError where it is missing or damaged."""
        try:
            meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
            if meta["format"] != FORMAT:
                raise DataError.because(folder, f"format {meta['format']}", f"format {FORMAT}", AGAIN)
            return cls(folder, meta)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError.because(folder, "no whole store", "what write_columns wrote", AGAIN) from error

    def __len__(self) -> int:
        return self._rows

    def row(self, name: str, row: int) -> np.ndarray:
        """The ids of one row of a column, without any end of text."""
        if not 0 <= row < self._rows:
            raise IndexError(f"row {row} of {self._rows}")
        begin, end = self.offsets[name][row : row + 2]
        return self.ids[name][int(begin) : int(end)]

    @cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of each row's columns, without ends of text: [rows, columns], int32."""
        return np.stack([np.diff(self.offsets[name]).astype(np.int32) for name in self.names], axis=1)

    @property
    def tokens(self) -> dict[str, int]:
        """All tokens of each column, without ends of text."""
        return {name: int(column["tokens"]) for name, column in self.meta["columns"].items()}

    @property
    def too_long(self) -> int:
        """Rows that were left out for their number of tokens."""
        return int(self.meta["too_long"])

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all names, ids and offsets: the same for the same ids, whatever the folder."""
        return str(self.meta["fingerprint"])


def _map(path: Path, dtype: str, count: int) -> np.ndarray:
    size = count * np.dtype(dtype).itemsize
    if path.stat().st_size != size:
        raise DataError.because(path, f"{path.stat().st_size} bytes", f"{size} bytes", AGAIN)
    return np.memmap(path, dtype=dtype, mode="r", shape=(count,)) if count else np.zeros(0, dtype)
