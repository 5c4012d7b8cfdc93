"""Masked token: guess the tokens that were masked, replaced or only chosen (Devlin et al. 2019, section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from torch import Tensor

from regard.data.batching import IGNORED, TextBatch
from regard.data.noise import Masking, Pieces, mask_tokens
from regard.notation import Ids
from regard.tasks.loss import Losses, TokenOutput, token_losses


@runtime_checkable
class BidirectionalModel(Protocol):
    """What the task needs of a model."""

    output: TokenOutput | None

    def __call__(self, ids: Tensor, types: Tensor | None = None) -> Tensor:
        """The states [B T D], each of all tokens."""

    def transform(self, hidden: Tensor) -> Tensor:
        """What the output layer reads."""


@dataclass(frozen=True)
class MaskedToken:
    """−Σ log P(x_t | the text with x_t and others masked), over the chosen tokens."""

    masking: Masking = field(default_factory=Masking)
    label_smoothing: float = 0.0

    def collate(self, ids: Ids, pieces: Pieces) -> TextBatch:
        """Mask a batch of texts, anew each time (RoBERTa's dynamic masking)."""
        return mask_tokens(ids, pieces, self.masking)

    def losses(self, model: BidirectionalModel, batch: TextBatch) -> Losses:
        """Sums over the chosen tokens, in nats; the others never reach the output layer."""
        return token_losses(model, model(batch.ids), batch.labels, batch.labels != IGNORED, self.label_smoothing)
