"""Translation, and whatever else turns a text into a text."""

from __future__ import annotations

from dataclasses import dataclass

from regard.data.batching import Batch
from regard.tasks.loss import Losses
from regard.tasks.text_to_text import SequenceModel, text_to_text_losses


@dataclass(frozen=True)
class Translation:
    """Label-smoothed cross entropy of the target given the source."""

    label_smoothing: float = 0.0

    def losses(self, model: SequenceModel, batch: Batch) -> Losses:
        """Sums over the batch's target tokens, in nats. Padding is no token."""
        return text_to_text_losses(model, batch, self.label_smoothing)
