"""Adam (Kingma & Ba 2015), the optimizer of section 5.3, and AdamW (Loshchilov & Hutter 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from regard.training.rule import Memory, Tensors


@dataclass(frozen=True)
class Adam:
    """w ← w − rate · m̂ / (√v̂ + ε) with m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ).

    ``decay`` λ is in the gradient, g + λw, or, where it is ``decoupled`` (AdamW), beside it: w ← w − rate · λw.
    """

    betas: tuple[float, float]
    epsilon: float
    decay: float = 0.0
    decoupled: bool = False
    remembers: ClassVar[tuple[str, ...]] = ("exp_avg", "exp_avg_sq")

    def __call__(self, weights: Tensors, gradients: Tensors, memory: Memory, rate: float) -> None:
        """Update the weights and the memory of them, all in one pass."""
        update = torch._fused_adamw_ if self.decoupled else torch._fused_adam_
        update(
            weights,
            gradients,
            memory["exp_avg"],
            memory["exp_avg_sq"],
            [],
            memory["step"],
            lr=rate,
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=self.decay,
            eps=self.epsilon,
            amsgrad=False,
            maximize=False,
        )
