"""Muon (Jordan et al. 2024): matrices move in all directions alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from regard.training.rule import Memory, Tensors

Matrices = Float[Tensor, "count rows columns"]

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # Jordan et al. 2024: five steps bring any singular value near 1
STEPS = 5
MOMENTUM = 0.95
ADAM_SIZE = 0.2  # root mean square of an update of Adam's (Liu et al. 2025, section 2.2)


@dataclass(frozen=True)
class Muon:
    """W ← W − rate · (λW + 0.2 √max(rows, columns) · orthogonal(G + 0.95 M)) with M ← 0.95 M + G.

    The factor makes an update as large as one of Adam's, so that one rate serves both (Liu et al. 2025).
    """

    decay: float = 0.0
    remembers: ClassVar[tuple[str, ...]] = ("momentum",)

    def __call__(self, weights: Tensors, gradients: Tensors, memory: Memory, rate: float) -> None:
        """Update the weights and the memory of them, those of one shape together."""
        by_shape: dict[torch.Size, list[int]] = {}
        for place, weight in enumerate(weights):
            by_shape.setdefault(weight.shape, []).append(place)
        for shape, places in by_shape.items():
            ahead = [_look_ahead(gradients[place], memory["momentum"][place]) for place in places]
            size = ADAM_SIZE * max(shape) ** 0.5
            for place, part in zip(places, orthogonal(torch.stack(ahead)), strict=True):
                weights[place].mul_(1.0 - rate * self.decay).add_(part, alpha=-rate * size)


def _look_ahead(gradient: Tensor, momentum: Tensor) -> Tensor:
    """G + 0.95 M, Nesterov's look ahead, after M ← 0.95 M + G."""
    momentum.mul_(MOMENTUM).add_(gradient)
    return gradient.add(momentum, alpha=MOMENTUM)


def orthogonal(gradients: Matrices) -> Matrices:
    """Nearly U Vᵀ of each U S Vᵀ, by Newton and Schulz's iteration X ← aX + (bA + cA²) X with A = X Xᵀ."""
    a, b, c = COEFFICIENTS
    tall = gradients.shape[1] > gradients.shape[2]
    x = gradients.mT if tall else gradients
    x = x / x.flatten(1).norm(dim=1).clamp(min=1e-7)[:, None, None]
    for _ in range(STEPS):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x
