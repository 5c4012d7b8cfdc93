"""Weights of a model folder: every public way to store them, and headers that lie."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save, save_file
from torch import Tensor

from regard.errors import CheckpointError
from regard.runs.checkpoints.weight_files import header, read_weights, weights_are_there

WEIGHTS = {
    "a.weight": torch.arange(6.0).reshape(2, 3),
    "a.bias": torch.tensor([1, 2], dtype=torch.bfloat16),
    "b.weight": torch.tensor([0.5, 1.5], dtype=torch.float16),
    "b.count": torch.tensor(7),
    "b.double": torch.tensor([0.1], dtype=torch.float64),
    "b.nothing": torch.zeros(0, 3),
}
HEADER = {
    "a.weight": ("float32", [2, 3]),
    "a.bias": ("bfloat16", [2]),
    "b.weight": ("float16", [2]),
    "b.count": ("int64", []),
    "b.double": ("float64", [1]),
    "b.nothing": ("float32", [0, 3]),
}
SHARDS = {"a": "-00001-of-00002", "b": "-00002-of-00002"}


def write(folder: Path, name: str, weights: dict[str, Tensor]) -> None:
    (save_file if name.endswith("safetensors") else torch.save)(weights, folder / name)


def write_shards(folder: Path, whole: str) -> dict[str, str]:
    """The weights as two shards with an index; returns the index's map."""
    stem, ending = whole.rsplit(".", 1)
    places = {name: f"{stem}{SHARDS[name[0]]}.{ending}" for name in WEIGHTS}
    for shard in set(places.values()):
        write(folder, shard, {name: WEIGHTS[name] for name, place in places.items() if place == shard})
    write_index(folder, whole, places)
    return places


def write_index(folder: Path, whole: str, places: Any) -> None:
    (folder / f"{whole}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


def assert_all_there(folder: Path) -> None:
    found = read_weights(folder)
    assert found.keys() == WEIGHTS.keys()
    for name, tensor in WEIGHTS.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)
    assert header(folder) == HEADER
    assert weights_are_there(folder)


each_format = pytest.mark.parametrize("whole", ["model.safetensors", "pytorch_model.bin"])


@each_format
def test_weights_in_one_file_come_back_in_their_types(whole: str, tmp_path: Path) -> None:
    write(tmp_path, whole, WEIGHTS)
    assert_all_there(tmp_path)


@each_format
def test_weights_in_shards_come_back_together(whole: str, tmp_path: Path) -> None:
    write_shards(tmp_path, whole)
    assert_all_there(tmp_path)


def test_the_shards_of_another_library_are_read(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    module = transformers.BertModel(transformers.BertConfig(vocab_size=40, **sizes))
    module.save_pretrained(tmp_path, max_shard_size="4KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    found = read_weights(tmp_path)
    assert found.keys() == module.state_dict().keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in module.state_dict().items())


def test_safetensors_are_preferred_to_what_was_pickled(tmp_path: Path) -> None:
    write(tmp_path, "pytorch_model.bin", {"old": torch.zeros(1)})
    write_shards(tmp_path, "model.safetensors")
    assert_all_there(tmp_path)


@pytest.mark.parametrize(
    ("files", "got"), [(["config.json", "tf_model.h5"], "config.json, tf_model.h5"), ([], "empty")]
)
def test_a_folder_without_weights_says_what_is_there(files: list[str], got: str, tmp_path: Path) -> None:
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(CheckpointError, match=rf"{got}.*; expected model\.safetensors or .*convert the weights to"):
        read_weights(tmp_path)
    with pytest.raises(CheckpointError, match="got no folder"):
        header(tmp_path / "none")
    assert not weights_are_there(tmp_path)


# Shards that do not belong together -----------------------------------------------------------------------------------


@each_format
def test_a_missing_shard_is_named(whole: str, tmp_path: Path) -> None:
    places = write_shards(tmp_path, whole)
    (tmp_path / places["b.weight"]).unlink()
    with pytest.raises(CheckpointError, match=r"00002-of-00002.* \(1 of 2 files missing\); expected every file that"):
        read_weights(tmp_path)
    assert not weights_are_there(tmp_path)


@each_format
def test_a_tensor_that_is_not_where_the_index_says_is_named(whole: str, tmp_path: Path) -> None:
    places = write_shards(tmp_path, whole)
    write_index(tmp_path, whole, places | {"c": places["a.bias"]})
    for read in (read_weights, header):
        with pytest.raises(CheckpointError, match=r"00001-of.*no 'c' \(1 missing\); expected what .* places there"):
            read(tmp_path)


@each_format
def test_a_tensor_in_two_shards_is_refused(whole: str, tmp_path: Path) -> None:
    places = write_shards(tmp_path, whole)
    write(tmp_path, places["b.weight"], WEIGHTS)
    with pytest.raises(CheckpointError, match=r"'a\.bias', which another shard holds too; .* each tensor in one shard"):
        read_weights(tmp_path)


@pytest.mark.parametrize(
    "shard", ["../x", "/etc/passwd", "..", ".", "", "a/b", "a\\b", "c:x", "a\0", "x" * 300, "\ud800"]
)
def test_a_shard_outside_the_folder_is_refused(shard: str, tmp_path: Path) -> None:
    write_index(tmp_path, "model.safetensors", {"w": shard})
    with pytest.raises(CheckpointError, match="the name of a file in the same folder; use the index that was saved"):
        read_weights(tmp_path)


@pytest.mark.parametrize("places", [None, [], {}, {"w": 3}])
def test_an_index_without_a_map_is_refused(places: Any, tmp_path: Path) -> None:
    write_index(tmp_path, "model.safetensors", places)
    with pytest.raises(CheckpointError, match="no usable weight_map; expected weight_map: tensor names with"):
        read_weights(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"weight_map": {"a": "x", "a": "y"}}', "\udcff"])
def test_an_index_that_is_no_json_object_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(CheckpointError, match="expected a JSON object; use a whole copy"):
        read_weights(tmp_path)


# Headers that lie -----------------------------------------------------------------------------------------------------


def file_of(table: Any, data: bytes = bytes(8), length: int | None = None) -> bytes:
    """A safetensors file with this header, which may state another ``length``."""
    text = table if isinstance(table, bytes) else json.dumps(table).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(dtype: Any = "F32", shape: Any = (2,), start: Any = 0, end: Any = 8) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def refused(folder: Path, data: bytes, message: str) -> None:
    (folder / "model.safetensors").write_bytes(data)
    for read in (read_weights, header):
        with pytest.raises(CheckpointError, match=message):
            read(folder)


def test_a_header_made_by_hand_is_read(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(file_of({"w": entry(), "__metadata__": {"format": "pt"}}))
    assert read_weights(tmp_path)["w"].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("length", [0, 1, 10_000, 100 * 2**20 + 1, 2**63, 2**64 - 1])
def test_a_length_that_lies_is_refused(length: int, tmp_path: Path) -> None:
    refused(tmp_path, file_of({"w": entry()}, length=length), f"got a header of {length:,} bytes in a file of")


@pytest.mark.parametrize("text", [b"[]", b"{]", b"\xff\xff", b"[" * 100_000, b'{"w": 1' + b"0" * 5000 + b"}"])
def test_a_header_that_is_no_json_object_is_refused(text: bytes, tmp_path: Path) -> None:
    refused(tmp_path, file_of(text), "expected a JSON object; use a whole copy")


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    one = json.dumps(entry())
    refused(tmp_path, file_of(f'{{"w": {one}, "w": {one}}}'.encode()), "a name that stands twice in one object")


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        {"dtype": "F32"},
        entry(dtype="F8_E4M3"),
        entry(dtype=3),
        entry(shape=[-2]),
        entry(shape=[2.0]),
        entry(shape=[True, 2]),
        entry(shape=2),
        entry(shape=[1] * 16 + [2]),
        entry(shape=[2**64]),
        entry(start=-8, end=0),
        entry(end=2**70),
    ],
)
def test_an_entry_that_is_none_is_refused(wrong: Any, tmp_path: Path) -> None:
    refused(tmp_path, file_of({"w": wrong}), r"got 'w' .*; expected dtype \(one of F64, .* use a whole copy")


@pytest.mark.parametrize(
    "wrong",
    [
        entry(shape=[3]),
        entry(shape=[2**24, 2**24, 2**20]),
        entry(shape=[0]),
        entry(shape=[0, 2**40, 2**40], end=0),
        entry(start=8, end=0),
        entry(end=7),
    ],
)
def test_a_shape_that_its_bytes_cannot_hold_is_refused(wrong: Any, tmp_path: Path) -> None:
    refused(tmp_path, file_of({"w": wrong}), "expected sizes that belong together")


@pytest.mark.parametrize(("starts", "size"), [((0, 4), 12), ((0, 12), 20), ((4, 12), 20)])
def test_tensors_that_overlap_or_leave_a_gap_are_refused(starts: tuple[int, int], size: int, tmp_path: Path) -> None:
    table = {name: entry(start=start, end=start + 8) for name, start in zip("vw", starts, strict=True)}
    refused(tmp_path, file_of(table, bytes(size)), r"from byte .* is next; expected tensors without gap or overlap")


@pytest.mark.parametrize("size", [0, 7, 9, 16])
def test_more_or_fewer_bytes_than_the_header_says_are_refused(size: int, tmp_path: Path) -> None:
    refused(tmp_path, file_of({"w": entry()}, bytes(size)), f"got {size} bytes of data where its header ends them at 8")


@pytest.mark.parametrize("many", [b"{}," * 100_001, b"[]," * 200_002], ids=["objects", "lists"])
def test_too_many_tensors_are_refused(many: bytes, tmp_path: Path) -> None:
    table = b'{"w": 0' + many + b"0}"
    refused(tmp_path, file_of(table), r"got a header of 100,00\d entries; .* at most 100,000 tensors in a file")


def test_a_folder_in_the_place_of_a_shard_is_refused(tmp_path: Path) -> None:
    places = write_shards(tmp_path, "model.safetensors")
    (tmp_path / places["b.weight"]).unlink()
    (tmp_path / places["b.weight"]).mkdir()
    with pytest.raises(CheckpointError, match="1 of 2 files missing"):
        read_weights(tmp_path)


WHOLE = save(WEIGHTS)


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    for length in range(len(WHOLE)):
        (tmp_path / "model.safetensors").write_bytes(WHOLE[:length])
        with pytest.raises(CheckpointError):
            read_weights(tmp_path)


@settings(max_examples=300)
@given(place=st.integers(0, len(WHOLE) - 1), bits=st.integers(1, 255))
def test_a_flipped_byte_gives_tensors_or_the_one_error(
    place: int, bits: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    changed = bytearray(WHOLE)
    changed[place] ^= bits
    (tmp_path_factory.getbasetemp() / "model.safetensors").write_bytes(changed)
    try:
        found = read_weights(tmp_path_factory.getbasetemp())
    except CheckpointError:
        return
    assert sum(tensor.nbytes for tensor in found.values()) == sum(tensor.nbytes for tensor in WEIGHTS.values())
