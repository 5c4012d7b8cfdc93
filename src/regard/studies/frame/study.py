"""A study: one claim as an experiment, which answers a question in a sentence with numbers and pictures behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from regard.errors import SettingError


@dataclass(frozen=True)
class Order:
    """How a study is to be done: ``quick`` is smaller in everything; ``text`` and ``run`` take the place of its own.

    ``tensor`` names the weights to look at in ``run``, where there is a choice.
    """

    quick: bool = False
    seed: int = 1
    text: Path | None = None
    run: Path | None = None
    tensor: str | None = None


@dataclass(frozen=True)
class Table:
    """Rows of text and numbers under headings; ``note`` says how they were computed."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""


@dataclass(frozen=True)
class Picture:
    """A figure, the name of its file, and the sentence below it."""

    name: str
    figure: Figure
    caption: str


@dataclass(frozen=True)
class Findings:
    """What came out: ``sentence`` answers the question, ``numbers`` are what it rests on, as plain values for JSON."""

    sentence: str
    numbers: Mapping[str, Any]
    tables: Sequence[Table]
    pictures: Sequence[Picture]
    settings: Mapping[str, Any]
    notes: Sequence[str] = field(default=())


@dataclass(frozen=True)
class Study:
    """A study's name (its file's), title, question, and how it is done; ``takes`` are the Orders' options it knows."""

    name: str
    title: str
    question: str
    run: Callable[[Order], Findings]
    takes: tuple[str, ...] = ()

    def check(self, order: Order) -> None:
        """Raises SettingError for an option of the order that this study has no use for."""
        for option in ("text", "run", "tensor"):
            if getattr(order, option) is not None and option not in self.takes:
                known = " and ".join(f"--{name}" for name in self.takes) or "none of them"
                got = f"one for the study {self.name}"
                raise SettingError.because(f"--{option}", got, known, "leave it out")
