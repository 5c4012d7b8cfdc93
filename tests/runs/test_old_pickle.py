"""Old pickled weights: what torch wrote comes back, and whatever else a file holds ends in one error."""

from __future__ import annotations

import io
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from regard.errors import CheckpointError
from regard.runs.checkpoints.old_pickle import old_pickle_header, read_old_pickle

KINDS = [torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8]
both_formats = pytest.mark.parametrize("archive", [True, False], ids=["zip", "legacy"])


def saved(weights: Any, archive: bool = True) -> bytes:
    file = io.BytesIO()
    torch.save(weights, file, _use_new_zipfile_serialization=archive)
    return file.getvalue()


def some_weights() -> dict[str, Tensor]:
    grid = torch.arange(12.0).reshape(3, 4)
    return {
        "matrix": grid,
        "tied": grid,
        "transposed": torch.arange(6.0).reshape(2, 3).T,
        "column": grid[:, 1],
        "scalar": torch.tensor(2.5),
        "nothing": torch.zeros(0, 3),
        "flags": torch.tensor([True, False, True]),
        **{str(kind): torch.arange(5).to(kind) for kind in KINDS},
    }


def read(data: bytes, folder: Path) -> dict[str, Tensor]:
    path = folder / "pytorch_model.bin"
    path.write_bytes(data)
    return read_old_pickle(path)


@both_formats
def test_every_tensor_comes_back_as_it_was_saved(archive: bool, tmp_path: Path) -> None:
    weights = some_weights()
    found = read(saved(weights, archive), tmp_path)
    assert list(found) == list(weights)
    for name, tensor in weights.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)
        assert found[name].is_contiguous()
    header = old_pickle_header(tmp_path / "pytorch_model.bin")
    assert {name: one.shape for name, one in header.items()} == {name: tuple(t.shape) for name, t in weights.items()}
    assert header["column"].strides == (4,)


@both_formats
def test_the_state_of_a_module_and_its_parameters_come_back(archive: bool, tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LayerNorm(4))
    for weights in (module.state_dict(), dict(module.named_parameters()), {"state_dict": module.state_dict()}):
        found = read(saved(weights, archive), tmp_path)
        assert found.keys() == module.state_dict().keys()
        assert all(torch.equal(found[name], tensor) for name, tensor in module.state_dict().items())
        assert not any(tensor.requires_grad for tensor in found.values())


def test_tied_tensors_share_their_memory(tmp_path: Path) -> None:
    found = read(saved(some_weights()), tmp_path)
    assert found["tied"].data_ptr() == found["matrix"].data_ptr()


# Files made by hand ---------------------------------------------------------------------------------------------------


def text(word: str) -> bytes:
    return b"X" + struct.pack("<I", len(word)) + word.encode()


def number(value: int) -> bytes:
    size = value.bit_length() // 8 + 1
    return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)


def tensor(
    key: str = "0", numel: int = 4, offset: int = 0, shape: tuple[int, ...] = (4,), strides: tuple[int, ...] = (1,)
) -> bytes:
    """The opcodes of one float32 tensor."""
    reference = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu") + number(numel) + b"tQ"
    sizes = (b"(" + b"".join(map(number, values)) + b"t" for values in (shape, strides))
    hooks = b"ccollections\nOrderedDict\n)R"
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + reference + number(offset) + b"".join(sizes) + b"\x89" + hooks + b"tR"
    )


def pickled(**entries: bytes) -> bytes:
    """The opcodes of a dictionary."""
    return b"\x80\x02}(" + b"".join(text(name) + value for name, value in entries.items()) + b"u."


def archive_of(
    opcodes: bytes, members: Mapping[str, bytes] | None = None, compression: int = zipfile.ZIP_STORED
) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("model/data.pkl", opcodes)
        for name, data in ({"data/0": bytes(16)} if members is None else members).items():
            archive.writestr(f"model/{name}", data)
    return file.getvalue()


def test_a_file_made_by_hand_is_read(tmp_path: Path) -> None:
    data = struct.pack("<4f", 1, 2, 3, 4)
    found = read(archive_of(pickled(w=tensor(shape=(2, 2), strides=(1, 2))), {"data/0": data}), tmp_path)
    assert found["w"].tolist() == [[1.0, 3.0], [2.0, 4.0]]


def test_nothing_that_a_file_names_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    calls = {
        "reduce": b"\x80\x02cos\nsystem\n" + text("touch marker") + b"\x85R.",
        "in a value": pickled(w=b"cbuiltins\neval\n" + text("open('marker', 'w')") + b"\x85R"),
        "in the hooks": pickled(w=tensor().replace(b"ccollections\nOrderedDict", b"cos\nabort")),
        "another of torch": pickled(w=tensor().replace(b"_rebuild_tensor_v2", b"_rebuild_sparse_tensor")),
    }
    for opcodes in calls.values():
        for data in (archive_of(opcodes), legacy_of(opcodes)):
            with pytest.raises(CheckpointError, match=r"the name '.*', which is not looked up; expected a dictionary"):
                read(data, tmp_path)
    old_class = b"\x80\x02(ios\nsystem\n."  # INST, OBJ and their like
    with pytest.raises(CheckpointError, match=r"the pickle opcode INST; .*; convert it to safetensors where you trust"):
        read(archive_of(old_class), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["pytorch_model.bin"]


def legacy_of(opcodes: bytes, keys: bytes = b"\x80\x02](" + text("0") + b"e.", numel: int = 4) -> bytes:
    magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
    machine = b"\x80\x02}" + text("little_endian") + b"\x88s."
    return magic + b"\x80\x02M\xe9\x03." + machine + opcodes + keys + struct.pack("<q", numel) + bytes(16)


def test_a_legacy_file_made_by_hand_is_read(tmp_path: Path) -> None:
    assert read(legacy_of(pickled(w=tensor())), tmp_path)["w"].tolist() == [0.0] * 4


@pytest.mark.parametrize(
    "wrong",
    [
        tensor(offset=1),
        tensor(offset=-1),
        tensor(shape=(5,)),
        tensor(shape=(2, 2), strides=(3, 1)),
        tensor(shape=(-1,)),
        tensor(strides=(-1,)),
        tensor(strides=(1, 1)),
        tensor(shape=(0, 2**40, 2**40), strides=(1, 1, 1)),
        tensor(shape=(1,), strides=(2**60,)),
        tensor(shape=(1,) * 17, strides=(1,) * 17),
    ],
)
def test_a_view_outside_its_storage_is_refused(wrong: bytes, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="a tensor that reaches outside its storage '0'"):
        read(archive_of(pickled(w=wrong)), tmp_path)


@pytest.mark.parametrize("numel", [3, 5, 2**40, 2**80])
def test_a_number_of_elements_that_lies_is_refused(numel: int, tmp_path: Path) -> None:
    opcodes = pickled(w=tensor(numel=numel, shape=(1,)))
    with pytest.raises(CheckpointError, match=r"got 16 bytes for '0'; expected .*, as declared; use a whole copy"):
        read(archive_of(opcodes), tmp_path)
    with pytest.raises(CheckpointError, match="4 numbers before the file's end of"):
        read(legacy_of(opcodes), tmp_path)
    if numel > 4:
        with pytest.raises(CheckpointError, match="numbers before the file's end of"):
            read(legacy_of(opcodes, numel=min(numel, 2**60)), tmp_path)


def test_a_tensor_that_repeats_one_number_for_ever_is_refused(tmp_path: Path) -> None:
    opcodes = pickled(w=tensor(shape=(2**30,), strides=(0,)))
    with pytest.raises(CheckpointError, match="tensors of 4,294,967,296 bytes in a file of"):
        read(archive_of(opcodes), tmp_path)


def test_a_compressed_archive_is_refused_before_it_expands(tmp_path: Path) -> None:
    bomb = archive_of(pickled(w=tensor(numel=2**22)), {"data/0": bytes(2**24)}, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 2**16
    with pytest.raises(CheckpointError, match="compressed, which torch never writes"):
        read(bomb, tmp_path)


def test_members_that_overlap_are_refused(tmp_path: Path) -> None:
    whole = archive_of(pickled(w=tensor()), {f"data/{key}": bytes(4096) for key in range(4)})
    stated = struct.pack("<2I", 4096, 4096)
    assert whole.count(stated) == 8
    with pytest.raises(CheckpointError, match="members that are larger than the file"):
        read(whole.replace(stated, struct.pack("<2I", 16000, 16000)), tmp_path)


def test_an_archive_of_another_kind_is_refused(tmp_path: Path) -> None:
    good = pickled(w=tensor())
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = archive_of(good, {"data/0": bytes(16), "data.pkl": good})
    with pytest.raises(CheckpointError, match="an archive that holds a name twice"):
        read(twice, tmp_path)
    with pytest.raises(CheckpointError, match=r"an archive with 2 files data\.pkl"):
        read(archive_of(good, {"data/0": bytes(16), "more/data.pkl": b""}), tmp_path)
    with pytest.raises(CheckpointError, match="numbers with the highest byte first"):
        read(archive_of(good, {"data/0": bytes(16), "byteorder": b"big"}), tmp_path)
    with pytest.raises(CheckpointError, match=r"expected a whole file of torch\.save; use a whole copy"):
        read(archive_of(good, {}), tmp_path)
    with pytest.raises(CheckpointError, match="got BadZipFile"):
        read(b"no archive at all", tmp_path)


def test_a_legacy_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    good = pickled(w=tensor())
    with pytest.raises(CheckpointError, match="another version or order of bytes"):
        read(legacy_of(good).replace(b"\x88s.", b"\x89s."), tmp_path)
    with pytest.raises(CheckpointError, match="a list of keys that are not those of its tensors"):
        read(legacy_of(good, keys=b"\x80\x02](" + text("1") + b"e."), tmp_path)
    with pytest.raises(CheckpointError, match="no numbers for '0'"):
        read(legacy_of(good, keys=b"\x80\x02]."), tmp_path)


@pytest.mark.parametrize(
    ("opcodes", "message"),
    [
        (b"\x80\x02].", "got a list; expected a dictionary of dense tensors"),
        (pickled(model=pickled(w=tensor())[2:-1]), "a dictionary under 'model'; .* state_dict alone"),
        (pickled(epoch=number(3)), "a int under 'epoch'"),
        (b"\x80\x02}(" + number(1) + tensor() + b"u.", "a key that is no text"),
        (b"\x80\x02}(" + (text("w") + tensor()) * 2 + b"u.", "a key that is no text or stands twice"),
        (pickled(w=tensor(), v=tensor(numel=3, shape=(3,))), "something other than one plain storage"),
        (pickled(w=text("x") + b"Q"), "a reference to something other than one"),
        (pickled(w=b"ctorch\nFloatStorage\n)R"), "a call that builds no dense tensor"),
        (b"\x80\x02)" + text("a") + b"Ns.", "a tuple that is used as a dict"),
        (b"\x80\x02" + b"N" * 2_000_001 + b".", "more than 2,000,000 opcodes"),
        (b"\x80\x02)" + b"\x85" * 100_000 + b".", "got a tuple; expected"),
        (b"\x80\x02t.", "got IndexError"),
        (b"\x80\x02h\x07.", "got KeyError"),
        (b"\x80\x02", "got ValueError"),
    ],
)
def test_anything_but_a_dictionary_of_tensors_is_refused(opcodes: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=message):
        read(archive_of(opcodes), tmp_path)


def test_a_public_kind_of_tensor_that_is_not_dense_is_refused(tmp_path: Path) -> None:
    for weights in (
        {"w": torch.eye(2).to_sparse()},
        {"w": torch.zeros(2, dtype=torch.complex64)},
        {"w": torch.zeros(2, dtype=torch.uint16)},
        {"w": torch.zeros(2, device="meta")},
        torch.nn.Linear(2, 2),
        OrderedDict(w=None),
    ):
        with pytest.raises(CheckpointError, match="convert it to safetensors where you trust it"):
            read(saved(weights), tmp_path)


# Damage ---------------------------------------------------------------------------------------------------------------

SMALL = {"w": torch.arange(6.0).reshape(2, 3).T, "b": torch.zeros(3, dtype=torch.float16)}
WHOLE = {archive: saved(SMALL, archive) for archive in (True, False)}


def read_or_refused(data: bytes, folder: Path) -> dict[str, Tensor] | None:
    try:
        return read(data, folder)
    except CheckpointError:
        return None


@both_formats
def test_a_file_cut_anywhere_is_refused(archive: bool, tmp_path: Path) -> None:
    whole = WHOLE[archive]
    assert read_or_refused(whole, tmp_path) is not None
    for length in range(0, len(whole), 7):
        assert read_or_refused(whole[:length], tmp_path) is None


@both_formats
@settings(max_examples=300)
@given(data=st.data())
def test_flipped_bytes_give_tensors_or_the_one_error(
    archive: bool, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    changed = bytearray(WHOLE[archive])
    places = st.tuples(st.integers(0, len(changed) - 1), st.integers(1, 255))
    for place, bits in data.draw(st.lists(places, min_size=1, max_size=3)):
        changed[place] ^= bits
    found = read_or_refused(bytes(changed), tmp_path_factory.getbasetemp())
    assert found is None or sum(tensor.nbytes for tensor in found.values()) <= 4 * len(changed)


@settings(max_examples=300)
@given(
    opcodes=st.lists(
        st.sampled_from([*(bytes([n]) for n in b"}])(tuesbRQ0N\x88\x85\x86"), text("0"), tensor(), number(1)])
    )
)
def test_any_row_of_opcodes_gives_tensors_or_the_one_error(
    opcodes: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    read_or_refused(archive_of(b"\x80\x02" + b"".join(opcodes) + b"."), tmp_path_factory.getbasetemp())
