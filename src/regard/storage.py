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

MANIFEST = "manifest.json"


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to write into, which becomes ``folder`` when the block ends well, with a manifest of its files.

    A crash at any moment leaves either nothing or all of it under the name ``folder``.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        manifest = {path.name: _facts(path) for path in sorted(partial.iterdir())}
        (partial / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        for path in partial.iterdir():
            _flush(path)
        _flush(partial)
        partial.rename(folder)
        _flush(folder.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


@contextmanager
def appearing(folder: Path) -> Iterator[Path]:
    """A folder beside ``folder`` to write into, which takes its place, and that of a folder there, when all went well.

    Raises RunError where no folder can be made. Whatever fails, everything is as it was before.
    """
    folder = folder.resolve()
    partial, old = (folder.with_name(f".{folder.name}.{ending}") for ending in ("partial", "old"))
    missing = [parent for parent in folder.parents if not parent.exists()]
    try:
        _make_anew(partial)
        yield partial
        _take_place(folder, partial, old)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        for parent in missing:
            with suppress(OSError):
                parent.rmdir()
        raise


def _make_anew(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # what a killed run left
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise RunError.because(
            folder.parent, error.strerror, "a folder to write to", "choose another folder"
        ) from error


def _take_place(folder: Path, partial: Path, old: Path) -> None:
    for path in (*partial.rglob("*"), partial):
        _flush(path)
    shutil.rmtree(old, ignore_errors=True)
    try:
        if folder.exists():
            folder.rename(old)
        partial.rename(folder)
    except OSError as error:
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise RunError.because(folder, error.strerror, "a folder that can be renamed", "name one inside it") from error
    _flush(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def write_file(path: Path, content: str | bytes) -> None:
    """Replace ``path`` by ``content``, whole or not at all. Raises RunError where that fails."""
    partial = path.with_name(f".{path.name}.partial")
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        partial.write_bytes(data)
        _flush(partial)
        partial.replace(path)
        _flush(path.parent)
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
            if _facts(folder / name) != facts:
                return f"{name} is not as it was written"
    except (OSError, ValueError, AttributeError) as error:
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
