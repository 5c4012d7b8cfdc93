"""How alike a query and a key are: the part of attention that the paper changes when it scales the dot product."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import nn

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


class Additive(nn.Module):
    """v_h · tanh(q + k) of head h (Bahdanau et al. 2015, A.1.2), with W_a and U_a applied to q and k before."""

    def __init__(self, heads: int, d_k: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(heads, d_k))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, query: Queries, key: Keys) -> Scores:
        """Every query against every key. All T · S sums are in memory at once."""
        sums = query[:, :, :, None] + key[:, :, None]
        return (sums.tanh() @ self.weight[:, None, :, None])[..., 0]
