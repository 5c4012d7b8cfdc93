"""What every look asks of a model that ``regard.load`` opens."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from regard.models.heads import Head


class OpenedModel(Protocol):
    """A model, and where it is from."""

    @property
    def folder(self) -> Path:
        """Where it is from."""

    @property
    def family(self) -> str:
        """The name of its family."""

    @property
    def module(self) -> Any:
        """Its network."""

    @property
    def head(self) -> Head:
        """What it predicts."""
