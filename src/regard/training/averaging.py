"""Means of weights: of checkpoints, as in section 6.1, or a running one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

Weights = Mapping[str, Tensor]


def mean_of(checkpoints: Sequence[Weights]) -> dict[str, Tensor]:
    """The mean of several sets of weights, taken in float64."""
    return {
        name: torch.stack([weights[name].double() for weights in checkpoints]).mean(0).to(first)
        for name, first in checkpoints[0].items()
    }


class RunningAverage:
    """a ← β·a + (1 − β)·w after every update, with β_t = min(decay, (1 + t) / (10 + t)) at update t.

    The rising β, which is that of TensorFlow's moving average, lets the first updates, which are far from where
    training ends, be forgotten.
    """

    def __init__(self, weights: Weights, decay: float) -> None:
        self.weights = {name: weight.detach().clone() for name, weight in weights.items()}
        self.decay = decay

    def update(self, weights: Weights, step: int) -> None:
        """Take in the weights after update ``step`` (from 1)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        names = list(self.weights)
        torch._foreach_lerp_([self.weights[n] for n in names], [weights[n].detach() for n in names], 1.0 - decay)
