"""Text to text: predict each target token from the source and the tokens before it (teacher forcing)."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from regard.data.batching import Batch
from regard.notation import Hidden, Ids
from regard.tasks.loss import Losses, TokenOutput, token_losses


@runtime_checkable
class TargetIds(Protocol):
    """What a model says of the target's ids."""

    pad: int | None
    start: int | None


@runtime_checkable
class SequenceModel(Protocol):
    """What the task needs of a model."""

    output: TokenOutput | None
    ids: TargetIds

    def __call__(self, source: Tensor, target_in: Tensor, *which: Tensor) -> Tensor:
        """The states [B T D] for known targets; ``which``: the source of each, unless these are one and one."""

    def transform(self, hidden: Tensor) -> Tensor:
        """What the output layer reads."""


def text_to_text_losses(model: SequenceModel, batch: Batch, label_smoothing: float) -> Losses:
    """Sums over the batch's target tokens, in nats. Padding is no token."""
    assert model.ids.start is not None, "a decoder needs an id to start from"
    which = () if batch.which is None else (batch.which,)
    hidden: Hidden = model(batch.source, shift_right(batch.target, model.ids.start), *which)
    counted = torch.ones_like(batch.target, dtype=torch.bool)
    if model.ids.pad is not None:
        counted = batch.target != model.ids.pad
    return token_losses(model, hidden, batch.target, counted, label_smoothing)


def shift_right(target: Ids, start: int) -> Ids:
    """What the decoder is fed: ``start``, then every target token but the last."""
    first = torch.full_like(target[:, :1], start)
    return torch.cat((first, target[:, :-1]), dim=1)
