"""Muon (Jordan et al. 2024): matrices move in all directions alike; everything else is Adam's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

Matrices = Float[Tensor, "count rows columns"]

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # Jordan et al. 2024: five steps bring any singular value near 1
STEPS = 5
MOMENTUM = 0.95
ADAM_SIZE = 0.2  # root mean square of an update of Adam's (Liu et al. 2025, section 2.2)


class Muon(torch.optim.Adam):
    """W ← W − rate · 0.2 √max(rows, columns) · orthogonal(G + 0.95 M), with M ← 0.95 M + G, in groups of ``matrices``.

    The factor makes an update as large as one of Adam's, so that one rate serves both (Liu et al. 2025). The weights of
    the other groups, embeddings among them, are updated by Adam.
    """

    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Update every weight."""
        groups = self.param_groups
        for group in groups:
            if group["matrices"]:
                self._turn(group)
        self.param_groups = [group for group in groups if not group["matrices"]]
        try:
            return super().step(closure)
        finally:
            self.param_groups = groups

    @torch.no_grad()
    def _turn(self, group: dict[str, Any]) -> None:
        by_shape: dict[torch.Size, list[nn.Parameter]] = {}
        for weight in group["params"]:
            by_shape.setdefault(weight.shape, []).append(weight)
        for shape, weights in by_shape.items():
            update = orthogonal(torch.stack([self._momentum(weight) for weight in weights]))
            size = ADAM_SIZE * max(shape) ** 0.5
            for weight, part in zip(weights, update, strict=True):
                weight.mul_(1.0 - group["lr"] * group["weight_decay"]).add_(part, alpha=-group["lr"] * size)

    def _momentum(self, weight: nn.Parameter) -> Tensor:
        """G + 0.95 M, Nesterov's look ahead."""
        assert weight.grad is not None, "every weight that learns has a gradient"
        state = self.state[weight]
        if not state:
            state |= {"step": torch.zeros(()), "momentum": torch.zeros_like(weight)}
        state["step"] += 1
        state["momentum"].mul_(MOMENTUM).add_(weight.grad)
        return weight.grad.add(state["momentum"], alpha=MOMENTUM)


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
