"""Part A of the catalogue in docs/reliability.md: model files and checkpoints, as a user meets them at the command."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import regard
from regard.data.plain_file import check_plain, read_plain
from regard.errors import CheckpointError
from regard.runs.checkpoints.adapter import read_adapter, write_adapter
from regard.runs.checkpoints.manifest import write_manifest
from regard.runs.checkpoints.old_pickle import read_old_pickle
from regard.runs.checkpoints.safetensors_file import read_safetensors
from regard.runs.checkpoints.weight_files import header, read_weights
from regard.runs.folder import load

WEIGHTS = "model.safetensors"
COMMANDS = ("translate", "export")


@pytest.fixture
def refused(command, toy, tree, run_copy, tmp_path) -> Callable[..., None]:
    """Checks that commands which open ``run_copy`` end with 2, one line of ours, and change nothing."""

    def check(says: str, verbs: tuple[str, ...] = COMMANDS) -> None:
        words: dict[str, tuple[object, ...]] = {
            "translate": (run_copy, toy / "test.en"),
            "evaluate": (run_copy, "--source", toy / "test.en", "--target", toy / "test.de"),
            "inspect": (run_copy,),
            "export": (run_copy, tmp_path / "exported", "--to", "huggingface"),
        }
        for verb in verbs:
            before = tree(tmp_path)
            ended = command(verb, *words[verb])
            assert (ended.code, ended.out) == (2, ""), verb
            assert says in ended.err, ended.err
            assert ended.err.count("\n") == 1
            assert tree(tmp_path) == before

    return check


def change_config(run: Path, **values: Any) -> None:
    table = json.loads((run / "config.json").read_text(encoding="utf-8"))
    (run / "config.json").write_text(json.dumps({**table, **values}), encoding="utf-8")


def change_weights(run: Path, act: Callable[[dict[str, torch.Tensor]], object], seal: bool = True) -> None:
    weights = load_file(run / WEIGHTS)
    act(weights)
    save_file(weights, run / WEIGHTS, metadata={"format": "pt"})
    if seal:
        write_manifest(run)


class Calls:
    """What a hostile pickle asks for: a call that leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.mark,)


# Pickles -------------------------------------------------------------------------------------------------------------


def test_a1_what_a_pickle_asks_for_is_not_run(refused, run_copy, tmp_path):
    (run_copy / WEIGHTS).unlink()
    torch.save({"weight": Calls(tmp_path / "mark")}, run_copy / "pytorch_model.bin")
    refused("which is not looked up; expected a dictionary of dense tensors; convert it to safetensors")
    assert not (tmp_path / "mark").exists()


def test_a2_pickles_beside_a_model_are_not_opened(command, run_copy, tmp_path, toy):
    for name in (".metadata", "training_args.bin", "rng_state.pth", "optimizer.pt", "tokenizer.pkl"):
        torch.save(Calls(tmp_path / "mark"), str(tmp_path / "hostile"))
        (tmp_path / "hostile").rename(run_copy / name)
    np.save(run_copy / "vocab.npy", np.array([Calls(tmp_path / "mark")], dtype=object), allow_pickle=True)
    for verb in (["translate", run_copy, toy / "test.en"], ["inspect", run_copy]):
        assert command(*verb).code == 0
    assert not (tmp_path / "mark").exists()


def test_a3_a_pickle_that_is_refused_is_not_read_in_another_way(refused, run_copy, tmp_path, monkeypatch):
    """Nor does anything here call torch.load, whatever its arguments (tests/house/test_package.py reads the source)."""
    (run_copy / WEIGHTS).unlink()
    torch.save({"weight": Calls(tmp_path / "mark")}, run_copy / "pytorch_model.bin")
    monkeypatch.setattr(torch, "load", lambda *arguments, **options: pytest.fail("torch.load was called"))
    refused("which is not looked up", ("translate",))


def test_a4_an_archive_that_expands_is_refused_before_it_does(refused, run_copy):
    (run_copy / WEIGHTS).unlink()
    with zipfile.ZipFile(run_copy / "pytorch_model.bin", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}q\x00.")
        archive.writestr("archive/data/0", bytes(1 << 28))
    assert (run_copy / "pytorch_model.bin").stat().st_size < 1 << 19
    tracemalloc.start()
    refused("compressed, which torch never writes; expected a dictionary of dense tensors", ("translate",))
    assert tracemalloc.get_traced_memory()[1] < 1 << 25
    tracemalloc.stop()


@pytest.mark.parametrize(
    "tensor",
    [
        torch.sparse_coo_tensor(torch.tensor([[0], [0]]), torch.ones(1), (2, 2), check_invariants=True),
        torch.empty(2, device="meta"),
        torch.ones(2, dtype=torch.complex64),
    ],
    ids=["sparse", "meta", "complex"],
)
def test_a5_only_dense_tensors_of_known_types_are_read_from_a_pickle(tmp_path, tensor):
    torch.save({"weight": tensor}, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="expected a dictionary of dense tensors; convert it to safetensors"):
        read_old_pickle(tmp_path / "pytorch_model.bin")


# Safetensors ---------------------------------------------------------------------------------------------------------


def test_a6_weights_cut_anywhere_are_refused(tmp_path):
    save_file({"a": torch.arange(3.0), "b": torch.ones(2, 2, dtype=torch.int64)}, tmp_path / WEIGHTS)
    whole = (tmp_path / WEIGHTS).read_bytes()
    for size in range(len(whole)):
        (tmp_path / WEIGHTS).write_bytes(whole[:size])
        with pytest.raises(CheckpointError, match=rf"{WEIGHTS}: got .*; expected .*; use a whole copy of the file"):
            read_weights(tmp_path)
    (tmp_path / WEIGHTS).write_bytes(whole)
    assert read_weights(tmp_path)["a"].tolist() == [0, 1, 2]


def test_a6_a_cut_run_is_refused_by_every_command(refused, run_copy):
    os.truncate(run_copy / WEIGHTS, (run_copy / WEIGHTS).stat().st_size - 1)
    refused("bytes of data where its header ends them at")


ENTRY = '{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
LIES: dict[str, tuple[int | None, bytes]] = {
    **{f"length {number}": (number, b"{}") for number in (0, 1, 1 << 63, (1 << 64) - 1, (100 << 20) + 1)},
    "deep": (None, b'{"a":' + b"[" * 200_000),
    "wide": (None, b'{"a":[' + b"[]," * (4 << 20) + b"[]]}"),
    "many": (None, b"{" + b",".join(b'"%d":{}' % number for number in range(200_000)) + b"}"),
    "a long number": (None, b'{"a":' + b"1" * (1 << 20) + b"}"),
    "twice": (None, f'{{"a":{ENTRY},"a":{ENTRY}}}'.encode()),
    "overlapping": (None, f'{{"a":{ENTRY},"b":{ENTRY}}}'.encode()),
    "a hole": (None, f'{{"a":{ENTRY.replace("[0,8]", "[4,12]")}}}'.encode()),
    "a shape that overflows": (None, f'{{"a":{ENTRY.replace("[2]", "[4294967296,4294967296,2]")}}}'.encode()),
    "a negative shape": (None, f'{{"a":{ENTRY.replace("[2]", "[-2,-1]")}}}'.encode()),
}


@pytest.mark.parametrize(("length", "text"), LIES.values(), ids=LIES)
def test_a7_a_header_that_lies_is_refused_at_once(tmp_path, length, text):
    """In less than a second and 100 MiB: both counted in what Python allocates, since torch is given nothing to do."""
    number = struct.pack("<Q", len(text) if length is None else length)
    (tmp_path / WEIGHTS).write_bytes(number + text + bytes(12))
    tracemalloc.start()
    for read in (header, read_weights):
        with pytest.raises(CheckpointError, match=rf"{WEIGHTS}: got .*; expected .*; use a whole copy|convert it"):
            read(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 << 20
    begin = time.process_time()
    with pytest.raises(CheckpointError):
        header(tmp_path)
    assert time.process_time() - begin < 1.0


def test_a8_a_flipped_bit_is_noticed_wherever_it_is(refused, run_copy):
    path = run_copy / WEIGHTS
    whole = path.read_bytes()
    for place in (len(whole) // 2, len(whole) - 1):
        changed = bytearray(whole)
        changed[place] ^= 1
        path.write_bytes(changed)
        found, wanted = hashlib.sha256(changed).hexdigest()[:12], hashlib.sha256(whole).hexdigest()[:12]
        says = f"got {len(whole):,} bytes with the SHA-256 {found}…; expected {len(whole)} with {wanted}…, as manifest"
        refused(says, ("translate", "evaluate", "export"))


def test_a8_a_finished_run_says_what_its_files_are(finished_run):
    table = json.loads((finished_run / "manifest.json").read_text(encoding="utf-8"))
    assert table["format"] == 1
    assert sorted(table["files"]) == [WEIGHTS, "tokenizer.json"]
    for name, facts in table["files"].items():
        data = (finished_run / name).read_bytes()
        assert facts == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def test_a8_a_low_rank_change_that_is_not_as_written_is_refused(tmp_path):
    path = tmp_path / "adapter.safetensors"
    names = {"x.change.down": torch.ones(2, 2), "x.change.up": torch.ones(2, 2), "head.output.weight": torch.ones(2)}
    write_adapter(path, names, ["head.output.weight"], 2.0, regard.models.heads.LANGUAGE)
    write_manifest(tmp_path)
    read_adapter(path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(
        CheckpointError, match=r"as manifest.json says; use a whole copy; if the change is meant, delete"
    ):
        read_adapter(path)


@pytest.mark.parametrize(
    "table",
    [
        {},
        {"format": 0, "files": {}},
        {"format": 1},
        {"format": True, "files": {}},
        {"format": 1, "files": {WEIGHTS: 3}},
    ],
    ids=str,
)
def test_a8_a_manifest_that_says_something_else_is_refused(refused, run_copy, table):
    (run_copy / "manifest.json").write_text(json.dumps(table))
    says = "got another table; expected format, and files with bytes and sha256 each; restore the file, or delete it"
    refused(says, ("translate", "export"))


@pytest.mark.parametrize(("number", "kind"), [(float("nan"), "float32"), (float("-inf"), "float16"), (9e9, "float16")])
def test_a9_weights_that_are_no_numbers_are_counted_and_refused(refused, run_copy, number, kind):
    names: list[str] = []

    def spoil(weights: dict[str, torch.Tensor]) -> None:
        names.append(next(name for name, weight in weights.items() if weight.dim() == 2 and "bias" not in name))
        weights[names[0]] = weights[names[0]].to(getattr(torch, kind))
        weights[names[0]][0, 1:3] = number

    change_weights(run_copy, spoil)
    says = f"got NaN or infinite numbers in '{names[0]}' (2 of "
    refused(says, ("translate", "evaluate", "export"))
    assert load(run_copy, allow_nonfinite=True).parameters > 0


def test_a9_minus_infinity_may_keep_a_token_from_being_written(command, run_copy, toy):
    """−10⁹ in a bias of the logits is −∞ in a copy of sixteen bits."""
    expected = command("translate", run_copy, toy / "test.en").out

    def halve(weights: dict[str, torch.Tensor]) -> None:
        weights["final_logits_bias"] = weights["final_logits_bias"].half()
        assert weights["final_logits_bias"].min() == -torch.inf

    change_weights(run_copy, halve)
    assert command("translate", run_copy, toy / "test.en").out == expected
    change_weights(run_copy, lambda weights: weights["final_logits_bias"][0, :2].fill_(torch.inf))
    with pytest.raises(CheckpointError, match=r"'final_logits_bias' \(2 of "):
        load(run_copy)


def test_a9_every_tensor_of_a_diverged_run_is_counted_and_twenty_are_listed(run_copy):
    change_weights(run_copy, lambda weights: [weight.fill_(torch.nan) for weight in weights.values()])
    count = len(header(run_copy))
    with pytest.raises(
        CheckpointError, match=rf"and {count - 20} tensors more; expected finite weights; use a"
    ) as told:
        load(run_copy)
    assert str(told.value).count(" of ") == 20


def test_a9_a_low_rank_change_that_is_no_number_is_refused(tmp_path):
    path = tmp_path / "adapter.safetensors"
    head = regard.models.heads.LANGUAGE
    write_adapter(path, {"head.output.weight": torch.full((2,), torch.inf)}, ["head.output.weight"], 2.0, head)
    with pytest.raises(CheckpointError, match=r"'head.output.weight' \(2 of 2\); expected finite weights"):
        read_adapter(path)
    write_adapter(path, {"head.output.weight": torch.ones(2)}, ["head.output.weight"], float("nan"), head)
    with pytest.raises(CheckpointError, match=r"no adapter \(the scale nan\)"):
        read_adapter(path)


def test_a10_missing_and_unknown_and_misshapen_weights_are_all_listed(refused, run_copy):
    def spoil(weights: dict[str, torch.Tensor]) -> None:
        names = sorted(name for name in weights if name.endswith("bias"))
        del weights[names[0]]
        weights[names[1]] = torch.zeros(3)
        weights["stranger"] = torch.zeros(1)

    change_weights(run_copy, spoil)
    refused("stranger has no place in this family")
    refused("is missing")
    refused("has shape [3], not [")


# Files that do not belong together -----------------------------------------------------------------------------------


def test_a11_a_tokenizer_of_another_size_is_refused_with_both_numbers(refused, run_copy):
    table = json.loads((run_copy / "tokenizer.json").read_text(encoding="utf-8"))
    pad = next(token for token in table["added_tokens"] if token["content"] == "<pad>")
    size = pad["id"] + 1
    table["model"]["vocab"]["extra"] = pad["id"]
    table["model"]["vocab"]["<pad>"] = pad["id"] = size
    (run_copy / "tokenizer.json").write_text(json.dumps(table), encoding="utf-8")
    refused(f"got tokenizers of {size + 1} and {size + 1} ids with a model of {size} and {size}; expected no more ids")


def test_a11_another_tokenizer_of_the_same_size_is_refused(refused, run_copy):
    table = json.loads((run_copy / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = table["model"]["vocab"]
    first, second = sorted(vocabulary, key=vocabulary.__getitem__)[300:302]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    (run_copy / "tokenizer.json").write_text(json.dumps(table), encoding="utf-8")
    refused("as manifest.json says; use a whole copy; if the change is meant, delete manifest.json")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"encoder_layers": 10**9}, "got 1000000000 layers; expected at most 1000"),
        ({"decoder_layers": 10**9}, "got 1000000000 decoder layers; expected at most 1000"),
        ({"model_type": "elmo", "family": None}, "got model_type 'elmo'; expected one of albert"),
        ({"vocab_size": -1}, "expected [[-2]]"),
        ({"d_model": "512"}, "model.d_model: got '512'; expected a whole number"),
        ({"d_model": 10**9}, "d_model = 1000000000; expected at most"),
    ],
    ids=str,
)
def test_a12_a_config_is_checked_before_anything_is_allocated(refused, run_copy, changes, says):
    change_config(run_copy, **changes)
    refused(says)


HOSTILE = """
import json, pathlib, resource, sys, time
from regard.errors import CheckpointError
from regard.runs.folder import load
path = pathlib.Path(sys.argv[1]) / "config.json"
table = json.loads(path.read_text(encoding="utf-8"))
load(sys.argv[2])
for changes in json.loads(sys.argv[3]):
    path.write_text(json.dumps({**table, **changes}), encoding="utf-8")
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        load(path.parent)
        told = "nothing"
    except CheckpointError as error:
        told = str(error)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    loaded = sorted({"torch._dynamo", "torch._inductor", "sympy"} & set(sys.modules))
    print(json.dumps([told, time.process_time() - began, grown, loaded]))
"""


def test_a12_widths_that_no_stored_tensor_has_are_refused_in_a_second_and_little_memory(finished_run, tmp_path):
    """In a process of its own, which loads torch's compiler as little as the opening of a sound model does.

    The vocabulary of 30,000 is a side of a matrix, and no width: that is refused by the matrices that are as wide.
    """
    wide = tmp_path / "run"
    shutil.copytree(finished_run, wide)
    change_weights(wide, lambda weights: weights.update({"model.spare": torch.zeros(30_000, 1)}))
    given = [{"d_model": width} for width in (10**9, 2**40, 30_000)]
    given.append({"encoder_ffn_dim": 10**9, "decoder_ffn_dim": 10**9})
    given.append({"d_model": 10**9, **{f"{side}_attention_heads": 10**9 for side in ("encoder", "decoder")}})
    environment = {**os.environ, "PYTHONPATH": str(Path(regard.__file__).parents[1])}
    command = [sys.executable, "-c", HOSTILE, str(wide), str(finished_run), json.dumps(given)]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert ended.returncode == 0, ended.stderr
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    assert len(found) == len(given)
    for told, seconds, mebibytes, loaded in found:
        assert "expected at most" in told
        assert "use the config.json that was saved with the weights" in told
        assert seconds < 1.0, told
        assert mebibytes < 100, told
        assert loaded == []


def test_a12_code_that_a_config_names_is_not_run(command, run_copy, toy, monkeypatch):
    (run_copy / "evil.py").write_text("raise SystemExit(99)\n")
    change_config(run_copy, auto_map={"AutoModel": "evil.Model"}, __class__="os.system", trust_remote_code=True)
    assert command("translate", run_copy, toy / "test.en").code == 0
    assert "it is never run" in command("inspect", run_copy).out.replace("\n", " ")


@pytest.fixture
def public_bart(tmp_path) -> Path:
    """A public model whose config.json is not held against what regard writes."""
    from tests.runs import public_models

    return public_models.marian(tmp_path / "public")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"decoder_layers": 2**31 - 1},
            "got 2147483647 decoder layers; expected at most 1000; use the config.json that",
        ),
        ({"pad_token_id": 10**6}, "got pad = 1000000 among its ids; expected less than the"),
        ({"decoder_start_token_id": -2}, "got start = -2 among its ids; expected less than the"),
        ({"max_position_embeddings": 2**70, "d_model": 2**62}, "config.json"),
    ],
    ids=str,
)
def test_a12_ids_and_sizes_of_a_public_config_are_in_range(public_bart, changes, says):
    change_config(public_bart, **changes)
    with pytest.raises(regard.RegardError) as told:
        load(public_bart)
    assert says in str(told.value) or says == "config.json"


@pytest.mark.parametrize("changes", [{"eos": "</s>"}, {"target": "a"}, {"source": 0}, {"mask": 1.5}, {"eos": None}])
def test_a12_ids_that_are_no_numbers_are_named(run_copy, changes):
    """By a family that checks nothing itself."""
    from types import SimpleNamespace

    from regard.models.vocabulary import Vocabulary, own_vocabulary
    from regard.runs.checkpoints.config_checks import check_ids

    vocabulary = own_vocabulary(10, 10, shared=True)
    check_ids(run_copy, vocabulary)
    ((name, value),) = changes.items()
    with pytest.raises(
        CheckpointError, match=f"got {name} = {str(value)!r} among its ids and sizes; expected whole num"
    ):
        check_ids(run_copy, cast(Vocabulary, SimpleNamespace(**{**vars(vocabulary), **changes})))


@pytest.mark.parametrize("number", [-1, 10**9])
def test_a12_a_tokenizer_config_does_not_fill_the_memory(tmp_path, number):
    from tests.runs import public_models

    from regard.data.tokenizers.public_tokenizer import open_tokenizer

    folder = public_models.t5(tmp_path / "t5")
    (folder / "tokenizer_config.json").write_text(json.dumps({"extra_ids": number}))
    with pytest.raises(
        CheckpointError, match=rf"got extra_ids = {number}; expected 0 to 10000; use the tokenizer_config"
    ):
        open_tokenizer(folder)


# Names ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/passwd", "a\0b", "x" * 4096, "моdel", "a/b/c", "model..x", "", "~/model", "a\nb"],
    ids=repr,
)
def test_a13_what_is_no_folder_and_no_name_of_a_model_is_asked_of_nobody(command, toy, monkeypatch, name):
    monkeypatch.setattr("regard.runs.checkpoints.hub._snapshot_download", lambda name: pytest.fail("the hub was asked"))
    ended = command("translate", name, toy / "test.en")
    assert (ended.code, ended.out) == (2, "")
    assert "expected a folder, or a public model's name such as Helsinki-NLP/opus-mt-en-de" in ended.err


@pytest.mark.parametrize("place", ["../model.safetensors", "/etc/passwd", "a/b.safetensors", "..", "a\0b", "C:\\x"])
def test_a13_an_index_names_files_in_its_own_folder_alone(refused, run_copy, place):
    (run_copy / WEIGHTS).rename(run_copy.parent / WEIGHTS)
    index = {"weight_map": {"model.shared.weight": place}}
    (run_copy / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    refused("expected the name of a file in the same folder; use the index that was saved with the shards")


def test_a14_members_of_an_archive_are_not_written_anywhere(tmp_path, tree):
    """No archive is ever unpacked: an old pickle is one, and its members are read in place or refused."""
    with zipfile.ZipFile(tmp_path / "pytorch_model.bin", "w") as archive:
        archive.writestr("../../outside/data.pkl", b"\x80\x02}q\x00.")
        archive.writestr("/etc/absolute", b"x")
    before = tree(tmp_path)
    assert read_weights(tmp_path) == {}
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["http://169.254.169.254/", "https://example.org/model", "file:///etc", "ftp://a/b"])
def test_a15_an_address_is_no_model(command, toy, monkeypatch, name):
    monkeypatch.setattr("regard.runs.checkpoints.hub._snapshot_download", lambda name: pytest.fail("the hub was asked"))
    ended = command("translate", name, toy / "test.en")
    assert ended.code == 2
    assert f"{name}: got no folder there; expected a folder, or a public model's name" in ended.err


def test_a16_a_run_of_a_newer_format_is_refused(refused, run_copy):
    table = json.loads((run_copy / "manifest.json").read_text(encoding="utf-8"))
    (run_copy / "manifest.json").write_text(json.dumps({**table, "format": 2, "files": {"new": 1}}))
    says = "manifest.json: got format 2; expected at most 1, which this regard reads; install a newer regard"
    refused(says)


def test_a16_a_run_from_before_there_were_manifests_is_read(command, run_copy, toy):
    expected = command("translate", run_copy, toy / "test.en").out
    (run_copy / "manifest.json").unlink()
    assert command("translate", run_copy, toy / "test.en").out == expected


# What is no plain file -----------------------------------------------------------------------------------------------

SMALL = ("config.json", "tokenizer.json", "tokenizer_config.json", "recipe.toml", "manifest.json", WEIGHTS)


def test_a17_a_file_that_may_not_be_read_is_named(refused, run_copy, monkeypatch):
    """Whoever is root may read everything, so the system's answer is put in its mouth."""
    opened = os.open

    def refuse(path: Any, *arguments: Any, **options: Any) -> int:
        if str(path).endswith("config.json"):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    refused("config.json: got Permission denied; expected a file of a run; name the folder of a finished run")


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_a17_what_is_no_plain_file_is_named_and_not_waited_for(refused, run_copy, name, kind):
    (run_copy / name).unlink()
    if kind == "pipe":
        os.mkfifo(run_copy / name)
    elif kind == "folder":
        (run_copy / name).mkdir()
    else:
        (run_copy / name).symlink_to("/dev/zero")
    with pytest.MonkeyPatch().context() as patch:
        patch.setattr(Path, "read_bytes", lambda path: b"")  # the check that nothing changed must not wait either
        refused(f"{name}: got ")
        if name == WEIGHTS:
            refused("got a folder, a pipe or a device; expected model.safetensors or pytorch_model.bin, whole or in")
            refused("in shards with an index; put the file there.")


def test_a17_a_file_larger_than_its_kind_is_ever_is_not_read(refused, run_copy):
    with (run_copy / "config.json").open("r+b") as file:
        file.truncate(1 << 33)
    with pytest.MonkeyPatch().context() as patch:
        patch.setattr(Path, "read_bytes", lambda path: b"")
        refused("config.json: got 8,589,934,592 bytes where at most 4,194,304 are read")


def test_a17_plain_files_are_read_whole(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    assert read_plain(tmp_path / "file", 5) == b"12345"
    assert check_plain(tmp_path / "file", 5) == tmp_path / "file"
    for refuse in (read_plain, check_plain):
        with pytest.raises(OSError, match="5 bytes where at most 4 are read"):
            refuse(tmp_path / "file", 4)
        with pytest.raises(IsADirectoryError):
            refuse(tmp_path, 4)
        with pytest.raises(OSError, match="A pipe or a device"):
            refuse(Path("/dev/null"), 4)


def test_a17_a_journal_that_is_a_pipe_is_left_alone_by_inspect(command, run_copy):
    (run_copy / "metrics.jsonl").unlink()
    os.mkfifo(run_copy / "metrics.jsonl")
    assert command("inspect", run_copy).code == 0


def test_a18_a_file_that_is_overwritten_after_it_was_read_changes_nothing(tmp_path):
    path = tmp_path / WEIGHTS
    save_file({"a": torch.arange(100_000.0)}, path)
    tensors = read_safetensors(path).tensors
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
    assert torch.equal(tensors["a"], torch.arange(100_000.0))
    os.truncate(path, 0)  # of a mapped file, the next look would kill the process
    assert tensors["a"][-1] == 99_999


def test_a18_a_file_that_gets_shorter_while_it_is_read_is_refused(tmp_path, monkeypatch):
    path = tmp_path / WEIGHTS
    save_file({"a": torch.arange(100_000.0)}, path)
    empty = torch.empty

    def shorten(*arguments: Any, **options: Any) -> torch.Tensor:
        os.truncate(path, 50_000)
        return empty(*arguments, **options)

    monkeypatch.setattr(torch, "empty", shorten)
    with pytest.raises(
        CheckpointError, match=r"got an end after .* expected a file that nobody writes to meanwhile; use"
    ):
        read_safetensors(path)


def test_a18_weights_for_which_there_is_no_room_are_refused(tmp_path, monkeypatch):
    path = tmp_path / WEIGHTS
    save_file({"a": torch.arange(100.0)}, path)

    def no_room(*arguments: Any, **options: Any) -> torch.Tensor:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(torch, "empty", no_room)
    with pytest.raises(
        CheckpointError, match="got no room in memory for it; expected a file that can be read; check the"
    ):
        read_safetensors(path)
