"""Part D of docs/reliability.md: what may befall a training run. Each test bears the number of its fault."""

from __future__ import annotations

import errno
import gc
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from regard.errors import CheckpointError, RunError, TrainingError
from regard.failpoints import MOMENTS, watched
from regard.runs import saving
from regard.runs.folder import read_recipe
from regard.runs.journal import Journal
from regard.runs.lock import locked
from regard.runs.signature import compare
from regard.runs.signature import facts as facts_of
from regard.storage import appearing, damage, sweep
from regard.training.checkpoint import kept_weights, save_checkpoint, sweep_checkpoints

ROOT = Path(__file__).parents[2]
MEMORY = "/dev/shm"


@pytest.fixture(autouse=True)
def _no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pictures take longer than all the rest of such a run."""
    monkeypatch.setattr("regard.runs.finish.write_report", lambda *arguments, **options: None)


@pytest.fixture(scope="session")
def undisturbed(finished_run: Path) -> bytes:
    return model_of(finished_run)


def model_of(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def saved(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").glob("*"))


def unfinish(run: Path) -> None:
    """As it was after the checkpoint of step 20, ten steps before its end."""
    (run / "model.safetensors").unlink()
    shutil.rmtree(run / "checkpoints" / "step-30")


@pytest.fixture
def halfway(run_copy: Path) -> Path:
    unfinish(run_copy)
    return run_copy


# Death ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crashes() -> str:
    """What benchmarks/crash.py says of thirty kills at random times and of twenty at named moments.

    In memory where there is room: a process that is killed while it waits for a disk is one that is killed before it.
    """
    command = [sys.executable, ROOT / "benchmarks" / "crash.py", "--kills", "30", "--only", "times", "moments"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")}
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 64 << 20:
        environment["TMPDIR"] = MEMORY
    run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=500)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_d1_killed_at_random_times_a_run_loses_nothing_and_comes_to_the_same_bytes(crashes):
    assert re.search(r"random times: \{.*'killed': 30\b", crashes)
    assert re.search(r"^\{.*'killed': 50\b", crashes, re.MULTILINE)
    assert "\n0 problems" in crashes


def test_d2_killed_at_each_named_moment_it_does_so_too(crashes):
    assert f"{len(MOMENTS)} of {len(MOMENTS)} named moments" in crashes


def test_d3_what_is_acknowledged_is_on_the_disk_with_its_name(command, small_words, tmp_path, monkeypatch):
    """At the moment that a checkpoint counts as saved, its files, its folder and its name have been synced."""
    synced: dict[tuple[int, int], int] = {}
    events: list[str] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        fsync(descriptor)
        facts = os.fstat(descriptor)
        synced[facts.st_dev, facts.st_ino] = facts.st_size

    def at(moment: str) -> None:
        events.append(moment)
        if moment == "folder renamed":
            synced.pop(identity(tmp_path / "run" / "checkpoints"), None)  # its list of names is a new one
        if moment == "checkpoint saved":
            newest = max((tmp_path / "run" / "checkpoints").iterdir(), key=lambda path: int(path.name[5:]))
            for path in (*newest.iterdir(), newest, newest.parent):
                assert identity(path) in synced, path
                if path.is_file():
                    assert synced[identity(path)] == path.stat().st_size

    monkeypatch.setattr(os, "fsync", note)
    with watched(at):
        assert command("train", *small_words, "--out", tmp_path / "run").code == 0
    assert events.count("checkpoint saved") == 3


def identity(path: Path) -> tuple[int, int]:
    if not path.exists():
        return (-1, -1)
    facts = path.stat()
    return facts.st_dev, facts.st_ino


@pytest.mark.parametrize("moment", [name for name in MOMENTS if "folder" in name])
def test_d3_of_two_folders_one_is_there_whole_whenever_the_machine_dies(tmp_path, moment):
    class Death(BaseException): ...

    def at(name: str) -> None:
        if name == moment:
            snapshot()
            raise Death

    def snapshot() -> None:
        shutil.copytree(tmp_path / "disk", tmp_path / "after", symlinks=True)

    folder = tmp_path / "disk" / "run"
    folder.mkdir(parents=True)
    (folder / "old").touch()
    with watched(at):
        try:
            with appearing(folder) as partial:
                (partial / "new").touch()
        except Death:
            pass
        else:
            assert moment == "manifest written"  # a folder of another kind
            return
    sweep(tmp_path / "after" / "run")
    assert [path.name for path in (tmp_path / "after").iterdir()] == ["run"]
    assert [path.name for path in (tmp_path / "after" / "run").iterdir()] in (["old"], ["new"])


def test_d3_a_checkpoint_that_was_being_replaced_comes_back(tmp_path):
    (tmp_path / ".step-7.old").mkdir()
    (tmp_path / ".step-7.partial").mkdir()
    (tmp_path / ".step-9.old").mkdir()
    (tmp_path / "step-9").mkdir()
    sweep_checkpoints(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-7", "step-9"]


# The disk ------------------------------------------------------------------------------------------------------------


def test_d4_a_disk_that_fills_up_stops_the_run_with_its_last_checkpoint(
    start, command, halfway, undisturbed, monkeypatch
):
    """A real limit on the size of files stands for the full disk: safetensors writes past Python."""
    size = (halfway / "checkpoints" / "step-20" / "trainer.safetensors").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setattr(saving, "PAUSE", 0.0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - 1, before[1]))
    try:
        ended = command("train", "--out", halfway, "--resume")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert ended.code == 1
    assert re.search(
        r"checkpoint of step 30: got .*File too large.* \(0\.1 MiB needed, \S+ MiB free\); expected a disk that takes "
        r"it; that of step 20 is still there; free some, and go on with --resume\.",
        ended.err,
    ), ended.err
    assert saved(halfway) == ["step-10", "step-20"]
    assert not (halfway / "model.safetensors").exists()
    assert command("train", "--out", halfway, "--resume").code == 0
    assert model_of(halfway) == undisturbed


def test_d4_a_disk_without_room_for_two_checkpoints_is_refused_before_the_first_step(
    command, small_words, tmp_path, monkeypatch
):
    usage = shutil.disk_usage(tmp_path)._replace(free=100_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    ended = command("train", *small_words, "--out", tmp_path / "run")
    assert ended.code == 2
    expected = r"got 0\.1 MiB free on its disk; expected room for two checkpoints of 0\.\d MiB; free some, or choose"
    assert re.search(expected, ended.err), ended.err
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_d4_where_not_all_checkpoints_will_find_room_it_is_said(command, small_words, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=500_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    ended = command("train", *small_words, "--out", tmp_path / "run")
    assert ended.code == 0
    assert "the disk has 0.5 MiB left, and 6 checkpoints of 0." in ended.err


@pytest.mark.parametrize("code", [errno.EINTR, errno.EDQUOT])
def test_d5_a_write_that_fails_once_is_tried_again(command, halfway, undisturbed, monkeypatch, code):
    monkeypatch.setattr(saving, "PAUSE", 0.0)
    calls = failing(monkeypatch, code, times=2)
    assert command("train", "--out", halfway, "--resume").code == 0
    assert calls == [30, 30, 30]
    assert model_of(halfway) == undisturbed


def test_d5_a_write_that_fails_for_ever_is_not_tried_for_ever(command, halfway, monkeypatch):
    monkeypatch.setattr(saving, "PAUSE", 0.0)
    calls = failing(monkeypatch, errno.EIO, times=100)
    ended = command("train", "--out", halfway, "--resume")
    assert ended.code == 1
    assert "checkpoint of step 30: got Input/output error" in ended.err
    assert "mend the disk, and go on with --resume" in ended.err
    assert len(calls) == saving.TRIES
    assert saved(halfway) == ["step-10", "step-20"]


def failing(monkeypatch: pytest.MonkeyPatch, code: int, times: int) -> list[int]:
    """The first calls that save fail; returns the steps of all calls so far."""
    calls: list[int] = []

    def save(folder: Path, trainer: Any, facts: Any) -> Path:
        calls.append(trainer.step)
        if len(calls) <= times:
            raise OSError(code, os.strerror(code))
        return save_checkpoint(folder, trainer, facts)

    monkeypatch.setattr(saving, "save_checkpoint", save)
    return calls


def test_d5_a_journal_that_finds_no_room_is_named(tmp_path):
    """The system's own full device."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with Journal(tmp_path / "metrics.jsonl", 0) as journal:
        journal._file.close()
        journal._file = open("/dev/full", "w", buffering=1, encoding="utf-8")  # noqa: SIM115
        expected = "metrics.jsonl: got No space left on device; expected a disk that takes a line; free some, and go on"
        with pytest.raises(TrainingError, match=expected):
            journal.write({"step": 1})


# Signals -------------------------------------------------------------------------------------------------------------


def endless(words: list[str]) -> list[str]:
    return [*words, "train.steps=100000", "train.save_every=10", "data.bleu_sentences=0"]


@pytest.mark.parametrize(
    ("fault", "number"), [("d6", signal.SIGTERM), ("d7", signal.SIGINT)], ids=["d6 SIGTERM", "d7 SIGINT"]
)
def test_d6_d7_a_signal_is_answered_within_ten_seconds_by_a_checkpoint(start, small_words, tmp_path, fault, number):
    process = start("train", *endless(small_words), "--out", tmp_path / "run")
    process.wait_for((tmp_path / "run" / "checkpoints" / "step-10").exists)
    began = time.monotonic()
    process.send(number)
    ended = process.end()
    assert time.monotonic() - began < 10
    assert ended.code == 75
    step = re.search(r"stopped after step (\d+), saved; go on with: regard train --out \S+ --resume", ended.err)
    assert step, ended.err
    assert damage(tmp_path / "run" / "checkpoints" / f"step-{step[1]}") is None


def test_d7_a_process_that_sleeps_an_hour_in_between_comes_to_the_same_bytes(start, small_words, tmp_path, undisturbed):
    process = start("train", *small_words, "--out", tmp_path / "run")
    process.wait_for((tmp_path / "run" / "checkpoints" / "step-10").exists)
    process.send(signal.SIGSTOP)
    time.sleep(0.2)  # the hour
    process.send(signal.SIGCONT)
    assert process.end().code == 0
    assert model_of(tmp_path / "run") == undisturbed


def test_d7_nohup_is_heeded(small_words):
    """What ignores SIGHUP when it is started goes on ignoring it."""
    code = (
        "import os, signal\nfrom regard.runs.stopping import StopRequest\n"
        "with StopRequest() as stop:\n    os.kill(os.getpid(), signal.SIGHUP)\n    print(stop.requested)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = ["nohup", sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL)
    assert (run.returncode, run.stdout) == (0, "False\n")


# Arithmetic and memory -----------------------------------------------------------------------------------------------


def test_d8_a_loss_that_is_no_number_stops_the_run_with_its_last_good_checkpoint(command, small_words, tmp_path):
    more = ["train.learning_rate=1e18", "train.save_every=1", "train.validate_every=30", "train.warmup=2"]
    ended = command("train", *small_words, *more, "--out", tmp_path / "run")
    assert ended.code == 1
    assert "skipped, the weights stay" in ended.err
    step = re.search(r"step (\d+): got loss \S+ and gradient norm \S+, the 4th in a row \(epoch \d+, batch", ended.err)
    assert step, ended.err
    run = tmp_path / "run"
    newest = run / "checkpoints" / f"step-{int(step[1]) - 1}"
    assert damage(newest) is None
    assert all(torch.isfinite(tensor).all() for tensor in kept_weights(newest).values())
    skipped = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines() if "skipped" in line]
    assert [record["step"] for record in skipped] == [int(step[1]) - 3, int(step[1]) - 2, int(step[1]) - 1]
    assert not (run / "model.safetensors").exists()


def test_d9_a_batch_without_memory_is_halved_and_a_half_without_memory_is_an_error(
    command, small_words, tmp_path, monkeypatch
):
    from regard.tasks.translation import Translation

    losses, most = Translation.losses, [10]

    def hungry(task: Translation, model: Any, batch: Any) -> Any:
        if len(batch.source) > most[0]:
            torch.empty(2**60, dtype=torch.uint8)
        return losses(task, model, batch)

    monkeypatch.setattr(Translation, "losses", hungry)
    monkeypatch.setattr("regard.runs.validate.Validator.loss", lambda self: 1.0)
    ended = command("train", *small_words, "train.batch_tokens=256", "--out", tmp_path / "run")
    assert ended.code == 0
    assert re.search(r"step \d+: no memory for a batch of 1\d rows of the prepared data: .*; done in halves", ended.err)
    most[0] = 1
    ended = command("train", *small_words, "train.batch_tokens=256", "--out", tmp_path / "other")
    assert ended.code == 1
    assert "expected memory for half a batch; lower train.batch_tokens to a quarter of 256" in ended.err


# Two at once, and what is there already ------------------------------------------------------------------------------


def test_d13_two_runs_in_one_folder_are_refused_and_a_dead_one_locks_nothing(start, command, small_words, tmp_path):
    run = tmp_path / "run"
    process = start("train", *endless(small_words), "--out", run)
    process.wait_for((run / "checkpoints" / "step-10").exists)
    before = {path: path.stat().st_mtime_ns for path in run.glob("*.json")}
    for more in (["--resume"], ["--overwrite"], []):
        ended = command("train", *small_words, "--out", run, *more)
        assert ended.code == 2
        expected = rf"--out: got run, on which process {process.pid} on \S+, since \S+, works; expected a run of nobody"
        assert re.search(expected, ended.err), ended.err
    assert {path: path.stat().st_mtime_ns for path in run.glob("*.json")} == before
    process.send(signal.SIGKILL)
    process.end()
    assert (tmp_path / ".run.lock").exists(), "the file is left, and is no lock"
    assert command("train", "--out", run, "--resume", "--overwrite").code == 2  # one of both
    with locked(run):
        pass
    assert not (tmp_path / ".run.lock").exists()


def test_d13_while_the_data_is_prepared_the_folder_is_locked_already(command, small_words, tmp_path):
    with locked(tmp_path / "deep" / "run"):
        ended = command("train", *small_words, "--out", tmp_path / "deep" / "run")
    assert ended.code == 2
    assert "expected a run of nobody else's; wait for it, or end it." in ended.err
    assert not (tmp_path / "deep").exists()


def test_d13_a_lock_whose_file_says_nothing_holds_all_the_same(tmp_path):
    with locked(tmp_path / "run"):
        (tmp_path / ".run.lock").write_text("")
        with pytest.raises(RunError, match="got run, on which another process works"), locked(tmp_path / "run"):
            pass


def test_d13_a_link_to_a_run_has_the_lock_of_the_run(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "run")
    with (
        locked(tmp_path / "run"),
        pytest.raises(RunError, match="on which process"),
        locked(tmp_path / "link"),
    ):
        pass


def test_d14_a_finished_run_is_left_alone_unless_told_otherwise(command, small_words, run_copy, tree):
    before = tree(run_copy)
    ended = command("train", *small_words, "--out", run_copy)
    assert ended.code == 2
    assert (
        "which already holds a run; expected a new or empty folder; add --resume to go on, or --overwrite" in ended.err
    )
    assert command("train", "--out", run_copy, "--resume").code == 0
    assert tree(run_copy) == before


def test_d15_a_clock_that_jumps_changes_nothing(command, small_words, tmp_path, undisturbed, monkeypatch):
    real, jumps = time.time, iter([3e8, -3e8, 0.0, 1.0] * 10_000)
    monkeypatch.setattr(time, "time", lambda: real() + next(jumps))
    assert command("train", *small_words, "--out", tmp_path / "run").code == 0
    assert model_of(tmp_path / "run") == undisturbed
    assert saved(tmp_path / "run") == ["step-10", "step-20", "step-30"]
    records = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    seconds = [record["seconds"] for record in records]
    assert seconds == sorted(seconds)
    assert 0 < seconds[0] < seconds[-1] < 1000


def test_d16_a_damaged_newest_checkpoint_is_kept_and_the_one_before_goes_on(command, halfway, undisturbed):
    newest = halfway / "checkpoints" / "step-20" / "trainer.safetensors"
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    ended = command("train", "--out", halfway, "--resume")
    assert ended.code == 0
    assert "step-20 is damaged (trainer.safetensors is not as it was written): kept as step-20.damaged" in ended.err
    assert (halfway / "checkpoints" / "step-20.damaged" / "trainer.safetensors").read_bytes() == content
    assert model_of(halfway) == undisturbed


@pytest.mark.parametrize("gone", ["the folder", "the file, once it was checked"])
def test_d17_a_checkpoint_that_is_pruned_while_it_is_read_is_an_error_of_ours(run_copy, monkeypatch, gone):
    checkpoint = run_copy / "checkpoints" / "step-20"
    if gone == "the folder":
        shutil.rmtree(checkpoint)
    else:
        monkeypatch.setattr(
            "regard.training.checkpoint.damage", lambda folder: shutil.rmtree(folder) if folder.exists() else None
        )
    with pytest.raises(CheckpointError, match="step-20"):
        kept_weights(checkpoint)


def test_d18_steps_leave_nothing_behind(command, small_words, tmp_path, monkeypatch):
    """Between step 20 and step 50: not one more open file, and hardly one more object."""
    from regard.cli.console import TrainingProgress

    counts: dict[int, tuple[int, int]] = {}

    def look(self: TrainingProgress, step: Any, memory: float) -> None:
        if step.number in (20, 50):
            gc.collect()
            counts[step.number] = len(os.listdir("/proc/self/fd")), len(gc.get_objects())

    if not Path("/proc/self/fd").exists():
        pytest.skip("no /proc to see open files by")
    monkeypatch.setattr(TrainingProgress, "step", look)
    words = [*small_words, "train.steps=50", "train.save_every=5", "train.validate_every=300"]
    assert command("train", *words, "--out", tmp_path / "run").code == 0
    assert counts[50][0] == counts[20][0]
    assert counts[50][1] - counts[20][1] < 500


# The same bits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_seed_gives_the_same_bytes_with_one_thread_and_with_two(start, small_words, tmp_path, threads):
    found = []
    for name in ("one", "another"):
        words = [*small_words, f"train.threads={threads}", "model.d_model=64", "train.steps=4"]
        ended = start("train", *words, "--out", tmp_path / name).end()
        assert ended.code == 0, ended.err
        signature = re.search(r"^det\|.*$", ended.err, re.MULTILINE)
        assert signature, ended.err
        assert f"|thr:{threads}|" in signature[0]
        found.append((signature[0], model_of(tmp_path / name)))
    assert found[0] == found[1]


def test_b14_data_that_changed_since_is_refused(command, halfway):
    file = halfway / "data" / "train" / "source.ids"
    content = bytearray(file.read_bytes())
    content[10] ^= 1
    file.write_bytes(content)
    ended = command("train", "--out", halfway, "--resume")
    assert ended.code == 2
    expected = (
        "data/train: got source.ids is not as it was written; expected the data that the run began with; put back"
    )
    assert expected in ended.err


def test_c8_a_recipe_that_was_edited_is_refused_with_what_changed(command, halfway, undisturbed):
    recipe = halfway / "recipe.toml"
    text = recipe.read_text(encoding="utf-8")
    recipe.write_text(text.replace("learning_rate = 0.01", "learning_rate = 0.02"), encoding="utf-8")
    ended = command("train", "--out", halfway, "--resume")
    assert ended.code == 2
    assert "step-20: got train.learning_rate=0.02 (was 0.01); expected what the run began with; put back" in ended.err
    recipe.write_text(text.replace("log_every = 5", "log_every = 3"), encoding="utf-8")
    assert command("train", "--out", halfway, "--resume").code == 0
    assert model_of(halfway) == undisturbed


def test_a_tokenizer_or_data_of_another_run_is_refused(command, halfway, finished_run):
    state = halfway / "checkpoints" / "step-20" / "state.json"
    facts = json.loads(state.read_text(encoding="utf-8"))
    now = facts_of(read_recipe(halfway), halfway)
    assert compare(facts["facts"], now, state.parent) == ""
    other = {**now, "signature": {**now["signature"], "tok": "another"}}
    with pytest.raises(CheckpointError, match="got another tokenizer; expected what the run began with"):
        compare(other, now, state.parent)
    other = {**now, "signature": {**now["signature"], "data": "another"}}
    with pytest.raises(CheckpointError, match="got other prepared data; expected what the run began with"):
        compare(other, now, state.parent)


def test_a_run_that_was_begun_before_there_was_a_setting_goes_on(command, halfway, undisturbed):
    state = halfway / "checkpoints" / "step-20" / "state.json"
    content = json.loads(state.read_text(encoding="utf-8"))
    assert content["facts"]["settings"].pop("train.slower") == []
    content["facts"]["signature"]["recipe"] = "of then"
    state.write_text(json.dumps(content), encoding="utf-8")
    rewrite_manifest(state.parent)
    ended = command("train", "--out", halfway, "--resume")
    assert (ended.code, "to the bit" in ended.err) == (0, False)
    assert "resuming after step 20" in ended.err
    assert model_of(halfway) == undisturbed


def test_a_run_that_goes_on_with_other_threads_is_told_that_the_bits_are_others(command, halfway):
    state = halfway / "checkpoints" / "step-20" / "state.json"
    content = json.loads(state.read_text(encoding="utf-8"))
    content["facts"]["signature"] |= {"thr": "7", "torch": "1.0"}
    state.write_text(json.dumps(content), encoding="utf-8")
    rewrite_manifest(state.parent)
    ended = command("train", "--out", halfway, "--resume")
    assert ended.code == 0
    assert "the weights will not be, to the bit, those of a run without a stop: thr 7 → 1, torch 1.0 → 2." in ended.err


def rewrite_manifest(folder: Path) -> None:
    import hashlib

    manifest = {
        path.name: {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in sorted(folder.iterdir())
        if path.name != "manifest.json"
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
