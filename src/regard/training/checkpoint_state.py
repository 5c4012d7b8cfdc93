"""``state.json`` of a checkpoint: where training stood. Its manifest may be in order and its values nonsense."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regard.data.plain_file import JSON_BYTES, read_plain
from regard.errors import CheckpointError
from regard.training.loop import SKIPPED, Place, Trainer

STATE = "state.json"
ACTION = "delete this checkpoint and resume from the one before"
NAMES = {"step", "place", "skipped", "facts"}
MOST = 2**53  # a whole number that every reader of JSON takes for the same


@dataclass(frozen=True)
class State:
    """What a trainer does not keep as tensors; ``facts`` is what its caller wants back."""

    step: int
    place: Place
    skipped: int
    facts: dict[str, Any]


class Fields:
    """The fields of a JSON object in a checkpoint, each checked as it is asked for."""

    def __init__(self, path: Path, table: object, names: set[str], within: str = "") -> None:
        self.path, self.within = path, within
        if not isinstance(table, dict) or table.keys() != names:
            got = cut(", ".join(sorted(table))) if isinstance(table, dict) else shortened(table)
            raise self.refused("", got, f"a JSON object of {', '.join(sorted(names))}")
        self.table = table

    def whole(self, name: str, most: int = MOST) -> int:
        """A whole number from 0 to ``most``."""
        value = self.table[name]
        if type(value) is not int or not 0 <= value <= most:
            raise self.refused(name, shortened(value), f"a whole number from 0 to {most}")
        return value

    def number(self, name: str) -> float:
        """A finite number from 0."""
        value = self.table[name]
        if not is_number(value) or not 0 <= value < math.inf:
            raise self.refused(name, shortened(value), "a number from 0")
        return float(value)

    def nested(self, name: str) -> dict[str, Any]:
        """A JSON object."""
        value = self.table[name]
        if not isinstance(value, dict):
            raise self.refused(name, shortened(value), "a JSON object")
        return value

    def refused(self, name: str, got: object, expected: str) -> CheckpointError:
        """The error that names a field."""
        where = ".".join(part for part in (self.within, name) if part)
        return CheckpointError.because(f"{self.path}: {where}" if where else self.path, got, expected, ACTION)


def is_number(value: object) -> bool:
    """Whether it is a number that a float can be (JSON has whole numbers beyond)."""
    return type(value) is float or (type(value) is int and abs(value) < 2**1000)


def read_state(checkpoint: Path, trainer: Trainer) -> State:
    """What is written, where it may be true of this trainer. Raises CheckpointError that names the field.

    A number that may be true and is not, say the batch before, cannot be told from the right one.
    """
    path = checkpoint / STATE
    try:
        table = json.loads(read_plain(path, JSON_BYTES).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError.because(path, cut(str(error)), "a JSON object", ACTION) from error
    if isinstance(table, dict):
        table = {"skipped": 0, **table}  # what came before it was kept had none
    fields = Fields(path, table, NAMES)
    step = fields.whole("step")
    if checkpoint.name != f"step-{step}":
        raise fields.refused("step", step, f"that of the folder {checkpoint.name}")
    return State(step, _place(fields, step, trainer), fields.whole("skipped", SKIPPED), fields.nested("facts"))


def _place(fields: Fields, step: int, trainer: Trainer) -> Place:
    """A batch that there is. Each batch of a step may pass over the rest of its epoch, and over all of the next."""
    place = Fields(fields.path, fields.nested("place"), {"epoch", "batch"}, "place")
    epoch = place.whole("epoch", min(MOST, 2 * step * trainer.settings.accumulate))
    return Place(epoch, place.whole("batch", len(trainer.feed.epoch(epoch))))


def shortened(value: object) -> str:
    """``value`` as a message shows it: a damaged file's may be of any length."""
    return cut(repr(value))


def cut(text: str) -> str:
    """At most 80 characters of it."""
    return text if len(text) <= 80 else f"{text[:80]} …"
