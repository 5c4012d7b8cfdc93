"""regard: train, measure, run and look inside Transformers.

``regard.load("runs/de-en").translate(["Ein Hund läuft."])``

Every name here is public, and every public name is here. ``load`` arrives at its first use, since torch
takes longer to import than most commands take to answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from regard.errors import (
    CheckpointError,
    DataError,
    ExportError,
    RegardError,
    RunError,
    SettingError,
    TrainingError,
)

if TYPE_CHECKING:
    from regard.runs.folder import load

__version__ = "0.1.0"

__all__ = [
    "CheckpointError",
    "DataError",
    "ExportError",
    "RegardError",
    "RunError",
    "SettingError",
    "TrainingError",
    "__version__",
    "load",
]


def __getattr__(name: str) -> object:
    """Import ``load`` when it is first asked for (PEP 562)."""
    if name == "load":
        from regard.runs.folder import load

        return load
    raise AttributeError(f"module 'regard' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names."""
    return __all__
