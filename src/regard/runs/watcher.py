"""Who is told how a run goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from regard.training.loop import Step


class Watcher:
    """Who wants to see a run go on: the command line's progress bar, or, as it is here, nobody."""

    def stage(self, text: str) -> None:
        """A new part of the work has begun."""

    def prepared(self, done: int, total: int) -> None:
        """So many of the examples to train on are on the disk as numbers."""

    def begin(self, steps: int, done: int) -> None:
        """Training begins, with ``done`` of its ``steps`` behind it."""

    def step(self, step: Step, memory: float) -> None:
        """One update was made; ``memory`` is the peak of the process in MiB."""

    def validated(self, record: Mapping[str, Any]) -> None:
        """A validation record was written to metrics.jsonl."""

    def saved(self, step: int) -> None:
        """The checkpoint of this step is on the disk, and nothing that happens from now on can undo it."""

    def note(self, text: str) -> None:
        """Something that the user should know."""
