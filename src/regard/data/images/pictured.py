"""Picture files and what is said of each: a folder of classes, or a table beside the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from regard.data.corpus import read_table
from regard.data.images.picture import SUFFIXES
from regard.errors import DataError

Said = tuple[Path, tuple[str, ...]]


def read_pictured(path: Path, image_column: str, columns: Sequence[str]) -> list[Said]:
    """Each picture's file with what the ``columns`` of a table say of it, or the name of its folder as its class.

    A table (JSON lines, TSV) names files relative to itself. Raises DataError where there is nothing, and for a
    picture without a file or with nothing said of it.
    """
    if not path.exists():
        expected = "a folder of classes, or a table of pictures"
        raise DataError.because(path, "nothing there", expected, "check the path")
    if path.suffix.lower() == ".json":
        expected = "a folder of classes, or a table as .jsonl or .tsv"
        raise DataError.because(path, "a .json file", expected, "add family=detr for boxes as COCO has them")
    found = _classes(path) if path.is_dir() else _table(path, image_column, columns)
    if not found:
        raise DataError.because(path, "no picture", f"files such as {SUFFIXES[0]} and {SUFFIXES[1]}", "check the path")
    return found


def pictures_in(paths: Sequence[Path]) -> list[Path]:
    """These files, and in place of each folder the pictures in it, sorted. Raises DataError where there is none."""
    found = [file for path in paths for file in (_pictures(path) if path.is_dir() else [path])]
    if not found:
        got = "no picture in " + ", ".join(map(str, paths)) if paths else "no file"
        raise DataError.because("FILE", got, "pictures, or folders with some", "name them")
    return found


def _pictures(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())


def _classes(folder: Path) -> list[Said]:
    inside = sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))
    if not inside:
        action = "make one folder a class, or name a table of pictures and labels"
        raise DataError.because(folder, "a folder without folders in it", "FOLDER/CLASS/PICTURE", action)
    found: list[Said] = []
    for one in inside:
        files = _pictures(one)
        if not files:
            raise DataError.because(one, "no picture", "pictures of this class", "put some there, or delete the folder")
        found += [(file, (one.name,)) for file in files]
    return found


def _table(path: Path, image_column: str, columns: Sequence[str]) -> list[Said]:
    found = []
    for number, (name, *said) in enumerate(read_table(path, [image_column, *columns]), start=1):
        file = path.parent / name
        if not name.strip() or "\0" in name or not file.is_file():
            got, expected = f"{name[:200]!r} in row {number}", f"a file beside {path.name}"
            raise DataError.because(path, got, expected, f"check the column {image_column}")
        empty = next((column for column, text in zip(columns, said, strict=True) if not text.strip()), None)
        if empty is not None:
            got = f"nothing about {name[:200]!r} in row {number}"
            raise DataError.because(path, got, f"something in the column {empty}", "fill it in, or leave the row out")
        found.append((file, tuple(said)))
    return found
