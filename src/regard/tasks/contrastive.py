"""Contrastive learning: a text finds the one that belongs to it among all of its batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from regard.config import setting
from regard.data.batching import CouplesBatch
from regard.notation import Hidden, Ids, SourceMask
from regard.tasks.loss import Losses


@runtime_checkable
class PaddedIds(Protocol):
    """What a model says of its ids."""

    pad: int | None


@runtime_checkable
class Embedder(Protocol):
    """What the task needs of a model."""

    ids: PaddedIds

    def __call__(self, ids: Tensor, types: Tensor | None = None) -> Tensor:
        """The states [B T D], each of all tokens."""


@dataclass(frozen=True)
class InfoNCE:
    """−½ Σ_i (log softmax_j(cos(a_i, b_j) / τ)_i + log softmax_j(cos(a_j, b_i) / τ)_i): both ways.

    a and b are the means of the texts' states. With the same text twice, told apart by dropout alone, it is SimCSE
    (Gao et al. 2021, equation 1); the mean over tokens is that of Sentence-BERT (Reimers and Gurevych 2019).
    """

    temperature: float = setting(0.05, help="what the cosines are divided by", minimum=1e-6)

    def losses(self, model: Embedder, batch: CouplesBatch) -> Losses:
        """Sums over the couples, in nats."""
        first, second = (functional.normalize(embed(model, ids), dim=1) for ids in (batch.first, batch.second))
        return couples_losses(first @ second.T / self.temperature)


def couples_losses(similarities: Float[Tensor, "B B"]) -> Losses:
    """Cross entropy with the diagonal as the right answers, the mean of both directions, summed over the couples."""
    wide = torch.promote_types(similarities.dtype, torch.float32)
    scores = similarities.to(wide)
    right = torch.arange(len(scores), device=scores.device)
    sums = [functional.cross_entropy(one, right, reduction="sum").double() for one in (scores, scores.T)]
    loss = (sums[0] + sums[1]) / 2
    return Losses(loss, loss.detach())


def embed(model: Embedder, ids: Ids) -> Float[Tensor, "B D"]:
    """The mean of each text's states, padding left out."""
    pad = model.ids.pad
    real = torch.ones_like(ids, dtype=torch.bool) if pad is None else ids != pad
    return mean_pooling(model(ids), real)


def mean_pooling(hidden: Hidden, real: SourceMask) -> Float[Tensor, "B D"]:
    """Σ_t hidden_t / n over the n tokens of a text that are real; 0 where none is."""
    weights = real.to(hidden.dtype).unsqueeze(-1)
    return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)
