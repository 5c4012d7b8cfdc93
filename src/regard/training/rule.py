"""What an optimizer does with one group of weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from torch import Tensor

Tensors = list[Tensor]
Memory = Mapping[str, Tensors]


@runtime_checkable
class Rule(Protocol):
    """An update of weights by their gradients."""

    @property
    def remembers(self) -> tuple[str, ...]:
        """Names of tensors that are kept of each weight, and shaped as it, besides the number of its ``step``."""

    def __call__(self, weights: Tensors, gradients: Tensors, memory: Memory, rate: float) -> None:
        """Update the weights and the memory of them, in place. ``step`` has been counted up already."""
