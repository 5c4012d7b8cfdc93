"""The learning rate as a pure function of the step, section 5.3. Steps count from 1."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

Shape = Callable[[int, int, int], float]


def _inverse_square_root(step: int, warmup: int, steps: int) -> float:
    """√(warmup / step): 1 at the end of the warm-up."""
    return math.sqrt(warmup / step)


def _cosine(step: int, warmup: int, steps: int) -> float:
    """Half a cosine from 1 down to 0 at the last step."""
    return 0.5 * (1.0 + math.cos(math.pi * _progress(step, warmup, steps)))


def _linear(step: int, warmup: int, steps: int) -> float:
    """A straight line from 1 down to 0 at the last step."""
    return 1.0 - _progress(step, warmup, steps)


def _constant(step: int, warmup: int, steps: int) -> float:
    return 1.0


def _progress(step: int, warmup: int, steps: int) -> float:
    return min(1.0, (step - warmup) / max(1, steps - warmup))


SCHEDULES: Mapping[str, Shape] = MappingProxyType(
    {
        "paper": _inverse_square_root,
        "inverse_sqrt": _inverse_square_root,
        "cosine": _cosine,
        "linear": _linear,
        "constant": _constant,
    }
)


ENDING_AT_ZERO = ("cosine", "linear")  # their last steps already average what the others leave to checkpoints


def paper_peak(d_model: int, warmup: int) -> float:
    """The highest rate of equation 3, reached at the end of the warm-up: 1 / √(d_model · warmup)."""
    return (d_model * warmup) ** -0.5


@dataclass(frozen=True)
class Schedule:
    """rate(step) = peak · step / warmup while warming up, then peak · shape(step).

    With the paper's shape and peak this is equation 3: d_model^−½ · min(step^−½, step · warmup^−³ᐟ²).
    """

    shape: str
    peak: float
    warmup: int
    steps: int

    def rate(self, step: int) -> float:
        """The learning rate of update number ``step`` (from 1)."""
        if step <= self.warmup:
            return self.peak * step / self.warmup
        return self.peak * SCHEDULES[self.shape](step, self.warmup, self.steps)
