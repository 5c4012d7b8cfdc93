"""Lines of a file or of standard input, so many at a time as are held in memory."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from regard.errors import DataError

WINDOW = 1000  # texts held and batched at a time


def typed_lines() -> Iterator[str]:
    """The lines of standard input. Raises DataError where it was closed before we began."""
    from regard.data.lines import decoded_lines

    if sys.stdin is None:
        got, action = "closed (<&-)", "give a file, or send text to it"
        raise DataError.because("standard input", got, "texts, one a line", action)
    return decoded_lines(sys.stdin.buffer, "standard input")


def is_typed() -> bool:
    """Whether a person types, and wants an answer to each line."""
    return sys.stdin is not None and sys.stdin.isatty()


def windows(given: Iterable[Any] | None, file: Path | None) -> Iterator[list[Any]]:
    """What is given, or the lines of the file, or of standard input, in lists; a person who types gets each at once."""
    from regard.data.corpus import read_lines

    typed = given is None and file is None and is_typed()
    if given is None:
        given = read_lines(file) if file else typed_lines()
    remaining = iter(given)
    while texts := list(islice(remaining, 1 if typed else WINDOW)):
        yield texts
