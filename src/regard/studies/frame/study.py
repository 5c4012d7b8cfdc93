"""A study: one claim as an experiment, which answers a question in a sentence with numbers and pictures behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from regard.errors import SettingError
from regard.studies.frame.watch import SILENT, Watch

# What an order may name that not every study has a use for
OPTIONS = ("source", "target", "text", "images", "run", "tensor")
QUICK_SEEDS, FULL_SEEDS = 1, 3


@dataclass(frozen=True)
class Order:
    """How a study is to be done: ``quick`` is smaller in everything.

    ``source`` and ``target`` (sentence pairs), ``text``, ``images`` and ``run`` take the place of a study's own data;
    ``tensor`` names the weights to look at in ``run``, where there is a choice. Everything that chance decides is
    repeated for ``repeats`` seeds from ``seed`` on. ``watch`` is told how far the work is. ``open`` makes a model of
    ``run``: runs stand above studies, so it is handed in.
    """

    quick: bool = False
    seed: int = 1
    text: Path | None = None
    run: Path | None = None
    tensor: str | None = None
    source: Path | None = None
    target: Path | None = None
    repeats: int | None = None
    images: Path | None = None
    watch: Watch = field(default=SILENT, compare=False)
    open: Callable[[Path], Any] | None = field(default=None, compare=False)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds: as many as asked for, else one if quick and three if not."""
        count = self.repeats or (QUICK_SEEDS if self.quick else FULL_SEEDS)
        return tuple(range(self.seed, self.seed + count))


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
    """What came out: ``sentence`` answers the question, ``numbers`` are what it rests on, as plain values for JSON.

    ``held``: whether the claim held here; None where these numbers cannot tell.
    """

    sentence: str
    numbers: Mapping[str, Any]
    tables: Sequence[Table]
    pictures: Sequence[Picture]
    settings: Mapping[str, Any]
    notes: Sequence[str] = field(default=())
    held: bool | None = None


def with_caution(findings: Findings, order: Order) -> Findings:
    """The findings of one seed with a note on what their certainty is about."""
    if len(order.seeds) > 1 or "seeds" not in findings.settings:
        return findings
    note = "One seed: “surely” is over the test alone. Another training might come out otherwise; --seeds 3 tells."
    return replace(findings, notes=(*findings.notes, note))


@dataclass(frozen=True)
class Study:
    """A study's name (its file's), title, question, and how it is done.

    ``claim`` is what is said of the matter, and by whom; ``takes`` are the Orders' OPTIONS that the study knows.
    """

    name: str
    title: str
    question: str
    run: Callable[[Order], Findings]
    takes: tuple[str, ...] = ()
    claim: str = ""

    def check(self, order: Order) -> None:
        """Raises SettingError for an option of the order that this study has no use for, or half of a pair."""
        for option in OPTIONS:
            if getattr(order, option) is not None and option not in self.takes:
                known = " and ".join(f"--{name}" for name in self.takes) or "none of them"
                got = f"one for the study {self.name}"
                raise SettingError.because(f"--{option}", got, known, "leave it out")
        if (order.source is None) != (order.target is None):
            given, missing = ("source", "target") if order.source else ("target", "source")
            raise SettingError.because(f"--{given}", "it alone", "both sides of the pairs", f"add --{missing} FILE")
