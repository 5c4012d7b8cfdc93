"""Softmax of the scores of random queries and keys (section 3.2.1, footnote 4): spread, entropy, gradient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.layers.similarity import Additive, DotProduct, Similarity, scaled_dot_product

SCALED, PLAIN, ADDITIVE = "dot product / √d_k", "dot product", "additive"
QUERIES = 16  # of a draw


@dataclass(frozen=True)
class Sharpness:
    """Of each draw, the mean over its queries: variance of the scores, entropy in nats, and norm of the gradient."""

    variance: list[float]
    entropy: list[float]
    gradient: list[float]


def entropy(weights: Tensor) -> Tensor:
    """−Σ p ln p of each row, in nats: 0 where one key has all the weight, ln n where n keys share it equally."""
    return torch.special.entr(weights).sum(-1)


def gradient_norm(weights: Tensor) -> Tensor:
    """‖∂p/∂s‖ of each row p = softmax(s): the Frobenius norm of diag(p) − p pᵀ. √(n − 1)/n for n equal weights."""
    jacobian = weights.diag_embed() - weights[..., :, None] * weights[..., None, :]
    return torch.linalg.matrix_norm(jacobian)


@torch.no_grad()
def sharpness(d_k: int, draws: int, keys: int, seed: int) -> Mapping[str, Sharpness]:
    """Of each similarity, over the same queries and keys with components from N(0, 1). Every draw is a head.

    The additive one has a vector v of its own a draw, as it stands before training (Glorot uniform).
    """
    generator = torch.Generator().manual_seed(seed)
    query = torch.randn(1, draws, QUERIES, d_k, generator=generator, dtype=torch.float64)
    key = torch.randn(1, draws, keys, d_k, generator=generator, dtype=torch.float64)
    additive = Additive(draws, d_k).double()
    bound = (6 / (d_k + 1)) ** 0.5
    additive.weight.uniform_(-bound, bound, generator=generator)
    kinds: Mapping[str, Similarity] = {SCALED: scaled_dot_product, PLAIN: DotProduct(1.0), ADDITIVE: additive}
    return {name: _of_scores(similarity(query, key)[0]) for name, similarity in kinds.items()}


def _of_scores(scores: Tensor) -> Sharpness:
    weights = scores.softmax(-1)
    variance = scores.flatten(1).var(1)
    return Sharpness(variance.tolist(), entropy(weights).mean(1).tolist(), gradient_norm(weights).mean(1).tolist())
