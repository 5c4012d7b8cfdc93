"""Texts and pairs of texts out of plain text, TSV and JSON lines, each of them as it is or as ``.gz``.

What a file is, its name tells: ``.tsv`` has columns (separated by tabs, nothing quoted), ``.jsonl`` and ``.ndjson``
an object a line, anything else one text a line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unicodedata import normalize

from regard.data.lines import LONGEST_LINE, count_lines, open_text, text_lines
from regard.errors import DataError, SettingError

Column = str | int | None


def read_lines(path: Path, column: Column = None, longest: int = LONGEST_LINE) -> Iterator[str]:
    """The texts of a file, one by one.

    ``column`` is for TSV its number (from 1; the default) or its name in the first line, for JSON lines the field
    (default ``text``). A line may have ``longest`` characters. Raises DataError (with ``FILE:LINE`` where there is
    one) at the first problem, SettingError where the column does not suit the file.
    """
    kind = _kind(path)
    if kind == "text" and column is not None:
        expected = "none, or a .tsv or .jsonl file"
        raise SettingError.because("column", f"{column!r} for the plain text {path}", expected, "leave it out")
    open_text(path).close()  # so that what is wrong with the path is said now and not at the first line
    if kind == "tsv":
        return _tsv(path, 1 if column is None else column, longest)
    if kind == "jsonl":
        return _jsonl(path, "text" if column is None else column, longest)
    return text_lines(path, longest)


def read_pairs(
    source: Path,
    target: Path,
    source_column: Column = None,
    target_column: Column = None,
    longest: int = LONGEST_LINE,
) -> Iterator[tuple[str, str]]:
    """Line n of ``source`` with line n of ``target``.

    Both may be the same TSV or JSON lines file; the columns are then 1 and 2, or ``source`` and ``target``, unless
    they are given. Raises DataError with both counts before the first pair where the files differ in length.
    """
    if source == target:
        kind = _kind(source)
        if kind == "text":
            action = "name two files"
            raise DataError.because(source, "the same file as source and target", "one file a language", action)
        first, second = (1, 2) if kind == "tsv" else ("source", "target")
        source_column = first if source_column is None else source_column
        target_column = second if target_column is None else target_column
    sides = read_lines(source, source_column, longest), read_lines(target, target_column, longest)
    if source != target:
        counts = _count_texts(source, source_column), _count_texts(target, target_column)
        if counts[0] != counts[1]:
            got = f"{counts[0]} lines, but {target} has {counts[1]}"
            raise DataError.because(source, got, "line n of both to be the same sentence", "repair the shorter one")
    return zip(*sides, strict=True)


def _kind(path: Path) -> str:
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    return {".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl"}.get(suffix, "text")


def _named(column: Column) -> bool:
    return isinstance(column, str) and not column.isdecimal()


def _count_texts(path: Path, column: Column) -> int:
    return count_lines(path) - (_kind(path) == "tsv" and _named(column))


def _tsv(path: Path, column: str | int, longest: int) -> Iterator[str]:
    lines = enumerate(text_lines(path, longest), start=1)
    if _named(column):
        _, header = next(lines)
        names = header.split("\t")
        if column not in names:
            raise DataError.at(path, 1, f"columns {', '.join(names)}", f"one called {column}", "name one of these")
        index = names.index(str(column))
    else:
        index = int(column) - 1
        if index < 0:
            raise SettingError.because("column", column, "a number from 1, or a name", "count columns from 1")
    for number, line in lines:
        fields = line.split("\t")
        if index >= len(fields):
            action = "repair the line or name another column"
            raise DataError.at(path, number, f"{len(fields)} columns", f"at least {index + 1}", action)
        yield fields[index]


def _jsonl(path: Path, field: str | int, longest: int) -> Iterator[str]:
    for number, line in enumerate(text_lines(path, longest), start=1):
        found = _parse(line, path, number)
        if not isinstance(found, dict) or not isinstance(found.get(str(field)), str):
            got = f"an object with {', '.join(map(str, found))}" if isinstance(found, dict) else "no object"
            raise DataError.at(path, number, got, f"an object with the text {field!r}", "name another column")
        yield _checked(found[str(field)], path, number)


def _parse(line: str, path: Path, number: int) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError.at(path, number, f"no JSON ({error})", "an object a line", "repair the line") from error


def _checked(text: str, path: Path, number: int) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        got = f"the lone surrogate U+{ord(text[error.start]):04X} in a text"
        raise DataError.at(path, number, got, "Unicode text", "repair the line") from error
    return normalize("NFC", text)
