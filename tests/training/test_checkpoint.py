"""Checkpoints: whole or absent, damaged ones are known, and what goes on from one goes on to the same bits."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from regard import storage
from regard.errors import CheckpointError
from regard.storage import damage
from regard.training import checkpoint as checkpoints
from regard.training.averaging import RunningAverage
from regard.training.checkpoint import (
    checkpoints_in,
    kept_weights,
    read_tensors,
    remove_checkpoint,
    restore_checkpoint,
    save_checkpoint,
    step_of,
    sweep_checkpoints,
    whole_checkpoints,
)
from regard.training.loop import Trainer


def run(trainer: Trainer, until: int) -> Trainer:
    for _ in trainer.steps(until):
        pass
    return trainer


def bits(tensors: dict[str, Tensor]) -> dict[str, bytes]:
    return {name: tensor.detach().reshape(-1).view(torch.uint8).numpy().tobytes() for name, tensor in tensors.items()}


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# Going on ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("average", ["last", "running"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "muon"])
def test_stopping_and_going_on_gives_the_bits_of_going_straight(
    copying, trainer_of, tmp_path, optimizer, precision, average
):
    """Eight batches an epoch, two of them a step: step 5 of 12 stands in the middle of the second epoch."""
    settings = {"optimizer": optimizer, "precision": precision, "average": average, "weight_decay": 0.1}
    make = lambda: trainer_of(copying(), model={"dropout": 0.1}, accumulate=2, **settings)  # noqa: E731
    straight = run(make(), 12)
    stopped = run(make(), 5)
    assert 0 < stopped.place.batch < len(stopped.feed.epoch(stopped.place.epoch))
    saved = save_checkpoint(tmp_path, stopped, {})
    resumed = make()
    restore_checkpoint(saved, resumed)
    assert bits(resumed.tensors()) == bits(stopped.tensors())
    run(resumed, 12)
    assert bits(resumed.tensors()) == bits(straight.tensors())
    assert resumed.place == straight.place
    rounded = precision == "bfloat16"
    for name, weight in resumed.model.named_parameters():
        assert weight.dtype == (torch.bfloat16 if rounded else torch.float32)
        assert torch.equal(weight, dict(straight.model.named_parameters())[name])


@pytest.mark.parametrize("stops", [range(1, 12), [8], [4, 8]], ids=["every step", "end of an epoch", "twice"])
def test_however_often_and_wherever_it_stops(copying, trainer_of, tmp_path, stops):
    data = copying(batch_tokens=64)
    assert len(data.epoch(0)) == 4
    make = lambda: trainer_of(copying(batch_tokens=64), average="running")  # noqa: E731
    straight, trainer = run(make(), 12), make()
    for stop in stops:
        saved = save_checkpoint(tmp_path, run(trainer, stop), {})
        trainer = make()
        restore_checkpoint(saved, trainer)
    assert bits(run(trainer, 12).tensors()) == bits(straight.tensors())


def test_a_trainer_may_go_back(copying, trainer_of, tmp_path):
    trainer = trainer_of(copying(), model={"dropout": 0.1}, average="running")
    saved = save_checkpoint(tmp_path, run(trainer, 3), {})
    after = bits(run(trainer, 6).tensors())
    restore_checkpoint(saved, trainer)
    assert trainer.step == 3
    assert bits(run(trainer, 6).tensors()) == after


def test_the_facts_come_back_as_they_were_given(copying, trainer_of, tmp_path):
    facts = {"seconds": 1.5, "best": [[0.25, 3]], "note": "Größe → 1", "none": None}
    trainer = run(trainer_of(copying()), 2)
    assert restore_checkpoint(save_checkpoint(tmp_path, trainer, facts), trainer_of(copying())) == facts


def test_a_checkpoint_is_the_same_bytes_whoever_writes_it(copying, trainer_of, tmp_path):
    for name in ("first", "second"):
        save_checkpoint(tmp_path / name, run(trainer_of(copying()), 2), {"seconds": 1})
    assert files_of(tmp_path / "first") == files_of(tmp_path / "second")


def test_what_is_kept_is_the_running_average_where_there_is_one(copying, trainer_of, tmp_path):
    for average in ("last", "running"):
        trainer = run(trainer_of(copying(), average=average), 4)
        kept = kept_weights(save_checkpoint(tmp_path / average, trainer, {}))
        assert bits(kept) == bits(trainer.kept_weights())
        weights = bits(trainer.weights.tensors())
        assert (bits(kept) == weights) == (average == "last")
    assert isinstance(trainer.average, RunningAverage)


# Whole or absent -----------------------------------------------------------------------------------------------------


def failing(monkeypatch: pytest.MonkeyPatch, n: int) -> list[str]:
    """Let the n-th of the calls that write a checkpoint fail as on a full disk; returns the calls so far."""
    calls: list[str] = []

    def spoil(owner: Any, name: str) -> None:
        original: Callable[..., Any] = getattr(owner, name)

        def call(*arguments: Any, **options: Any) -> Any:
            calls.append(name)
            if len(calls) == n:
                raise OSError(28, "No space left on device")
            return original(*arguments, **options)

        monkeypatch.setattr(owner, name, call)

    spoil(checkpoints, "save_file")
    spoil(storage.os, "fsync")
    for name in ("mkdir", "write_text", "rename"):
        spoil(Path, name)
    return calls


def test_a_checkpoint_is_whole_or_absent_whichever_call_fails(copying, trainer_of, tmp_path, monkeypatch):
    """Fail the first call, the second … until none does, as SQLite tests its journal."""
    trainer = run(trainer_of(copying()), 1)
    before = files_of(save_checkpoint(tmp_path, trainer, {}))
    run(trainer, 2)
    n, seen = 0, []
    while True:
        n += 1
        with monkeypatch.context() as patch:
            seen = failing(patch, n)
            try:
                save_checkpoint(tmp_path, trainer, {})
                break
            except OSError:
                pass
        found = dict(whole_checkpoints(tmp_path))
        assert set(found.values()) == {None}
        renamed = "rename" in seen[:-1]  # only what comes after the rename may fail and leave the new one
        assert [path.name for path in found] == (["step-2", "step-1"] if renamed else ["step-1"])
        assert files_of(tmp_path / "step-1") == before
        assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []
        shutil.rmtree(tmp_path / "step-2", ignore_errors=True)
    assert {"save_file", "fsync", "mkdir", "write_text", "rename"} == set(seen)
    assert n == len(seen) + 1
    assert [path.name for path, _ in whole_checkpoints(tmp_path)] == ["step-2", "step-1"]


def test_the_files_reach_the_disk_before_the_name_does_and_then_the_name(copying, trainer_of, tmp_path, monkeypatch):
    """All files and their folder are synced, then it is renamed, then the folder above is synced."""
    events: list[str] = []
    sync, rename = os.fsync, Path.rename

    def note_sync(descriptor: int) -> None:
        events.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        sync(descriptor)

    def note_rename(path: Path, target: Path) -> Path:
        events.append("rename")
        return rename(path, target)

    if not Path("/proc/self/fd").exists():
        pytest.skip("no /proc to see by which file is synced")
    monkeypatch.setattr(storage.os, "fsync", note_sync)
    monkeypatch.setattr(Path, "rename", note_rename)
    save_checkpoint(tmp_path / "checkpoints", run(trainer_of(copying()), 1), {})
    assert sorted(events[:4]) == [".step-1.partial", "manifest.json", "state.json", "trainer.safetensors"]
    assert events[3:] == [".step-1.partial", "rename", "checkpoints"]


def test_what_a_killed_run_left_half_written_is_no_checkpoint_and_is_swept(copying, trainer_of, tmp_path):
    half = tmp_path / ".step-2.partial"
    half.mkdir()
    (half / "trainer.safetensors").write_bytes(b"half")
    assert checkpoints_in(tmp_path) == []
    save_checkpoint(tmp_path, run(trainer_of(copying()), 2), {})
    assert [path.name for path in tmp_path.iterdir()] == ["step-2"]


def test_saving_the_same_step_again_replaces_it(copying, trainer_of, tmp_path):
    trainer = run(trainer_of(copying()), 1)
    save_checkpoint(tmp_path, trainer, {"seconds": 1})
    again = save_checkpoint(tmp_path, trainer, {"seconds": 2})
    assert restore_checkpoint(again, trainer_of(copying())) == {"seconds": 2}


# Damage --------------------------------------------------------------------------------------------------------------


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "one bit of the tensors": lambda folder: flip(folder / "trainer.safetensors"),
    "one bit of the state": lambda folder: flip(folder / "state.json"),
    "tensors cut short": lambda folder: os.truncate(folder / "trainer.safetensors", 100),
    "tensors empty": lambda folder: os.truncate(folder / "trainer.safetensors", 0),
    "state longer": lambda folder: os.truncate(folder / "state.json", 1000),
    "no tensors": lambda folder: (folder / "trainer.safetensors").unlink(),
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "an empty manifest": lambda folder: os.truncate(folder / "manifest.json", 0),
    "a manifest of nothing": lambda folder: (folder / "manifest.json").write_text("{}"),
    "a manifest that is a list": lambda folder: (folder / "manifest.json").write_text("[]"),
    "an empty folder": lambda folder: [path.unlink() for path in folder.iterdir()],
}


@pytest.mark.parametrize("how", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_checkpoint_is_known_refused_and_left_as_it_is(copying, trainer_of, tmp_path, how):
    trainer = run(trainer_of(copying()), 1)
    save_checkpoint(tmp_path, trainer, {})
    damaged = save_checkpoint(tmp_path, run(trainer, 2), {})
    how(damaged)
    before = files_of(tmp_path)
    (newest, problem), (older, none) = whole_checkpoints(tmp_path)
    assert (newest, older.name, none) == (damaged, "step-1", None)
    assert problem
    with pytest.raises(CheckpointError, match="expected a whole checkpoint; delete it and resume from the one before"):
        restore_checkpoint(damaged, trainer)
    assert files_of(tmp_path) == before


def test_a_damaged_checkpoint_is_not_averaged(copying, trainer_of, tmp_path):
    saved = save_checkpoint(tmp_path, run(trainer_of(copying()), 1), {})
    flip(saved / "trainer.safetensors")
    with pytest.raises(CheckpointError, match=r"trainer\.safetensors is not as it was written"):
        kept_weights(saved)


def test_tensors_are_whole_or_refused_wherever_the_file_is_cut(tmp_path):
    path = tmp_path / "x.safetensors"
    checkpoints.save_file({"a": torch.arange(4.0), "b": torch.ones(2, 3)}, path)
    whole = path.read_bytes()
    assert read_tensors(path)["a"].tolist() == [0, 1, 2, 3]
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(CheckpointError, match="expected a whole safetensors file; use a whole copy of the file"):
            read_tensors(path)


@pytest.mark.parametrize("header", [0, 1, 2**63, 2**64 - 1, 100_000_001])
def test_a_header_of_a_false_length_is_refused(tmp_path, header):
    path = tmp_path / "x.safetensors"
    path.write_bytes(header.to_bytes(8, "little") + b"{}")
    with pytest.raises(CheckpointError, match="a whole safetensors file"):
        read_tensors(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"nothing\.safetensors: got .*[Nn]o such file"):
        read_tensors(tmp_path / "nothing.safetensors")


# Another model's -----------------------------------------------------------------------------------------------------


def test_a_checkpoint_of_another_size_is_refused_and_changes_nothing(copying, trainer_of, tmp_path):
    saved = save_checkpoint(tmp_path, run(trainer_of(copying(), model={"d_ff": 12}), 1), {})
    trainer = run(trainer_of(copying()), 1)
    before = bits(trainer.tensors())
    with pytest.raises(CheckpointError, match=r"inner.weight has shape \[12, 16\], not \[24, 16\]"):
        restore_checkpoint(saved, trainer)
    assert bits(trainer.tensors()) == before


def test_a_checkpoint_with_fewer_weights_is_refused(copying, trainer_of, tmp_path):
    saved = save_checkpoint(tmp_path, run(trainer_of(copying()), 1), {})
    with pytest.raises(CheckpointError, match="is missing"):
        restore_checkpoint(saved, trainer_of(copying(), model={"layers": 2}))


def test_a_checkpoint_without_the_running_average_is_refused(copying, trainer_of, tmp_path):
    saved = save_checkpoint(tmp_path, run(trainer_of(copying()), 1), {})
    with pytest.raises(CheckpointError, match=r"average/.* is missing"):
        restore_checkpoint(saved, trainer_of(copying(), average="running"))


def test_the_memory_of_an_unknown_weight_is_refused(copying, trainer_of):
    trainer = run(trainer_of(copying()), 1)
    tensors = {name.replace("optimizer/output", "optimizer/outlet"): t for name, t in trainer.tensors().items()}
    tensors["optimizer/elsewhere.weight/exp_avg"] = torch.zeros(1)
    with pytest.raises(CheckpointError, match=r"optimizer state elsewhere\.weight/exp_avg: got an unknown weight"):
        trainer.restore(tensors, trainer.step, trainer.place)


# Names ---------------------------------------------------------------------------------------------------------------


def test_checkpoints_are_in_order_of_their_steps_not_of_their_names_or_times(tmp_path):
    for number, name in enumerate(
        ["step-100", "step-20", "step-3", "other", "step-x", ".step-4.partial", "step-5.old"]
    ):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (number, number))
    assert [path.name for path in checkpoints_in(tmp_path)] == ["step-3", "step-20", "step-100"]
    assert [step_of(path) for path in checkpoints_in(tmp_path)] == [3, 20, 100]


def test_where_there_is_no_folder_there_are_no_checkpoints(tmp_path):
    assert checkpoints_in(tmp_path / "nothing") == []
    assert list(whole_checkpoints(tmp_path / "nothing")) == []


def test_the_state_is_readable_by_people(copying, trainer_of, tmp_path):
    saved = save_checkpoint(tmp_path, run(trainer_of(copying()), 2), {"seconds": 3.0})
    state = json.loads((saved / "state.json").read_text(encoding="utf-8"))
    assert state == {"step": 2, "place": {"epoch": 0, "batch": 2}, "skipped": 0, "facts": {"seconds": 3.0}}


@pytest.mark.parametrize("fails", ["rename", "rmtree"])
def test_a_checkpoint_that_cannot_be_deleted_whole_goes_by_no_name_or_stays(
    copying, trainer_of, tmp_path, monkeypatch, fails
):
    saved = save_checkpoint(tmp_path, run(trainer_of(copying()), 1), {})

    def refuse(path: Path, *arguments: Any) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(Path if fails == "rename" else shutil, fails, refuse)
        remove_checkpoint(saved)
    assert damage(saved) is None if fails == "rename" else not saved.exists()
    sweep_checkpoints(tmp_path)
    remove_checkpoint(saved)
    assert list(tmp_path.iterdir()) == []
