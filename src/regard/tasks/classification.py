"""Classification of texts, and of the tokens of a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from regard.data.batching import IGNORED, LabelledBatch
from regard.tasks.loss import Losses


@runtime_checkable
class Classifier(Protocol):
    """What the tasks need of a model."""

    def classify(self, ids: Tensor, types: Tensor | None = None) -> Tensor:
        """The logits of the classes: [B C], or [B T C] for a class for each token."""


@dataclass(frozen=True)
class Classification:
    """−Σ log P(class | text), with smoothed labels where wanted."""

    label_smoothing: float = 0.0

    def losses(self, model: Classifier, batch: LabelledBatch) -> Losses:
        """Sums over the texts of the batch that have a label, in nats."""
        return class_losses(model.classify(batch.ids, batch.types), batch.labels, self.label_smoothing)


@dataclass(frozen=True)
class TokenClassification:
    """−Σ log P(class of a word | text), each word at its first piece (Devlin et al. 2019, section 5.3)."""

    label_smoothing: float = 0.0

    def losses(self, model: Classifier, batch: LabelledBatch) -> Losses:
        """Sums over the tokens of the batch that have a label, in nats."""
        logits = model.classify(batch.ids, batch.types)
        return class_losses(logits.flatten(0, 1), batch.labels.flatten(), self.label_smoothing)


def class_losses(logits: Float[Tensor, "n C"], labels: Int[Tensor, " n"], smoothing: float) -> Losses:
    """Cross entropy summed over the labels that are not IGNORED; in float32 at least, as sums in float64."""
    wide = torch.promote_types(logits.dtype, torch.float32)
    counted = labels != IGNORED
    log_probabilities = logits[counted].to(wide).log_softmax(1)
    answered = log_probabilities.gather(1, labels[counted, None]).squeeze(1)
    plain = -answered.sum(dtype=torch.float64)
    mean = log_probabilities.mean(1).sum(dtype=torch.float64)
    smoothed = (1.0 - smoothing) * plain - smoothing * mean
    return Losses(smoothed, plain.detach())
