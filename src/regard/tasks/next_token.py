"""Next token: predict each token of a text from those before it (Radford et al. 2018, equation 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor

from regard.data.batching import IGNORED, TextBatch
from regard.tasks.loss import Losses, TokenOutput, token_losses


@runtime_checkable
class CausalModel(Protocol):
    """What the task needs of a model."""

    output: TokenOutput | None

    def __call__(self, ids: Tensor, texts: Tensor | None = None) -> Tensor:
        """The states [B T D], each of the tokens up to its own in its text."""

    def transform(self, hidden: Tensor) -> Tensor:
        """What the output layer reads."""


@dataclass(frozen=True)
class NextToken:
    """−Σ_t log P(x_t+1 | x_1 … x_t), with smoothed labels where wanted."""

    label_smoothing: float = 0.0

    def losses(self, model: CausalModel, batch: TextBatch) -> Losses:
        """Sums over the labels of the batch, in nats."""
        hidden = model(batch.ids, batch.texts)
        return token_losses(model, hidden, batch.labels, batch.labels != IGNORED, self.label_smoothing)
