"""The weights of a model folder as tensors by name, from whichever public file they lie in.

In this order: ``model.safetensors``, its shards by ``model.safetensors.index.json``, ``pytorch_model.bin``, its shards.
What a file declares is checked against its size before anything is allocated.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from regard.errors import CheckpointError
from regard.runs.checkpoints.manifest import check_facts, declared
from regard.runs.checkpoints.old_pickle import old_pickle_header, read_old_pickle
from regard.runs.checkpoints.opcodes import short
from regard.runs.checkpoints.safetensors_file import (
    HEADER_BYTES,
    WHOLE_COPY,
    json_object,
    read_safetensors,
    safetensors_header,
)

Header = dict[str, tuple[str, list[int]]]
Part = TypeVar("Part")

EXPECTED = "model.safetensors or pytorch_model.bin, whole or in shards with an index"
_SHARD = re.compile(r"\w[\w.-]{0,200}", re.ASCII)


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
        if (folder / form.whole).exists() or (folder / form.index).exists():
            return form
    found = ", ".join(sorted(path.name for path in folder.iterdir())[:20]) if folder.is_dir() else "no folder"
    action = "name a folder with one of them, or convert the weights to safetensors"
    raise CheckpointError.because(folder, found or "an empty folder", EXPECTED, action)


# Shards ---------------------------------------------------------------------------------------------------------------


def _merged(folder: Path, form: _Format, read: Callable[[Path], dict[str, Part]]) -> dict[str, Part]:
    """What ``read`` makes of the one file, or of all shards together."""
    if (folder / form.whole).exists():
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
    places = json_object(index, _bytes(index, HEADER_BYTES)).get("weight_map")
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
    """As they were written, where there is a manifest to tell."""
    written = declared(_readable(path))
    if written is None:
        return read_safetensors(path).tensors
    digest = hashlib.sha256()
    tensors = read_safetensors(path, digest).tensors
    check_facts(path, written, {"bytes": path.stat().st_size, "sha256": digest.hexdigest()})
    return tensors


def _safetensors_header(path: Path) -> Header:
    entries = safetensors_header(_readable(path))
    return {entry.name: (_dtype_name(entry.dtype), entry.shape) for entry in entries}


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
            got = "a folder, a pipe or a device"
            raise CheckpointError.because(path, got, EXPECTED, "put the file there")
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise CheckpointError.because(
            path, error.strerror, "a file that can be read", "check its permissions"
        ) from error


FORMATS = (
    _Format("model.safetensors", _read_safetensors, _safetensors_header),
    _Format("pytorch_model.bin", _read_pickle, _pickle_header),
)
