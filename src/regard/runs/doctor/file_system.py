"""Whether a folder's file system keeps what a run relies on, tried out in a temporary folder inside it.

A network file system may have no locks, and some stacked ones cannot rename a folder. Then a run can still be
written, but two may write into one folder, or a crash may leave half a checkpoint.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from regard.runs.doctor.finding import Finding
from regard.runs.doctor.machine import GIB, told_gib

LITTLE_ROOM = GIB  # a run of the base model keeps five checkpoints of 0.8 GiB; a small one needs far less
MOUNTS = Path("/proc/self/mountinfo")
ELSEWHERE = "keep runs on a local disk"


def folder(name: str, path: Path) -> Iterator[Finding]:
    """Its room, whether it can be written to, and what its file system does not keep."""
    there = nearest(path)
    kind = kind_of(there)
    free = shutil.disk_usage(there).free
    value = f"{there}, {told_gib(free)} free{f', {kind}' if kind else ''}"
    if not there.is_dir():
        yield Finding(name, f"{there}, which is no folder", "a folder", "name another one")
        return
    try:
        with tempfile.TemporaryDirectory(dir=there, prefix=".regard-doctor-") as trial:
            lost = list(lost_promises(Path(trial)))
    except OSError as error:
        action = "change its permissions, or name another folder"
        yield Finding(name, f"{there}: {error.strerror or error}", "a folder that can be written to", action)
        return
    if free < LITTLE_ROOM:
        action = "make room, or name a folder on another disk"
        yield Finding(name, value, f"{told_gib(LITTLE_ROOM)} or more", action)
    else:
        yield Finding(name, value)
    yield from (Finding(f"{name}: {what}", why, PROMISES[what][1], ELSEWHERE) for what, why in lost)
    if not lost:
        yield Finding(f"{name}: its disk", f"keeps {', '.join(PROMISES)}")


def warnings(path: Path) -> list[str]:
    """A sentence for each promise that the disk of ``path`` does not keep, for whoever is about to write there."""
    return [one.sentence() for one in folder("the disk", path) if one.name != "the disk" and one.state == "warning"]


def nearest(path: Path) -> Path:
    """The path, or the first above it that exists."""
    whole = path.resolve()
    return next((one for one in (whole, *whole.parents) if one.exists()), whole)


def lost_promises(trial: Path) -> Iterator[tuple[str, str]]:
    """Each promise that is not kept, and how it was broken. ``trial`` is an empty folder that may be filled."""
    for name, (keeps, _) in PROMISES.items():
        place = trial / name.replace(" ", "-")
        place.mkdir()
        try:
            problem = keeps(place)
        except OSError as error:
            problem = error.strerror or str(error)
        if problem:
            yield name, problem


def _locks(place: Path) -> str:
    """A file that is locked cannot be locked again."""
    import fcntl

    path = place / "lock"
    with path.open("w", encoding="utf-8") as first, path.open("w", encoding="utf-8") as second:
        fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with suppress(BlockingIOError):
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return "a second lock on a locked file was granted"
    return ""


def _replaces(place: Path) -> str:
    """A file takes the name of another."""
    old, new = place / "old", place / "new"
    old.write_text("old", encoding="utf-8")
    new.write_text("new", encoding="utf-8")
    new.replace(old)
    if new.exists() or old.read_text(encoding="utf-8") != "new":
        return "a file renamed over another did not replace it"
    return ""


def _renames_folders(place: Path) -> str:
    """A folder with a file in it takes another name."""
    before, after = place / "before", place / "after"
    before.mkdir()
    (before / "file").write_text("content", encoding="utf-8")
    before.rename(after)
    if before.exists() or (after / "file").read_text(encoding="utf-8") != "content":
        return "a renamed folder is not whole under its new name"
    return ""


def _flushes(place: Path) -> str:
    """A file and its folder can be flushed to disk."""
    path = place / "file"
    path.write_text("content", encoding="utf-8")
    for one in (path, place):
        descriptor = os.open(one, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return ""


# What is relied on, how it is tried, and what does not hold without it.
PROMISES: dict[str, tuple[Callable[[Path], str], str]] = {
    "locks": (_locks, "locks, without which two runs can write into one folder"),
    "replacing a file": (_replaces, "that, without which a file can be half written after a crash"),
    "renaming a folder": (_renames_folders, "that, without which no checkpoint can be written whole"),
    "flushing to disk": (_flushes, "that, without which a power cut can undo what was said to be saved"),
}


def kind_of(path: Path) -> str:
    """The file system that a folder lies on, such as ``ext4``; "" where the system does not tell."""
    found = (0, "")
    with suppress(OSError):
        for line in MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines():
            before, _, after = line.partition(" - ")
            point = Path(before.split(" ")[4].replace(r"\040", " "))
            if path.is_relative_to(point) and len(point.parts) >= found[0]:
                found = len(point.parts), after.split(" ")[0]
    return found[1]
