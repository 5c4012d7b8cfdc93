"""A folder or file is whole or not there, whatever fails, and a damaged folder is known for one."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from regard.errors import RunError
from regard.storage import MANIFEST, damage, whole_folder, write_file


def write_two(folder: Path) -> None:
    with whole_folder(folder) as partial:
        (partial / "weights").write_bytes(b"\x00\x01\x02")
        (partial / "state").write_text("step 7\n", encoding="utf-8")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_appears_with_its_files_and_their_manifest(tmp_path):
    write_two(tmp_path / "step-7")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-7"]
    manifest = json.loads((tmp_path / "step-7" / MANIFEST).read_text(encoding="utf-8"))
    expected = {"bytes": 3, "sha256": hashlib.sha256(b"\x00\x01\x02").hexdigest()}
    assert manifest["weights"] == expected
    assert sorted(manifest) == ["state", "weights"]
    assert damage(tmp_path / "step-7") is None


def test_while_it_is_written_it_does_not_go_by_its_name(tmp_path):
    with whole_folder(tmp_path / "step-7") as partial:
        (partial / "weights").write_bytes(b"x")
        assert not (tmp_path / "step-7").exists()


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_inside_leaves_nothing(tmp_path, kind):
    def write_half() -> None:
        with whole_folder(tmp_path / "step-7") as partial:
            (partial / "weights").write_bytes(b"x")
            raise kind("halfway")

    with pytest.raises(kind, match="halfway"):
        write_half()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_does_not_get_into_the_next_folder(tmp_path):
    (tmp_path / ".step-7.partial").mkdir()
    (tmp_path / ".step-7.partial" / "rubbish").write_bytes(b"x")
    write_two(tmp_path / "step-7")
    assert sorted(contents(tmp_path)) == [f"step-7/{MANIFEST}", "step-7/state", "step-7/weights"]


def test_a_folder_that_is_there_already_is_not_touched(tmp_path):
    write_two(tmp_path / "step-7")
    before = contents(tmp_path)
    with pytest.raises(OSError, match="not empty"), whole_folder(tmp_path / "step-7") as partial:
        (partial / "other").write_bytes(b"x")
    assert contents(tmp_path) == before


def test_folders_above_are_made(tmp_path):
    write_two(tmp_path / "run" / "checkpoints" / "step-7")
    assert damage(tmp_path / "run" / "checkpoints" / "step-7") is None


def fail_at(call: int, monkeypatch, owner, name: str) -> Callable[[], bool]:
    """Let call number ``call`` of a function fail for want of space; returns whether it came to that."""
    real, count = getattr(owner, name), 0

    def failing(*arguments, **rules):
        nonlocal count
        count += 1
        if count == call:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments, **rules)

    monkeypatch.setattr(owner, name, failing)
    return lambda: count >= call


PERSISTENCE = [(os, "fsync"), (os, "open"), (Path, "rename"), (Path, "replace"), (Path, "write_text"), (Path, "open")]


@pytest.mark.parametrize(("owner", "name"), PERSISTENCE, ids=[name for _, name in PERSISTENCE])
def test_whichever_call_fails_the_folder_is_whole_or_absent(tmp_path, monkeypatch, owner, name):
    for call in range(1, 100):
        folder = tmp_path / f"step-{call}"
        with monkeypatch.context() as patched:
            came_to_it = fail_at(call, patched, owner, name)
            with contextlib.suppress(OSError):
                write_two(folder)
        if folder.exists():
            assert damage(folder) is None
            assert len(contents(folder)) == 3
        assert not list(tmp_path.glob(".*")), "no partial folder stays behind"
        if not came_to_it():
            assert folder.exists()
            return
    pytest.fail("it never succeeded")


@pytest.mark.parametrize(("owner", "name"), PERSISTENCE, ids=[name for _, name in PERSISTENCE])
def test_whichever_call_fails_a_file_is_the_old_or_the_new_one(tmp_path, monkeypatch, owner, name):
    path = tmp_path / "config.json"
    for call in range(1, 100):
        path.write_text("old", encoding="utf-8")
        with monkeypatch.context() as patched:
            came_to_it = fail_at(call, patched, owner, name)
            with contextlib.suppress(RunError):
                write_file(path, "new")
        assert path.read_text(encoding="utf-8") in ("old", "new")
        assert [one.name for one in tmp_path.iterdir()] == ["config.json"]
        if not came_to_it():
            assert path.read_text(encoding="utf-8") == "new"
            return
    pytest.fail("it never succeeded")


def test_everything_is_on_disk_before_the_name_is_given_and_the_name_after(tmp_path, monkeypatch):
    happened, opened = [], {}
    real_open, fsync, rename = os.open, os.fsync, Path.rename

    def noted_open(path, *arguments, **rules):
        descriptor = real_open(path, *arguments, **rules)
        opened[descriptor] = Path(path).name
        return descriptor

    monkeypatch.setattr(os, "open", noted_open)
    monkeypatch.setattr(os, "fsync", lambda descriptor: happened.append(opened[descriptor]) or fsync(descriptor))
    monkeypatch.setattr(Path, "rename", lambda self, target: happened.append("rename") or rename(self, target))
    (tmp_path / "run").mkdir()
    write_two(tmp_path / "run" / "step-7")
    assert sorted(happened[:3]) == [MANIFEST, "state", "weights"]
    assert happened[3:] == [".step-7.partial", "rename", "run"]


@pytest.fixture
def whole(tmp_path) -> Path:
    write_two(tmp_path / "step-7")
    return tmp_path / "step-7"


@pytest.mark.parametrize("name", ["weights", "state", MANIFEST])
def test_a_flipped_bit_is_noticed(whole, name):
    right = (whole / name).read_bytes()
    for place in range(0, 8 * len(right), 11 if name == MANIFEST else 1):
        wrong = bytearray(right)
        wrong[place // 8] ^= 1 << place % 8
        (whole / name).write_bytes(wrong)
        assert damage(whole), f"bit {place}"
    (whole / name).write_bytes(right)
    assert damage(whole) is None


@pytest.mark.parametrize("name", ["weights", "state"])
def test_every_truncation_is_noticed(whole, name):
    right = (whole / name).read_bytes()
    for length in range(len(right)):
        (whole / name).write_bytes(right[:length])
        assert damage(whole) == f"{name} is not as it was written"


@pytest.mark.parametrize("name", ["weights", "state", MANIFEST])
def test_a_missing_file_is_noticed(whole, name):
    (whole / name).unlink()
    assert name in damage(whole)


@pytest.mark.parametrize("text", ["", "[]", "7", '{"weights": 7}', '{"weights": {}}', "\udcff"])
def test_a_manifest_that_is_none_is_noticed(whole, text):
    (whole / MANIFEST).write_text(text, encoding="utf-8", errors="surrogateescape")
    assert damage(whole)


def test_a_file_is_written_as_text_or_as_bytes(tmp_path):
    write_file(tmp_path / "text", "é\n")
    write_file(tmp_path / "bytes", b"\xff\x00")
    assert contents(tmp_path) == {"text": "é\n".encode(), "bytes": b"\xff\x00"}


def test_a_file_is_replaced(tmp_path):
    write_file(tmp_path / "file", "a long text")
    write_file(tmp_path / "file", "new")
    assert contents(tmp_path) == {"file": b"new"}
