"""The weights of a model folder as tensors by name, from whichever public file they lie in.

In this order: ``model.safetensors``, its shards by ``model.safetensors.index.json``, ``pytorch_model.bin``, its shards.
What a file declares is checked against its size before anything is allocated.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from regard.errors import CheckpointError
from regard.runs.checkpoints.old_pickle import old_pickle_header, read_old_pickle
from regard.runs.checkpoints.opcodes import short
from regard.training.checkpoint import read_tensors

Header = dict[str, tuple[str, list[int]]]
Part = TypeVar("Part")

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
_SHARD = re.compile(r"\w[\w.-]{0,200}", re.ASCII)
WHOLE_COPY = "use a whole copy of the file"


@dataclass(frozen=True)
class _Format:
    """A way to store weights: in one file, or in shards that an index names."""

    whole: str
    read: Callable[[Path], dict[str, Tensor]]
    header: Callable[[Path], Header]

    @property
    def index(self) -> str:
        return f"{self.whole}.index.json"


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The tensors of a model folder, in the dtypes that they are stored in (the caller converts).

    Those that shared memory in an old pickled file share it here too.
    Raises CheckpointError where there are no weights, a shard is missing, or a file is damaged.
    """
    form = _format_in(folder)
    return _merged(folder, form, form.read)


def header(folder: Path) -> Header:
    """Dtype and shape of each tensor of a model folder, without reading the numbers. Raises as ``read_weights``."""
    form = _format_in(folder)
    return _merged(folder, form, form.header)


def weights_are_there(folder: Path) -> bool:
    """Whether the files are there that ``read_weights`` would open; whether they are sound is not looked at."""
    try:
        form = _format_in(folder)
        return (folder / form.whole).is_file() or bool(_shards(folder, form))
    except CheckpointError:
        return False


def _format_in(folder: Path) -> _Format:
    for form in FORMATS:
        if (folder / form.whole).is_file() or (folder / form.index).is_file():
            return form
    found = ", ".join(sorted(path.name for path in folder.iterdir())[:20]) if folder.is_dir() else "no folder"
    expected = "model.safetensors or pytorch_model.bin, whole or in shards with an index"
    action = "name a folder with one of them, or convert the weights to safetensors"
    raise CheckpointError.because(folder, found or "an empty folder", expected, action)


# Shards ---------------------------------------------------------------------------------------------------------------


def _merged(folder: Path, form: _Format, read: Callable[[Path], dict[str, Part]]) -> dict[str, Part]:
    """What ``read`` makes of the one file, or of all shards together."""
    if (folder / form.whole).is_file():
        return read(folder / form.whole)
    merged: dict[str, Part] = {}
    for shard, names in _shards(folder, form).items():
        parts = read(folder / shard)
        if missing := sorted(names - parts.keys()):
            got = f"no {', '.join(map(short, missing[:20]))} ({len(missing)} missing)"
            raise CheckpointError.because(folder / shard, got, f"what {form.index} places there", WHOLE_COPY)
        if twice := sorted(parts.keys() & merged.keys()):
            got = f"{short(twice[0])}, which another shard holds too"
            raise CheckpointError.because(folder / shard, got, "each tensor in one shard", WHOLE_COPY)
        merged.update(parts)
    return merged


def _shards(folder: Path, form: _Format) -> dict[str, set[str]]:
    """The files that an index names, each with its tensors."""
    index = folder / form.index
    places = _json_object(index, _bytes(index, HEADER_BYTES)).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(place, str) for place in places.values()) or not places:
        expected = "weight_map: tensor names with file names"
        raise CheckpointError.because(index, "no usable weight_map", expected, WHOLE_COPY)
    shards: dict[str, set[str]] = {}
    for name, place in places.items():
        shards.setdefault(place, set()).add(name)
    for shard in shards:
        if not _SHARD.fullmatch(shard):
            action = "use the index that was saved with the shards"
            raise CheckpointError.because(index, short(shard), "the name of a file in the same folder", action)
    if missing := sorted(shard for shard in shards if not (folder / shard).is_file()):
        got = f"no {', '.join(missing[:20])} ({len(missing)} of {len(shards)} files missing)"
        raise CheckpointError.because(folder, got, f"every file that {form.index} names", "fetch all shards")
    return shards


# One file -------------------------------------------------------------------------------------------------------------


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    _safetensors_header(path)
    return read_tensors(path)


def _safetensors_header(path: Path) -> Header:
    """Eight bytes of length, a JSON object, then the numbers: each tensor's bytes follow the one's before it."""
    with _readable(path).open("rb") as file:
        size, length = path.stat().st_size, int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(HEADER_BYTES, size - 8):
            got = f"a header of {length:,} bytes in a file of {size:,}"
            raise CheckpointError.because(path, got, f"one inside it, of at most {HEADER_BYTES:,}", WHOLE_COPY)
        text = file.read(length)
    entries = max(text.count(b"{"), text.count(b"[") // 2)  # at least as many: counted before they take memory
    if entries > TENSORS:
        got = f"a header of {entries:,} entries"
        raise CheckpointError.because(path, got, f"at most {TENSORS:,} tensors in a file", WHOLE_COPY)
    table = _json_object(path, text)
    table.pop("__metadata__", None)
    spans = sorted(_span(path, name, entry) for name, entry in table.items())
    ends = [0, *(end for _, end, _ in spans)]
    for (start, _, name), end in zip(spans, ends[:-1], strict=True):
        if start != end:
            got = f"{short(name)} from byte {start:,} where {end:,} is next"
            raise CheckpointError.because(path, got, "tensors without gap or overlap", WHOLE_COPY)
    if ends[-1] != size - 8 - length:
        got = f"{size - 8 - length:,} bytes of data where its header ends them at {ends[-1]:,}"
        raise CheckpointError.because(path, got, "equal numbers", WHOLE_COPY)
    return {name: (_dtype_name(DTYPES[entry["dtype"]]), entry["shape"]) for name, entry in table.items()}


def _span(path: Path, name: str, entry: Any) -> tuple[int, int, str]:
    """The first byte of a tensor and the one behind its last, after a check against its shape."""
    match entry:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [start, end]} if (
            dtype in DTYPES and len(shape) <= 16 and all(_is_size(number) for number in (*shape, start, end))
        ):
            numbers = math.prod(shape)
            if math.prod(size or 1 for size in shape) < MOST and numbers * DTYPES[dtype].itemsize == end - start:
                return start, end, name
            got = f"{short(name)} of shape {shape} and {dtype} in {end - start:,} bytes"
            raise CheckpointError.because(path, got, "sizes that belong together", WHOLE_COPY)
    named = entry.get("dtype") if isinstance(entry, dict) else None
    dtype = short(named) if isinstance(named, str) else "without a dtype"
    expected = f"dtype (one of {', '.join(DTYPES)}), shape and data_offsets"
    action = "convert it to one of these types, or use a whole copy"
    raise CheckpointError.because(path, f"{short(name)} {dtype}", expected, action)


def _is_size(number: object) -> bool:
    return type(number) is int and 0 <= number < MOST


def _pickle_header(path: Path) -> Header:
    tensors = old_pickle_header(_readable(path))
    return {name: (_dtype_name(one.storage.dtype), list(one.shape)) for name, one in tensors.items()}


def _read_pickle(path: Path) -> dict[str, Tensor]:
    return read_old_pickle(_readable(path))


def _dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _readable(path: Path) -> Path:
    """``path``, after a look at whether it opens: a pipe would wait for ever."""
    _bytes(path, 0)
    return path


def _bytes(path: Path, most: int) -> bytes:
    try:
        if not path.is_file():
            raise CheckpointError.because(path, "no file", "a file of weights", "name the folder that holds it")
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise CheckpointError.because(
            path, error.strerror, "a file that can be read", "check its permissions"
        ) from error


def _json_object(path: Path, text: bytes) -> dict[str, Any]:
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


FORMATS = (
    _Format("model.safetensors", _read_safetensors, _safetensors_header),
    _Format("pytorch_model.bin", _read_pickle, _pickle_header),
)
