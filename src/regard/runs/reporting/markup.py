"""Plain values as HTML: texts escaped and isolated, numbers readable, mappings and lists as tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from regard.looking.lettering import visible
from regard.runs.reporting.wording import name_of, number

LONGEST = 2000  # characters of one text; more is cut off, and said so


def escaped(text: object, limit: int = LONGEST) -> str:
    """Text for a page: markup is shown and does nothing, and what would turn the line around is a code point."""
    whole = str(text)
    return escape(visible(whole if len(whole) <= limit else f"{whole[:limit]}… ({len(whole):,} characters)", "\n\t"))


def isolated(text: object) -> str:
    """``escaped``, and in the text's own direction."""
    return f'<bdi dir="auto">{escaped(text)}</bdi>'


def has_parts(value: object) -> bool:
    """Whether the value needs a table: a mapping, a list, a dataclass."""
    listed = isinstance(value, Iterable) and not isinstance(value, str | bytes)
    return listed or (dataclasses.is_dataclass(value) and not isinstance(value, type))


def as_html(value: Any) -> str:
    """Any plain value: a mapping or dataclass is a table of pairs, a list of these or of rows a table, else lines."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return as_html(dataclasses.asdict(value))
    if isinstance(value, Mapping):
        rows = "".join(f"<tr><th>{escaped(name_of(key))}</th>{cell(each)}</tr>" for key, each in value.items())
        return f'<table class="pairs"><tbody>{rows}</tbody></table>' if rows else "none"
    if has_parts(value):
        items = list(value)
        if items and all(isinstance(item, Mapping) for item in items):
            keys = list(dict.fromkeys(key for item in items for key in item))
            return table([name_of(key) for key in keys], [[item.get(key) for key in keys] for item in items])
        if items and all(has_parts(item) for item in items):
            return table([], items)
        return "<br>".join(map(as_html, items)) or "none"
    if value is None or isinstance(value, bool):
        return {True: "yes", False: "no", None: "–"}[value]
    return number(value) if isinstance(value, int | float) else isolated(value)


def cell(value: Any) -> str:
    """A cell of a table; numbers stand at the right."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f'<td class="number">{as_html(value)}</td>' if is_number else f"<td>{as_html(value)}</td>"


def table(headings: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    """A table of plain values; a column whose first value is a number has its heading at the right too."""
    filled = [list(row) for row in rows]
    right = [
        isinstance(value, int | float) and not isinstance(value, bool) for value in (filled[0] if filled else headings)
    ]
    cells = zip(headings, right, strict=bool(headings))
    head = "".join(f"<th{' class=number' if at_right else ''}>{escaped(text)}</th>" for text, at_right in cells)
    thead = f"<thead><tr>{head}</tr></thead>" if headings else ""
    body = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in filled)
    return f'<div class="wide"><table>{thead}<tbody>{body}</tbody></table></div>'
