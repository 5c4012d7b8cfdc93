"""How differently two heads look: the Jensen–Shannon distance between their rows of attention weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regard.looking.capture import attention_of

KINDS = ("encoder", "decoder", "cross")


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


def distances(
    model: Any, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]
) -> Mapping[str, NDArray[np.float64]]:
    """Of each kind of attention, the distances [N, H, H] between the heads of a layer: a mean over sentence pairs.

    The rows are those of the words and of ``</s>``; the decoder is told the translation.
    """
    sums: dict[str, Any] = dict.fromkeys(KINDS, 0.0)
    for source, target in zip(sources, targets, strict=True):
        found = attention_of(model, source, target)
        for kind in KINDS:
            sums[kind] = sums[kind] + between_heads(getattr(found, kind)).numpy()
    return {kind: total / len(sources) for kind, total in sums.items()}


def pairs_of_heads(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Every two different heads of a layer, once: [N, H, H] → [N · H(H − 1)/2]."""
    first, second = np.triu_indices(table.shape[-1], 1)
    return np.asarray(table[:, first, second].reshape(-1))
