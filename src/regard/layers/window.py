"""Self-attention within r (Table 1's fourth row) at its own cost: only what lies near a query is ever multiplied."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from regard.layers.attention import attention
from regard.layers.similarity import Similarity, scaled_dot_product
from regard.notation import HeadOutputs, HeadVectors, Real


def attention_within(
    query: HeadVectors,
    key: HeadVectors,
    value: HeadOutputs,
    reach: int,
    *,
    ahead: bool = True,
    real: Real | None = None,
    similarity: Similarity = scaled_dot_product,
) -> HeadOutputs:
    """``attention`` with the mask ``Within(reach, ahead)``, in O(r·n·d) products instead of O(n²·d).

    Queries stand in blocks of r; a block is given its own r keys and the r on either side (without ``ahead``: on the
    left alone), of which a query sees 2r + 1 of 3r (r + 1 of 2r). ``real``: the keys that are no padding.
    """
    rows, length = query.shape[0], query.shape[2]
    block = max(1, reach)
    after = reach if ahead else 0
    beyond = -length % block  # queries that fill up the last block
    near = (reach, after + beyond)
    there = query.new_ones(rows, length, dtype=torch.bool) if real is None else real
    there = functional.pad(there, near).unfold(1, reach + block + after, block)
    away = torch.arange(-reach, block + after, device=query.device) - torch.arange(block, device=query.device)[:, None]
    mask = there.flatten(0, 1)[:, None, None] & ((away >= -reach) & (away <= after))
    found = attention(
        _blocks(functional.pad(query, (0, 0, 0, beyond)), block, block),
        _blocks(functional.pad(key, (0, 0, *near)), reach + block + after, block),
        _blocks(functional.pad(value, (0, 0, *near)), reach + block + after, block),
        mask=mask,
        similarity=similarity,
    )
    joined = found.unflatten(0, (rows, -1)).transpose(1, 2).flatten(2, 3)
    return joined[:, :, :length]


def _blocks(x: Tensor, width: int, step: int) -> Tensor:
    """[B, H, T, K] → [B · blocks, H, width, K]: a block every ``step`` places."""
    return x.unfold(2, width, step).permute(0, 2, 1, 4, 3).flatten(0, 1)
