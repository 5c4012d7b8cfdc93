"""What has come of a run so far, kept in each checkpoint, and checked when it comes back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from regard.training.checkpoint_state import STATE, Fields, is_number, shortened


@dataclass
class Standing:
    """Seconds of training, bytes of the journal, and what the validations said."""

    seconds: float = 0.0
    metrics_bytes: int = 0
    best_loss: float | None = None
    best_steps: list[tuple[float, int]] = field(default_factory=list)
    without_improvement: int = 0

    def validated(self, loss: float, step: int) -> None:
        """Count a validation in. A loss that is no number is the worst of all."""
        loss = loss if math.isfinite(loss) else math.inf
        better = loss < math.inf and (self.best_loss is None or loss < self.best_loss)
        self.best_loss = loss if better else self.best_loss
        self.without_improvement = 0 if better else self.without_improvement + 1
        self.best_steps = sorted([*self.best_steps, (loss, step)])


def standing_of(checkpoint: Path, kept: object, now: Mapping[str, Any], step: int) -> Standing:
    """What a checkpoint of that step kept beside the facts that ``now`` has too, which may have changed.

    Raises CheckpointError that names the field where it cannot be what a run has kept.
    """
    names = {one.name for one in fields(Standing)}
    found = Fields(checkpoint / STATE, kept, names | now.keys(), "facts")
    signature = found.nested("signature")
    if signature.keys() != now["signature"].keys() or not all(isinstance(value, str) for value in signature.values()):
        raise found.refused("signature", shortened(signature), f"texts for {', '.join(now['signature'])}")
    found.nested("settings")
    best = found.table["best_loss"]
    if best is not None and not (is_number(best) and math.isfinite(best)):
        raise found.refused("best_loss", shortened(best), "a number, or null before the first validation")
    steps = found.table["best_steps"]
    if not isinstance(steps, list) or not all(_is_validation(one, step) for one in steps):
        raise found.refused("best_steps", shortened(steps), f"pairs of a loss and a step up to {step}")
    return Standing(
        found.number("seconds"),
        found.whole("metrics_bytes"),
        best,
        [(loss, number) for loss, number in steps],
        found.whole("without_improvement", step),
    )


def _is_validation(pair: object, last: int) -> bool:
    if not isinstance(pair, list) or len(pair) != 2:
        return False
    loss, step = pair
    return is_number(loss) and not math.isnan(loss) and type(step) is int and 0 < step <= last
