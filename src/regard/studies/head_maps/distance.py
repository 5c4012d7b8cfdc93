"""How differently two heads look: the Jensen–Shannon distance between their rows of attention weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regard.looking.replay import attention_of

KINDS = ("encoder", "decoder", "cross")
Maps = Mapping[str, NDArray[np.float64]]  # kind → [pairs, N, H, H]


def jensen_shannon(first: Tensor, second: Tensor) -> Tensor:
    """√(H((p + q)/2) − (H(p) + H(q))/2) of distributions along the last axis, with entropies H in bits.

    A metric (Endres & Schindelin 2003): 0 for equal ones, 1 for those that share nothing.
    """
    middle = _entropy((first + second) / 2) - (_entropy(first) + _entropy(second)) / 2
    return middle.clamp(0.0, 1.0).sqrt()


def _entropy(shares: Tensor) -> Tensor:
    return -torch.xlogy(shares, shares).sum(-1) / np.log(2.0)


def between_heads(weights: Tensor) -> Tensor:
    """The mean distance of the rows of every two heads: [N, H, T, S] → [N, H, H], zeros from each head to itself."""
    weights = weights.double()
    return jensen_shannon(weights[:, :, None], weights[:, None]).mean(-1)


def distances(model: Any, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> Maps:
    """Of each kind of attention, the distances between the heads of a layer in each sentence pair: [pairs, N, H, H].

    The rows are those of the words and of ``</s>``; the decoder is told the translation.
    """
    found: dict[str, list[NDArray[np.float64]]] = {kind: [] for kind in KINDS}
    for source, target in zip(sources, targets, strict=True):
        weights = attention_of(model, [*source, model.eos], [*target, model.eos])
        for kind in KINDS:
            found[kind].append(between_heads(getattr(weights, kind)).numpy())
    return {kind: np.array(each) for kind, each in found.items()}


def over_heads(tables: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over every two different heads of a layer, and over the layers: [pairs, N, H, H] → [pairs]."""
    first, second = np.triu_indices(tables.shape[-1], 1)
    return np.asarray(tables[..., first, second].mean((1, 2)))
