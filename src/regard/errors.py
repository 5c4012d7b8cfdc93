"""The exception tree.

    RegardError                 everything that regard raises for a user to read
    ├── SettingError            a recipe key or command-line value (exit 2)
    ├── DataError               a corpus, with its file and line (exit 2)
    ├── RunError                a run folder: occupied, missing, incomplete (exit 2)
    ├── CheckpointError         weights, tokenizer or config that do not belong together (exit 2)
    ├── ExportError             a model that the other format cannot hold (exit 2)
    └── TrainingError           a failure underway, such as a loss that is not a number (exit 1)

Every message is one line, ``NAME: got VALUE; expected RULE; ACTION.``
"""

from __future__ import annotations

from pathlib import Path
from typing import Self


class RegardError(Exception):
    """A problem that the user can read and act on. ``exit_code`` is what the command returns."""

    exit_code = 2

    @classmethod
    def because(cls, name: object, got: object, expected: str, action: str) -> Self:
        """Build the house's sentence: ``NAME: got VALUE; expected RULE; ACTION.``"""
        return cls(f"{name}: got {got}; expected {expected}; {action}.")


class SettingError(RegardError):
    """A setting of a recipe or the command line that is unknown, of the wrong type or out of range."""


class DataError(RegardError):
    """A corpus that cannot be read. The message begins with ``FILE`` or ``FILE:LINE``."""

    @classmethod
    def at(cls, path: Path | str, line: int, got: object, expected: str, action: str) -> Self:
        """The house's sentence with ``FILE:LINE`` (lines count from 1) as its name."""
        return cls.because(f"{path}:{line}", got, expected, action)


class RunError(RegardError):
    """A run folder that is missing, incomplete or already in use."""


class CheckpointError(RegardError):
    """Weights, tokenizer or configuration that are damaged or do not belong together."""


class ExportError(RegardError):
    """A model whose settings the format asked for cannot express."""


class TrainingError(RegardError):
    """Training that failed underway."""

    exit_code = 1
