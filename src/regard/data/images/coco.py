"""Pictures with the objects in them, as COCO's JSON files have them (Lin et al. 2014)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regard.data.plain_file import read_plain
from regard.errors import DataError

MOST_BYTES = 2 << 30  # COCO's own annotations have 450 MB
SLACK = 1.0  # pixels by which a box may stand out, since many are rounded
ACTION = "correct it, or leave it out with images.bad=drop"


@dataclass(frozen=True)
class Marked:
    """An object of a picture: left, top, right and bottom in pixels. A ``crowd`` is many in one box."""

    label: str
    box: tuple[float, float, float, float]
    crowd: bool = False


@dataclass(frozen=True)
class MarkedPicture:
    """A picture's file, its size, and what is in it."""

    file: Path
    width: int
    height: int
    objects: tuple[Marked, ...]


def read_coco(path: Path, *, drop: bool = False) -> tuple[list[MarkedPicture], list[str], list[str]]:
    """The pictures of a file, its classes in its own order, and what was wrong with boxes that were left out.

    Pictures lie beside the file, or in a folder ``images`` there. Raises DataError for what is no such file, a picture
    without a file, and for a box of no known class or picture, without an area, or outside its picture, unless these
    are to be dropped.
    """
    table = _table(path)
    classes = {one["id"]: str(one["name"]) for one in table["categories"]}
    sizes = {one["id"]: (int(one["width"]), int(one["height"])) for one in table["images"]}
    objects: dict[Any, list[Marked]] = {number: [] for number in sizes}
    problems = []
    for number, one in enumerate(table["annotations"], start=1):
        try:
            objects[one.get("image_id")].append(_marked(path, number, one, classes, sizes))
        except DataError as error:
            if not drop:
                raise
            problems.append(str(error))
        except (KeyError, TypeError) as error:
            got = f"no picture {one.get('image_id')!r} for box {number}"
            raise DataError.because(path, got, "one of those under images", ACTION) from error
    found = [MarkedPicture(_file(path, one), *sizes[one["id"]], tuple(objects[one["id"]])) for one in table["images"]]
    return found, list(dict.fromkeys(classes.values())), problems


def _table(path: Path) -> dict[str, list[Any]]:
    try:
        table = json.loads(read_plain(path, MOST_BYTES))
        lists = {name: list(table[name]) for name in ("images", "annotations", "categories")}
        for name, keys in (("images", ("id", "file_name", "width", "height")), ("categories", ("id", "name"))):
            _check_keys(lists[name], keys)
        _check_keys(lists["annotations"], ())
    except OSError as error:
        raise DataError.because(path, error.strerror or error, "a file of marked pictures", "check the path") from error
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        got = f"no COCO file ({' '.join(repr(error).split())[:120]})"
        expected = "JSON with images (id, file_name, width, height), annotations and categories (id, name)"
        raise DataError.because(path, got, expected, "check the file") from error
    if not lists["images"] or not lists["categories"]:
        raise DataError.because(path, "no picture or no class", "some of both", "check the file")
    return lists


def _check_keys(rows: Iterable[Any], keys: Iterable[str]) -> None:
    for row in rows:
        if not isinstance(row, Mapping):
            raise TypeError(f"no object but {row!r}"[:80])
        for key in keys:
            _ = row[key]
        _ = int(row.get("width", 1)), int(row.get("height", 1))


def _file(path: Path, one: Mapping[str, Any]) -> Path:
    name = str(one["file_name"])
    for file in (path.parent / name, path.parent / "images" / name):
        if "\0" not in name and file.is_file():
            return file
    raise DataError.because(path, f"{name[:200]!r}", "a file beside it, or in images beside it", "put it there")


def _marked(path: Path, number: int, one: Any, classes: Mapping[Any, str], sizes: Mapping[Any, Any]) -> Marked:
    """An annotation, checked: its corners, within the picture."""
    if one.get("category_id") not in classes:
        got = f"class {one.get('category_id')!r} of box {number}"
        raise DataError.because(path, got, "one of those under categories", ACTION)
    width, height = sizes[one["image_id"]]
    try:
        left, top, wide, high = map(float, one["bbox"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError.because(path, f"box {number} without four numbers", "x, y, width, height", ACTION) from error
    whole = wide > 0 and high > 0
    inside = left >= -SLACK and top >= -SLACK and left + wide <= width + SLACK and top + high <= height + SLACK
    if not (whole and inside):  # also where one of them is no number
        got = f"box {number}, {[left, top, wide, high]}, in a picture of {width} × {height} pixels"
        raise DataError.because(path, got, "a box with an area, inside its picture", ACTION)
    box = max(left, 0.0), max(top, 0.0), min(left + wide, float(width)), min(top + high, float(height))
    return Marked(classes[one["category_id"]], box, bool(one.get("iscrowd")))
