"""A text file written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from regard.errors import RunError


def write_whole(path: Path, text: str) -> None:
    """Write ``text`` in UTF-8 beside ``path`` and move it there. Raises RunError where that fails."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8", newline="\n")
        os.replace(partial, path)
    except OSError as error:
        raise RunError.because(path, error.strerror or error, "a file to write to", "check the run's folder") from error
