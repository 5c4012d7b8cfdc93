"""Files and folders that appear whole or not at all: written beside, flushed to disk, then renamed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from regard.errors import RunError
from regard.failpoints import reach

MANIFEST = "manifest.json"


@contextmanager
def whole_folder(folder: Path, *, replace: bool = False) -> Iterator[Path]:
    """A folder to write into, which becomes ``folder`` when the block ends well, with a manifest of its files.

    A crash at any moment leaves either nothing or all of it under the name ``folder``. With ``replace`` it takes the
    place of a folder there; see ``sweep`` for what a crash may leave of that one.
    """
    partial, old = _beside(folder)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    reach("folder begun")
    try:
        yield partial
        reach("folder written")
        manifest = {path.name: _facts(path) for path in sorted(partial.iterdir())}
        (partial / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        reach("manifest written")
        _take_place(folder, partial, old if replace else None)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


@contextmanager
def appearing(folder: Path) -> Iterator[Path]:
    """A folder beside ``folder`` to write into, which takes its place, and that of a folder there, when all went well.

    Raises RunError where no folder can be made. Whatever fails, everything is as it was before.
    """
    folder = folder.resolve()
    partial, old = _beside(folder)
    missing = [parent for parent in folder.parents if not parent.exists()]
    try:
        sweep(folder)
        _make(partial)
        reach("folder begun")
        yield partial
        reach("folder written")
        try:
            _take_place(folder, partial, old)
        except OSError as error:
            expected, action = "a folder that can be renamed", "name one inside it"
            raise RunError.because(folder, error.strerror, expected, action) from error
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        for parent in missing:
            with suppress(OSError):
                parent.rmdir()
        raise


def sweep(folder: Path) -> None:
    """Undo what a crash left half done beside ``folder``: an unfinished folder goes, a replaced one comes back."""
    folder = folder.resolve()
    partial, old = _beside(folder)
    shutil.rmtree(partial, ignore_errors=True)
    if old.exists() and not folder.exists():
        old.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _beside(folder: Path) -> tuple[Path, Path]:
    """The names under which a folder grows, and under which the one before it waits until that is done."""
    return folder.with_name(f".{folder.name}.partial"), folder.with_name(f".{folder.name}.old")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise RunError.because(
            folder.parent, error.strerror, "a folder to write to", "choose another folder"
        ) from error


def _take_place(folder: Path, partial: Path, old: Path | None) -> None:
    """Rename ``partial`` to ``folder``, once it is on the disk. What is there goes aside first, to ``old``."""
    for path in (*partial.rglob("*"), partial):
        _flush(path)
    reach("folder flushed")
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)
    try:
        if old is not None and folder.exists():
            folder.rename(old)
            reach("old folder aside")
        partial.rename(folder)
    except OSError:
        if old is not None and old.exists() and not folder.exists():
            old.rename(folder)
        raise
    reach("folder renamed")
    _flush(folder.parent)
    reach("folder kept")
    if old is not None and old.exists():
        shutil.rmtree(old, ignore_errors=True)
        reach("old folder removed")


def write_file(path: Path, content: str | bytes) -> None:
    """Replace ``path`` by ``content``, whole or not at all. Raises RunError where that fails."""
    partial = path.with_name(f".{path.name}.partial")
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        partial.write_bytes(data)
        reach("file written")
        _flush(partial)
        reach("file flushed")
        partial.replace(path)
        reach("file replaced")
        _flush(path.parent)
        reach("file kept")
    except OSError as error:
        partial.unlink(missing_ok=True)
        action = "check the folder, its permissions and the disk"
        raise RunError.because(path, error.strerror or error, "a file to write to", action) from error
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def damage(folder: Path) -> str | None:
    """What is wrong with a folder that ``whole_folder`` wrote, or None if every file is as it was."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if not manifest:
            return f"{MANIFEST} names no file"
        for name, facts in manifest.items():
            if Path(name).name != name:
                return f"{MANIFEST} names {name[:80]!r}, which is no file of its folder"
            if _facts(folder / name) != facts:
                return f"{name} is not as it was written"
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        return str(error)
    return None


def _facts(path: Path) -> dict[str, int | str]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
