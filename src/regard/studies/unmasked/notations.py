"""The ways to write a mask that tutorials have, beside ours: which of them give the same weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from regard.layers.attention import masked_softmax

KEYS = 8


@dataclass(frozen=True)
class Notation:
    """A way to hide keys: its largest difference from our weights, the weight that hidden keys get (a share of
    all), and what becomes of a row that may look nowhere.
    """

    name: str
    difference: float
    leaked: float
    blind_row: str


def notations(seed: int) -> list[Notation]:
    """Ours first, on random scores with a random mask whose last row is wholly hidden; in float32."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(1, 1, 64, KEYS, generator=generator)
    may_look = torch.rand(scores.shape, generator=generator) < 0.6
    may_look[..., 0] = True
    may_look[..., -1, :] = False
    hidden = (~may_look).float()  # 1 = hidden, as many tutorials write it
    ours = masked_softmax(scores, may_look)
    ways = {
        "True = may look (ours)": ours,
        "−∞ added where hidden": scores.masked_fill(~may_look, -torch.inf).softmax(-1),
        "−1e9 added where hidden": (scores - 1e9 * hidden).softmax(-1),
        "1 = hidden, given to ours negated": masked_softmax(scores, hidden == 0),
        "1 = hidden, given to ours as it is": masked_softmax(scores, hidden == 1),
    }
    return [_compared(name, weights, ours, may_look) for name, weights in ways.items()]


def _compared(name: str, weights: Tensor, ours: Tensor, may_look: Tensor) -> Notation:
    rows = weights[..., :-1, :]  # those that may look somewhere
    leaked = rows.masked_fill(may_look[..., :-1, :], 0.0).sum() / rows.sum()
    return Notation(name, float((rows - ours[..., :-1, :]).abs().max()), float(leaked), _told(weights[0, 0, -1]))


def _told(row: Tensor) -> str:
    if row.isnan().any():
        return "NaN"
    if not row.any():
        return "zeros"
    return "equal weights" if torch.allclose(row, torch.full_like(row, 1 / len(row))) else "weights as without a mask"
