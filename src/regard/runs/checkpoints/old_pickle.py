"""Dense tensors from an old pickled ``pytorch_model.bin``, without unpickling: nothing it names is imported or called.

``torch.save`` has two formats, a zip archive (since 2020) and a row of pickles (before); both are read. Sizes are
checked before a number is read, and what the tensors take is bounded by the size of the file.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import torch
from torch import Tensor

from regard.errors import CheckpointError
from regard.runs.checkpoints.opcodes import Machine, Storage, Stored, refusal, short

TIMES = 4  # how often the tensors may name the file's bytes: BART's old files hold the embeddings under four names

# The other format, of before 2020: five pickles, of which these are the first two, then the numbers.
LEGACY = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
LEGACY_VERSION = 1001


def read_old_pickle(path: Path) -> dict[str, Tensor]:
    """The tensors of a file that ``torch.save`` wrote, by name. Tensors that share memory in the file share it here.

    Raises CheckpointError where it holds anything but a dictionary of dense tensors, or is damaged.
    """
    with _opened(path) as (tensors, data):
        storages = {one.storage.key: one.storage for one in tensors.values()}
        numbers = {key: _numbers(storage, data(storage)) for key, storage in storages.items()}
        return {name: one.view(numbers[one.storage.key]) for name, one in tensors.items()}


def old_pickle_header(path: Path) -> dict[str, Stored]:
    """What ``read_old_pickle`` would read, with all its checks of sizes, without the numbers. Raises as it does."""
    with _opened(path) as (tensors, _):
        return tensors


def _numbers(storage: Storage, data: bytes) -> Tensor:
    if not data:
        return torch.empty(0, dtype=storage.dtype)
    return torch.frombuffer(bytearray(data), dtype=storage.dtype)


Data = Callable[[Storage], bytes]


@contextmanager
def _opened(path: Path) -> Iterator[tuple[dict[str, Stored], Data]]:
    """The checked tensors of a file, and how to read a storage while it is open."""
    damages = (OSError, EOFError, ValueError, LookupError, RuntimeError, OverflowError, struct.error)
    try:
        with path.open("rb") as file:
            legacy = file.read(len(LEGACY)) == LEGACY
            file.seek(0)
            tensors, data = (_open_legacy if legacy else _open_zip)(path, file)
            size = path.stat().st_size
            named = sum(math.prod(one.shape) * one.storage.dtype.itemsize for one in tensors.values())
            if named > TIMES * size:
                raise refusal(path, f"tensors of {named:,} bytes in a file of {size:,}")
            yield tensors, data
    except (*damages, zipfile.BadZipFile) as error:
        got = f"{type(error).__name__} ({str(error)[:100]!r})"
        action = "use a whole copy of the file"
        raise CheckpointError.because(path, got, "a whole file of torch.save", action) from error


# The two containers ---------------------------------------------------------------------------------------------------


def _open_zip(path: Path, file: BinaryIO) -> tuple[dict[str, Stored], Data]:
    """``NAME/data.pkl``, and the numbers in ``NAME/data/KEY``, uncompressed."""
    archive = zipfile.ZipFile(file)
    members = {member.filename: member for member in archive.infolist()}
    if len(members) != len(archive.infolist()):
        raise refusal(path, "an archive that holds a name twice")
    for member in members.values():
        if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
            raise refusal(path, f"{short(member.filename)} compressed, which torch never writes")
    if sum(member.file_size for member in members.values()) > path.stat().st_size:
        raise refusal(path, "members that are larger than the file")
    tops = [name.removesuffix("/data.pkl") for name in members if name.endswith("/data.pkl")]
    if len(tops) != 1:
        raise refusal(path, f"an archive with {len(tops)} files data.pkl")
    order = members.get(f"{tops[0]}/byteorder")
    if order is not None and archive.read(order) != b"little":
        raise refusal(path, "numbers with the highest byte first")

    def place(storage: Storage) -> zipfile.ZipInfo:
        return members[f"{tops[0]}/data/{storage.key}"]

    tensors, storages = _declared(path, io.BytesIO(archive.read(f"{tops[0]}/data.pkl")))
    for storage in storages.values():
        if place(storage).file_size != storage.bytes:
            raise _wrong_size(path, storage, place(storage).file_size)
    return tensors, lambda storage: archive.read(place(storage))


def _open_legacy(path: Path, file: BinaryIO) -> tuple[dict[str, Stored], Data]:
    """Five pickles (number, version, machine, tensors, keys), then for each key how many numbers, and the numbers."""
    size = path.stat().st_size
    file = cast(BinaryIO, _Inside(file, size))
    _, version, machine = (Machine(path).run(file) for _ in range(3))
    if version != LEGACY_VERSION or not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise refusal(path, "another version or order of bytes")
    tensors, storages = _declared(path, file)
    keys = Machine(path).run(file)
    if not isinstance(keys, list) or any(type(key) is not str or key not in storages for key in keys):
        raise refusal(path, "a list of keys that are not those of its tensors")
    places = {}
    for storage in (storages[key] for key in keys):
        (numel,) = struct.unpack("<q", file.read(8))
        if numel != storage.numel or file.tell() + storage.bytes > size:
            raise _wrong_size(path, storage, f"{numel} numbers before the file's end of {size}")
        places[storage.key] = file.tell()
        file.seek(storage.bytes, io.SEEK_CUR)
    if missing := storages.keys() - places.keys():
        raise refusal(path, f"no numbers for {short(min(missing))}")

    def data(storage: Storage) -> bytes:
        file.seek(places[storage.key])
        return file.read(storage.bytes)

    return tensors, data


class _Inside:
    """A file of which no more is asked than it has: a length that lies would take memory before it was found out."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size
        self.readline, self.tell, self.seek = file.readline, file.tell, file.seek

    def read(self, count: int) -> bytes:
        """At most ``count`` bytes, as many as there are."""
        return self._file.read(max(0, min(count, self._size - self._file.tell())))


def _wrong_size(path: Path, storage: Storage, got: object) -> CheckpointError:
    expected = f"{storage.bytes}, as declared"
    return CheckpointError.because(
        path, f"{got} bytes for {short(storage.key)}", expected, "use a whole copy of the file"
    )


def _declared(path: Path, file: BinaryIO) -> tuple[dict[str, Stored], dict[str, Storage]]:
    """The tensors by name, and all storages by key."""
    machine = Machine(path)
    table = machine.run(file)
    if isinstance(table, dict) and table.keys() == {"state_dict"}:
        table = table["state_dict"]
    if not isinstance(table, dict):
        raise refusal(path, f"a {type(table).__name__}")
    for name, value in table.items():
        if isinstance(value, dict):
            action = "save the model's state_dict alone, as safetensors"
            raise CheckpointError.because(path, f"a dictionary under {short(name)}", "tensors alone", action)
        if not isinstance(value, Stored):
            raise refusal(path, f"a {type(value).__name__} under {short(name)}")
    return table, machine.storages
