"""Lines of a file or of standard input, so many at a time as are held in memory."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

WINDOW = 1000  # texts held and batched at a time


def windows(given: Iterable[Any] | None, file: Path | None) -> Iterator[list[Any]]:
    """What is given, or the lines of the file, or of standard input, in lists; a person who types gets each at once."""
    from regard.data.corpus import read_lines
    from regard.data.lines import decoded_lines

    typed = given is None and file is None and sys.stdin.isatty()
    if given is None:
        given = read_lines(file) if file else decoded_lines(sys.stdin.buffer, "standard input")
    remaining = iter(given)
    while texts := list(islice(remaining, 1 if typed else WINDOW)):
        yield texts
