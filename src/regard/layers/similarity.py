"""How alike a query and a key are: the part of attention that the paper changes when it scales the dot product."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from regard.notation import Keys, Queries, Scores


@runtime_checkable
class Similarity(Protocol):
    """A function of every query and every key of a head."""

    def __call__(self, query: Queries, key: Keys) -> Scores:
        """Every query against every key."""


@dataclass(frozen=True)
class DotProduct:
    """s · (q · k), section 3.2.1: s = 1/√d_k where ``scale`` is None, else ``scale`` (1.0: plain dot product)."""

    scale: float | None = None

    def factor(self, d_k: int) -> float:
        """s, for keys of width ``d_k``."""
        return 1.0 / math.sqrt(d_k) if self.scale is None else self.scale

    def __call__(self, query: Queries, key: Keys) -> Scores:
        """Every query against every key."""
        return query @ key.transpose(-2, -1) * self.factor(query.shape[-1])


scaled_dot_product = DotProduct()
