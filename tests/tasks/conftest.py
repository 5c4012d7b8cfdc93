"""Models that are a few matrices, in float64: what a task needs of a model, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

V, D, C, PAD, START = 12, 6, 3, 0, 1


class Small(nn.Module):
    """Each state is made of the ids up to its own (``causal``), or of all of its text but padding."""

    def __init__(self, *, causal: bool, trained_bias: bool = False) -> None:
        super().__init__()
        self.causal = causal
        self.ids = SimpleNamespace(pad=PAD, start=START)
        self.table = nn.Parameter(torch.randn(V, D, dtype=torch.float64))
        self.dense = nn.Linear(D, D, dtype=torch.float64)
        self.classes = nn.Parameter(torch.randn(C, D, dtype=torch.float64))
        bias = torch.randn(V, dtype=torch.float64)
        self.output = SimpleNamespace(
            weight=nn.Parameter(torch.randn(V, D, dtype=torch.float64)),
            bias=nn.Parameter(bias) if trained_bias else bias,
            never=PAD,
        )
        self.seen: list[Any] = []  # what it was called with
        self.transformed: list[int] = []  # how many states reached the output layer

    def forward(self, ids: Tensor, second: Tensor | None = None) -> Tensor:
        self.seen.append(second)
        vectors = self.table[ids] * (ids != PAD).unsqueeze(-1)
        return torch.tanh(vectors.cumsum(1) if self.causal else vectors + vectors.sum(1, keepdim=True))

    def transform(self, hidden: Tensor) -> Tensor:
        self.transformed.append(len(hidden))
        return torch.tanh(self.dense(hidden))

    def logits(self, hidden: Tensor) -> Tensor:
        """Without the one of padding, so that id v is in column v - 1."""
        return (torch.tanh(self.dense(hidden)) @ self.output.weight.T + self.output.bias)[..., 1:]

    def classify(self, ids: Tensor, types: Tensor | None = None) -> Tensor:
        assert types is not None
        return (self(ids).sum(1) + types.sum(1, keepdim=True)) @ self.classes.T


class TokenClasses(Small):
    def classify(self, ids: Tensor, types: Tensor | None = None) -> Tensor:
        return self(ids) @ self.classes.T


@pytest.fixture
def small() -> Callable[..., Small]:
    return Small


@pytest.fixture
def token_classes() -> Callable[..., TokenClasses]:
    return TokenClasses
