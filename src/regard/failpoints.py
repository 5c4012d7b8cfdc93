"""Named moments of writing. A crash test ends the process at one of them; in a real run they are nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

MOMENTS = (
    *("folder begun", "folder written", "manifest written", "folder flushed", "old folder aside", "folder renamed"),
    *("folder kept", "old folder removed"),
    *("file written", "file flushed", "file replaced", "file kept"),
    *("journal flushed", "checkpoint saved", "checkpoint pruned"),
)

_hooks: list[Callable[[str], None]] = []


def reach(moment: str) -> None:
    """Say that one of ``MOMENTS`` has come."""
    for hook in _hooks:
        hook(moment)


@contextmanager
def watched(hook: Callable[[str], None]) -> Iterator[None]:
    """Call ``hook`` with each moment that comes while the block runs."""
    _hooks.append(hook)
    try:
        yield
    finally:
        _hooks.remove(hook)
