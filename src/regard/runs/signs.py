"""Signs in the training loss that something is wrong, long before the run is over."""

from __future__ import annotations

import math

from regard.training.loop import Step

WINDOW = 100  # steps whose mean counts
RISE = 1.0  # nats above the best window: e times as improbable
FALL = 0.02  # of the first window's loss: less after PATIENCE windows is none
PATIENCE = 5


class Signs:
    """Watches the loss of a run; says each thing once."""

    def __init__(self) -> None:
        self._sum, self._count = 0.0, 0
        self._first: float | None = None
        self._best, self._windows = math.inf, 0
        self._told: set[str] = set()

    def after(self, step: Step) -> str:
        """What the user should know after this step, or ""."""
        if step.skipped:
            return ""
        self._sum, self._count = self._sum + step.plain_loss, self._count + 1
        if self._count < WINDOW:
            return ""
        mean, self._sum, self._count = self._sum / WINDOW, 0.0, 0
        self._windows += 1
        self._first = mean if self._first is None else self._first
        best, self._best = self._best, min(self._best, mean)
        if mean > best + RISE:
            return self._once(
                "rise",
                f"step {step.number}: the loss has risen from {best:.2f} to {mean:.2f} nats: it diverges; "
                "stop, and begin again with a lower train.learning_rate or a longer train.warmup",
            )
        if self._windows == PATIENCE and self._best > (1.0 - FALL) * self._first:
            return self._once(
                "fall",
                f"step {step.number}: the loss has not fallen since the first steps ({self._first:.2f}, then "
                f"{mean:.2f} nats): see whether each line of the target belongs to that line of the source, and "
                "whether train.learning_rate is too low or too high",
            )
        return ""

    def _once(self, kind: str, text: str) -> str:
        known = kind in self._told
        self._told.add(kind)
        return "" if known else text
