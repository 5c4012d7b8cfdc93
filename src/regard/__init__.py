"""regard: train, measure, run and look inside Transformers.

``regard.load("runs/de-en").translate(["Ein Hund läuft."])``

Every name here is public, and every public name is here. ``load`` and ``looking`` arrive at their first use, since
torch takes longer to import than most commands take to answer.
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
    from regard import looking
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
    "looking",
]


def __getattr__(name: str) -> object:
    """Import ``load`` and ``looking`` when they are first asked for (PEP 562)."""
    if name == "load":
        from regard.runs.folder import load

        return load
    if name == "looking":
        from importlib import import_module

        return import_module("regard.looking")
    raise AttributeError(f"module 'regard' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names."""
    return __all__
