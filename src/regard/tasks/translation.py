"""Translation: predict each target token from the source and the tokens before it (teacher forcing)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from regard.data.batching import Batch
from regard.layers.embedding import OutputLayer
from regard.notation import Ids
from regard.tasks.loss import Losses, label_smoothed_cross_entropy


@runtime_checkable
class SequenceModel(Protocol):
    """What the task needs of a model."""

    output: OutputLayer
    pad: int
    start: int

    def __call__(self, source: Tensor, target_in: Tensor) -> Tensor:
        """The states [B T D] for a known target."""


@dataclass(frozen=True)
class Translation:
    """Label-smoothed cross entropy of the target given the source."""

    label_smoothing: float = 0.0

    def losses(self, model: SequenceModel, batch: Batch) -> Losses:
        """Sums over the batch's target tokens, in nats. Padding is no token."""
        hidden = model(batch.source, shift_right(batch.target, model.start))
        counted = batch.target != model.pad
        return label_smoothed_cross_entropy(
            hidden[counted],
            model.output.weight,
            model.output.bias,
            batch.target[counted],
            smoothing=self.label_smoothing,
            never=model.pad,
        )


def shift_right(target: Ids, start: int) -> Ids:
    """What the decoder is fed: ``start``, then every target token but the last."""
    first = torch.full_like(target[:, :1], start)
    return torch.cat((first, target[:, :-1]), dim=1)
