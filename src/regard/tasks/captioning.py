"""Captions: each word from the picture and the words before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from regard.data.batching import Batch
from regard.models.halves import Attentions, Recorded
from regard.tasks.loss import Losses
from regard.tasks.text_to_text import SequenceModel, text_to_text_losses


@runtime_checkable
class LookingModel(SequenceModel, Protocol):
    """A model whose attention can be seen."""

    def attentions(self) -> Attentions:
        """Layer by layer."""


@dataclass(frozen=True)
class Captioning:
    """Label-smoothed cross entropy of the captions; and, with ``coverage`` λ > 0,

        λ Σ_p (1 − Σ_t α_tp)²

    for each: over all its words, every cell of the picture should be looked at about once (Xu et al. 2015, section
    4.2.1, "doubly stochastic"). Of several layers and heads it is the mean attention that should.
    """

    label_smoothing: float = 0.0
    coverage: float = 0.0

    def losses(self, model: LookingModel, batch: Batch) -> Losses:
        """Sums over the batch's words, in nats."""
        if not self.coverage:
            return text_to_text_losses(model, batch, self.label_smoothing)
        with _watched(model.attentions()["cross"]) as seen:
            own = text_to_text_losses(model, batch, self.label_smoothing)
        counted = torch.ones_like(batch.target, dtype=torch.bool)
        if model.ids.pad is not None:
            counted = batch.target != model.ids.pad
        penalty = coverage_penalty(looked_at(seen, batch.target.shape[1]), counted)
        return Losses(own.smoothed + self.coverage * penalty.to(own.smoothed.dtype), own.plain)


def looked_at(seen: Sequence[Tensor], words: int) -> Float[Tensor, "B T P"]:
    """The mean attention of each word: layers have recorded [B, H, T, P], or one word after the other."""
    whole = torch.cat([one.mean(1) for one in seen], 1)
    return whole.unflatten(1, (-1, words)).mean(1)


def coverage_penalty(weights: Float[Tensor, "B T P"], counted: Bool[Tensor, "B T"]) -> Tensor:
    """Σ over captions and cells of (1 − Σ_t α_tp)², over the words that count."""
    over_words = (weights * counted[..., None]).sum(1)
    return (1 - over_words).square().sum()


@contextmanager
def _watched(layers: Sequence[Recorded]) -> Iterator[list[Tensor]]:
    """What the attention of these layers is, call by call."""
    seen: list[Tensor] = []
    before = [layer.recorder for layer in layers]
    for layer in layers:
        layer.recorder = seen.append
    try:
        yield seen
    finally:
        for layer, recorder in zip(layers, before, strict=True):
            layer.recorder = recorder
