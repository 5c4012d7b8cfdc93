"""Texts, pairs and rows of texts out of plain text, TSV and JSON lines, each of them as it is or as ``.gz``.

What a file is, its name tells: ``.tsv`` has columns (separated by tabs, quoted only where ``unquoted`` says so),
``.jsonl`` and ``.ndjson`` an object a line, anything else one text a line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any
from unicodedata import normalize

from regard.data.in_step import places_out_of_step
from regard.data.lines import LONGEST_LINE, count_lines, is_whole, open_text, text_lines
from regard.errors import DataError, SettingError

LONGEST_DOCUMENT = 2**31  # characters, all of which are in memory at once
UNITS = ("line", "paragraph", "file")

Column = str | int | None


def read_lines(path: Path, column: Column = None, longest: int = LONGEST_LINE, bad_text: str = "fail") -> Iterator[str]:
    """The texts of a file, one by one.

    ``column`` is for TSV its number (from 1; the default) or its name in the first line, for JSON lines the field
    (default ``text``). A line may have ``longest`` characters. With ``bad_text`` "drop", texts with bytes that are not
    UTF-8 are not ``is_whole``, and the reader leaves them out. Raises DataError (with ``FILE:LINE`` where there is
    one) at the first problem, SettingError where the column does not suit the file.
    """
    open_text(path).close()  # so that what is wrong with the path is said now and not at the first line
    kind = _kind(path, column)
    if kind == "text" and column is not None:
        expected = "none, or a .tsv or .jsonl file"
        raise SettingError.because("column", f"{column!r} for the plain text {path}", expected, "leave it out")
    if kind == "tsv":
        return (row[0] for row in _rows(path, [1 if column is None else column], longest, bad_text))
    if kind == "jsonl":
        return _jsonl(path, "text" if column is None else column, longest, bad_text)
    return text_lines(path, longest, bad_text)


def read_pairs(
    source: Path,
    target: Path,
    source_column: Column = None,
    target_column: Column = None,
    longest: int = LONGEST_LINE,
    bad_text: str = "fail",
) -> Iterator[tuple[str, str]]:
    """Line n of ``source`` with line n of ``target``.

    Both may be the same TSV or JSON lines file; the columns are then 1 and 2, or ``source`` and ``target``, unless
    they are given. Raises DataError before the first pair where the files differ in length, with both counts and up to
    three lines where they probably part, and underway where one of them has changed its length since then.
    """
    if source == target:
        kind = _kind(source, source_column)
        if kind == "text":
            action = "name two files"
            raise DataError.because(source, "the same file as source and target", "one file a language", action)
        first, second = (1, 2) if kind == "tsv" else ("source", "target")
        source_column = first if source_column is None else source_column
        target_column = second if target_column is None else target_column
    sources = read_lines(source, source_column, longest, bad_text)
    targets = read_lines(target, target_column, longest, bad_text)
    if source != target:
        counts = _count_texts(source, source_column), _count_texts(target, target_column)
        if counts[0] != counts[1]:
            got = f"{counts[0]} lines, but {target} has {counts[1]}"
            action = f"repair the shorter one{places_out_of_step(sources, targets)}"
            raise DataError.because(source, got, "line n of both to be the same sentence", action)
    return _together(sources, targets, f"{source} and {target}")


def _together(sources: Iterable[str], targets: Iterable[str], name: str) -> Iterator[tuple[str, str]]:
    for number, (source, target) in enumerate(zip_longest(sources, targets), start=1):
        if source is None or target is None:
            got = "files that had as many lines when they were counted"
            raise DataError.at(name, number, got, "them to stay as they are", "begin again, and leave them alone")
        yield source, target


def prefixed(pairs: Iterable[tuple[str, str]], prefix: str) -> Iterator[tuple[str, str]]:
    """The pairs with ``prefix: `` before each source, which tells a model of many tasks what to do (T5)."""
    return ((f"{prefix}: {source}" if prefix else source, target) for source, target in pairs)


def read_table(
    path: Path, columns: Sequence[str | int], longest: int = LONGEST_LINE, bad_text: str = "fail"
) -> Iterator[tuple[str, ...]]:
    """These columns of each row of a table: texts, labels.

    TSV columns have numbers (from 1) or the names of the first line, and may be those of any file whose first line
    has tabs, whatever its suffix; JSON lines have fields, which may also be whole numbers, or lists of texts without
    spaces, which are joined by spaces. Raises DataError as ``read_lines``, also for a row with more columns than
    names, SettingError where the file is no table.
    """
    open_text(path).close()
    if _table_kind(path, columns) == "jsonl":
        return _json_rows(path, [str(column) for column in columns], longest, bad_text)
    return _rows(path, columns, longest, bad_text)


def read_documents(
    path: Path, unit: str = "paragraph", longest: int = LONGEST_DOCUMENT, bad_text: str = "fail"
) -> Iterator[str]:
    r"""The documents of a plain text, none of them empty, with line ends as ``\n``.

    ``unit``: "line"; "paragraph", lines between blank ones; or "file", all of it, up to its last line end.
    Raises DataError as ``read_lines``, for one of more than ``longest`` characters, and where there is none.
    """
    if unit not in UNITS:
        raise SettingError.because("unit", repr(unit), f"one of {', '.join(UNITS)}", "name one of these")
    open_text(path).close()
    return _documents(path, unit, longest, bad_text)


def _documents(path: Path, unit: str, longest: int, bad_text: str) -> Iterator[str]:
    lines: list[str] = []
    found = characters = 0
    for number, line in enumerate(text_lines(path, longest, bad_text), start=1):
        blank = not line.strip()
        if lines and (unit == "line" or (unit == "paragraph" and blank)):
            yield "\n".join(lines)
            lines, characters, found = [], 0, found + 1
        if not blank or unit == "file":
            lines.append(line)
            characters += len(line) + 1
        if characters > longest + 1:
            got, action = f"a {unit} of more than {longest} characters", "split it"
            raise DataError.at(path, number, got, "a document that fits into memory", action)
    if any(line.strip() for line in lines):
        yield "\n".join(lines)
    elif not found:
        raise DataError.because(path, "nothing but white space", "some text", "check how it was made")


def _kind(path: Path, column: Column = None) -> str:
    """``tsv``, ``jsonl`` or ``text``; a file with tabs of which a column is wanted is a table by any name."""
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    kind = {".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl"}.get(suffix, "text")
    if kind == "text" and column is not None and "\t" in next(text_lines(path), ""):
        return "tsv"
    return kind


def _table_kind(path: Path, columns: Sequence[str | int]) -> str:
    kind = _kind(path, columns[0])
    if kind == "text":
        expected = "a .jsonl file or columns with tabs between"
        raise SettingError.because("columns", f"the plain text {path}", expected, "check the file")
    return kind


def _named(column: Column) -> bool:
    return isinstance(column, str) and not column.isdecimal()


def _count_texts(path: Path, column: Column) -> int:
    return count_lines(path) - (_kind(path, column) == "tsv" and _named(column))


def _rows(path: Path, columns: Sequence[str | int], longest: int, bad_text: str) -> Iterator[tuple[str, ...]]:
    lines = enumerate(text_lines(path, longest, bad_text), start=1)
    names: list[str] = []
    always = False
    if any(map(_named, columns)):
        header = next(lines)[1].split("\t")
        always = all(map(_in_quotes, header))
        names = [unquoted(name, always=always) for name in header]
    places = [_place(column, names, path) for column in columns]
    for number, line in lines:
        fields = line.split("\t")
        if max(places) >= len(fields):
            action = "repair the line or name another column"
            raise DataError.at(path, number, f"{len(fields)} columns", f"at least {max(places) + 1}", action)
        if names and len(fields) > len(names):
            action = "take the tabs out of the texts"
            raise DataError.at(path, number, f"{len(fields)} columns", f"the {len(names)} of the first line", action)
        yield tuple(unquoted(fields[place], always=always) for place in places)


def _place(column: str | int, names: list[str], path: Path) -> int:
    if _named(column):
        if column not in names:
            raise DataError.at(path, 1, f"columns {', '.join(names)}", f"one called {column}", "name one of these")
        return names.index(str(column))
    if int(column) < 1:
        raise SettingError.because("column", column, "a number from 1, or a name", "count columns from 1")
    return int(column) - 1


def unquoted(field: str, *, always: bool = False) -> str:
    """A field without the quotes that CSV writers put around one with quotes in it, which they double.

    It must begin and end with a quote, and what is between must hold quotes, all of them in pairs: "Yes." with its
    quotes is a text like any other. ``always``: whatever begins and ends with a quote is quoted, as the first line is.
    """
    if not _in_quotes(field) or (inner := field[1:-1]).replace('""', "").count('"'):
        return field
    return inner.replace('""', '"') if always or '"' in inner else field


def _in_quotes(field: str) -> bool:
    return len(field) > 1 and field[0] == field[-1] == '"'


def _json_rows(path: Path, names: Sequence[str], longest: int, bad_text: str) -> Iterator[tuple[str, ...]]:
    for number, line in enumerate(text_lines(path, longest, bad_text), start=1):
        found = _parse(line, path, number)
        fields = [_plain(found.get(name)) if isinstance(found, dict) else None for name in names]
        for name, field in zip(names, fields, strict=True):
            if field is None:
                got = f"an object with {', '.join(map(str, found))}" if isinstance(found, dict) else "no object"
                raise DataError.at(path, number, got, f"an object with the text {name!r}", "name another column")
        yield tuple(_checked(str(field), path, number, bad_text) for field in fields)


def _plain(value: Any) -> str | None:
    """A text, a whole number, or a list of such without spaces, as text."""
    if isinstance(value, list):
        words = [_plain(word) if not isinstance(word, list) else None for word in value]
        return None if any(word is None or len(word.split()) != 1 for word in words) else " ".join(map(str, words))
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None


def _jsonl(path: Path, field: str | int, longest: int, bad_text: str) -> Iterator[str]:
    for number, line in enumerate(text_lines(path, longest, bad_text), start=1):
        found = _parse(line, path, number)
        if not isinstance(found, dict) or not isinstance(found.get(str(field)), str):
            got = f"an object with {', '.join(map(str, found))}" if isinstance(found, dict) else "no object"
            raise DataError.at(path, number, got, f"an object with the text {field!r}", "name another column")
        yield _checked(found[str(field)], path, number, bad_text)


def _parse(line: str, path: Path, number: int) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError.at(path, number, f"no JSON ({error})", "an object a line", "repair the line") from error


def _checked(text: str, path: Path, number: int, bad_text: str) -> str:
    if bad_text == "fail" and not is_whole(text):
        first = next(character for character in text if "\ud800" <= character <= "\udfff")
        got = f"the lone surrogate U+{ord(first):04X} in a text"
        raise DataError.at(path, number, got, "Unicode text", "repair the line")
    return normalize("NFC", text)
