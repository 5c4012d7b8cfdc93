"""Whether a recipe comes to the same bits each time: its first steps are made twice over, and compared."""

from __future__ import annotations

import hashlib
import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regard.errors import RunError
from regard.runs.folder import CHECKPOINTS
from regard.runs.train import train
from regard.runs.watcher import Watcher
from regard.training.checkpoint import TENSORS, checkpoints_in
from regard.training.loop import Step

STEPS = 20


class _Until(Watcher):
    """Ends a run after so many steps, as SIGTERM does: with a checkpoint, and without scores and a report."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def step(self, step: Step, memory: float) -> None:
        """Ask for the end."""
        if step.number == self.steps:
            signal.raise_signal(signal.SIGTERM)


def digest_of_two(table: Mapping[str, Any], steps: int = STEPS) -> str:
    """SHA-256 of weights and optimizer after ``steps`` updates, which two runs of the recipe have alike.

    Raises RunError where they have not, and as ``train``.
    """
    with tempfile.TemporaryDirectory() as name:
        first, second = (_digest(table, Path(name) / run, steps) for run in ("first", "second"))
    if first != second:
        got = f"{first[:12]} and {second[:12]} after {steps} steps of the same recipe"
        raise RunError.because("--verify-determinism", got, "the same bytes twice", "see regard doctor")
    return first


def _digest(table: Mapping[str, Any], folder: Path, steps: int) -> str:
    outcome = train(table, folder, _Until(steps), resume=False, overwrite=False)
    if outcome.finished is None and outcome.step < steps:
        raise KeyboardInterrupt  # it was somebody else who asked for the end
    return hashlib.sha256((checkpoints_in(folder / CHECKPOINTS)[-1] / TENSORS).read_bytes()).hexdigest()
