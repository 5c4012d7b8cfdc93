"""Who sees a study go on: the command line's progress bar, or nobody."""

from __future__ import annotations

from typing import Protocol


class Watch(Protocol):
    """Is told of each part of the work, and how far it is."""

    def begin(self, part: str, total: int) -> None:
        """A part of the work begins, of ``total`` steps."""

    def done(self, steps: int) -> None:
        """So many of them are done."""


class Silent:
    """Nobody."""

    def begin(self, part: str, total: int) -> None:
        """Nothing is shown."""

    def done(self, steps: int) -> None:
        """Nothing is shown."""


SILENT = Silent()
