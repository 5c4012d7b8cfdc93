"""How a study's own settings become those of the training loop."""

from __future__ import annotations

from typing import Protocol

from regard.training.settings import TrainSettings


class Lessons(Protocol):
    """What a study says of how its models learn."""

    @property
    def steps(self) -> int:
        """Updates of each model."""

    @property
    def batch_tokens(self) -> int:
        """Padded, of the longer side."""

    @property
    def learning_rate(self) -> float:
        """At its peak."""


def plan_of(settings: Lessons, label_smoothing: float = 0.0) -> TrainSettings:
    """A plan with these three numbers, and ε of label smoothing; all else as in any training."""
    return TrainSettings(
        steps=settings.steps,
        batch_tokens=settings.batch_tokens,
        learning_rate=settings.learning_rate,
        label_smoothing=label_smoothing,
    )
