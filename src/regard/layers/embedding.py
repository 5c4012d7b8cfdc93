"""Embeddings and softmax, section 3.4: one matrix may serve the source, the target and the output layer."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from regard.notation import Ids, Vectors


class TokenEmbedding(nn.Module):
    """E[token] · √d_model (``scaled``). The row of ``pad`` is zero and learns nothing."""

    def __init__(self, vocabulary: int, d_model: int, pad: int | None, *, scaled: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(vocabulary, d_model))
        self.pad = pad
        self.scale = math.sqrt(d_model) if scaled else 1.0
        self.initialise()

    def initialise(self) -> None:
        """Draw from N(0, 1/d_model), so that the scaled vectors have variance 1 as the positions nearly do."""
        nn.init.normal_(self.weight, std=self.weight.shape[1] ** -0.5)
        if self.pad is not None:
            with torch.no_grad():
                self.weight[self.pad].zero_()

    def forward(self, ids: Ids) -> Vectors:
        """The vectors of the tokens."""
        vectors = functional.embedding(ids, self.weight, padding_idx=self.pad)
        return vectors if self.scale == 1.0 else vectors * self.scale


class OutputLayer(nn.Module):
    """Logits x Eᵀ + b over the vocabulary, with E shared with an embedding where one is handed in.

    ``bias``: "constant" (a buffer of zeros, which public checkpoints may fill), "trained", or "none". ``never`` is no
    prediction (padding): its logit is −∞, and it takes no part in any softmax.
    """

    def __init__(self, weight: nn.Parameter, never: int | None, bias: str = "constant") -> None:
        super().__init__()
        self.weight = weight
        self.bias: Tensor | None
        zeros = torch.zeros(weight.shape[0])
        if bias == "trained":
            self.bias = nn.Parameter(zeros)
        else:
            self.register_buffer("bias", zeros if bias == "constant" else None)
        self.never = never

    def forward(self, hidden: Tensor) -> Tensor:
        """[…, D] → [… V]."""
        bias = None if self.bias is None else self.bias.to(hidden.dtype)
        logits = functional.linear(hidden, self.weight, bias)
        if self.never is not None:
            logits[..., self.never] = -torch.inf
        return logits
