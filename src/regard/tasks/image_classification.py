"""Classification of pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor

from regard.data.images.batches import ImageBatch
from regard.notation import Images
from regard.tasks.classification import class_losses
from regard.tasks.loss import Losses


@runtime_checkable
class PictureClassifier(Protocol):
    """What the task needs of a model."""

    def classify(self, images: Images) -> Tensor:
        """The logits of the classes: [B C]."""


@dataclass(frozen=True)
class ImageClassification:
    """−Σ log P(class | picture), with smoothed labels where wanted.

    Of mixed pictures: share · −log P(class) + (1 − share) · −log P(other class) (Zhang et al. 2018, mixup).
    """

    label_smoothing: float = 0.0

    def losses(self, model: PictureClassifier, batch: ImageBatch) -> Losses:
        """Sums over the pictures of the batch, in nats."""
        logits = model.classify(batch.images)
        own = class_losses(logits, batch.labels, self.label_smoothing)
        if batch.others is None:
            return own
        other = class_losses(logits, batch.others, self.label_smoothing)
        return Losses(*(batch.share * one + (1 - batch.share) * two for one, two in zip(own, other, strict=True)))
