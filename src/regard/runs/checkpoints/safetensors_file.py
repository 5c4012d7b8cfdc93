"""One safetensors file: eight bytes of length, a JSON object, then the numbers.

Each tensor's bytes follow those of the one before it. Everything that the file declares is checked against its size
before anything is allocated, and it is read into memory, not mapped: who replaces the file meanwhile changes nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

import torch
from torch import Tensor

from regard.errors import CheckpointError
from regard.runs.checkpoints.opcodes import short

TENSORS = 100_000  # in one file; the largest public models have about 1,000 in a shard
HEADER_BYTES = 16 << 20
MOST = 1 << 48  # numbers in a shape, a size of 0 left out
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
WHOLE_COPY = "use a whole copy of the file"


class Entry(NamedTuple):
    """A tensor as the header declares it. ``start`` and ``end`` are bytes behind the header, ``end`` excluded."""

    start: int
    end: int
    name: str
    dtype: torch.dtype
    shape: list[int]


class Contents(NamedTuple):
    """The tensors in the order of the file, and what its header says besides."""

    tensors: dict[str, Tensor]
    metadata: Mapping[str, Any]


class Digest(Protocol):
    """What takes in the bytes of a file, such as ``hashlib.sha256()``."""

    def update(self, data: Any, /) -> None:
        """Take in the next bytes."""
        ...


def read_safetensors(path: Path, digest: Digest | None = None) -> Contents:
    """The tensors of a file; ``digest`` takes in all its bytes. Raises CheckpointError where it is damaged."""
    try:
        with path.open("rb") as file:
            text, entries, metadata = _head(path, file, path.stat().st_size)
            if digest is not None:
                digest.update(len(text).to_bytes(8, "little") + text)
            return Contents({entry.name: _numbers(path, file, entry, digest) for entry in entries}, metadata)
    except (OSError, MemoryError, RuntimeError) as error:  # torch says so where there is no room
        got = getattr(error, "strerror", None) or "no room in memory for it"
        raise CheckpointError.because(path, got, "a file that can be read", "check the file and the memory") from error


def safetensors_header(path: Path) -> list[Entry]:
    """What ``read_safetensors`` would read, in the order of the file. Raises as it does."""
    try:
        with path.open("rb") as file:
            return _head(path, file, path.stat().st_size)[1]
    except OSError as error:
        action = "check its permissions"
        raise CheckpointError.because(path, error.strerror, "a file that can be read", action) from error


def _head(path: Path, file: BinaryIO, size: int) -> tuple[bytes, list[Entry], Mapping[str, Any]]:
    length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= min(HEADER_BYTES, size - 8):
        got = f"a header of {length:,} bytes in a file of {size:,}"
        raise CheckpointError.because(path, got, f"one inside it, of at most {HEADER_BYTES:,}", WHOLE_COPY)
    text = file.read(length)
    counted = max(text.count(b"{"), text.count(b"[") // 2)  # at least as many: counted before they take memory
    if counted > TENSORS:
        got = f"a header of {counted:,} entries"
        raise CheckpointError.because(path, got, f"at most {TENSORS:,} tensors in a file", WHOLE_COPY)
    table = json_object(path, text)
    metadata = table.pop("__metadata__", None)
    entries = sorted(_entry(path, name, entry) for name, entry in table.items())
    ends = [0, *(entry.end for entry in entries)]
    for entry, end in zip(entries, ends[:-1], strict=True):
        if entry.start != end:
            got = f"{short(entry.name)} from byte {entry.start:,} where {end:,} is next"
            raise CheckpointError.because(path, got, "tensors without gap or overlap", WHOLE_COPY)
    if ends[-1] != size - 8 - length:
        got = f"{size - 8 - length:,} bytes of data where its header ends them at {ends[-1]:,}"
        raise CheckpointError.because(path, got, "equal numbers", WHOLE_COPY)
    return text, entries, metadata if isinstance(metadata, dict) else {}


def _entry(path: Path, name: str, entry: Any) -> Entry:
    """The place of a tensor, after a check against its shape."""
    match entry:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [start, end]} if (
            dtype in DTYPES and len(shape) <= 16 and all(_is_size(number) for number in (*shape, start, end))
        ):
            numbers = math.prod(shape)
            if math.prod(size or 1 for size in shape) < MOST and numbers * DTYPES[dtype].itemsize == end - start:
                return Entry(start, end, name, DTYPES[dtype], shape)
            got = f"{short(name)} of shape {shape} and {dtype} in {end - start:,} bytes"
            raise CheckpointError.because(path, got, "sizes that belong together", WHOLE_COPY)
    named = entry.get("dtype") if isinstance(entry, dict) else None
    dtype = short(named) if isinstance(named, str) else "without a dtype"
    expected = f"dtype (one of {', '.join(DTYPES)}), shape and data_offsets"
    action = "convert it to one of these types, or use a whole copy"
    raise CheckpointError.because(path, f"{short(name)} {dtype}", expected, action)


def _is_size(number: object) -> bool:
    return type(number) is int and 0 <= number < MOST


def _numbers(path: Path, file: BinaryIO, entry: Entry, digest: Digest | None) -> Tensor:
    """The next bytes of the file, as the tensor that they are."""
    if entry.end == entry.start:
        return torch.empty(entry.shape, dtype=entry.dtype)
    data = torch.empty(entry.end - entry.start, dtype=torch.uint8)
    found = file.readinto(data.numpy())  # type: ignore[attr-defined]
    if found != len(data):
        got = f"an end after {found:,} of the {len(data):,} bytes of {short(entry.name)}"
        raise CheckpointError.because(path, got, "a file that nobody writes to meanwhile", WHOLE_COPY)
    if digest is not None:
        digest.update(data.numpy())
    tensor = data != 0 if entry.dtype == torch.bool else data.view(entry.dtype)
    return tensor.reshape(entry.shape)


def json_object(path: Path, text: bytes) -> dict[str, Any]:
    """A JSON object in which each name stands once. Raises CheckpointError."""
    try:
        table = json.loads(text.decode("utf-8"), object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        raise CheckpointError.because(path, str(error)[:100], "a JSON object", WHOLE_COPY) from error
    if not isinstance(table, dict):
        raise CheckpointError.because(path, type(table).__name__, "a JSON object", WHOLE_COPY)
    return table


def _each_once(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a name that stands twice in one object")
    return table
