"""The best of many, with ties always broken the same way."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

Rows = Float[Tensor, "N V"]


class Ranked(NamedTuple):
    """Values in falling order, and the column that each came from."""

    values: Float[Tensor, "N best"]
    columns: Int[Tensor, "N best"]


def best(values: Rows, count: int) -> Ranked:
    """The ``count`` largest of each row, the lower column first where two are equal.

    ``torch.topk`` leaves open which of several equal values it returns. It is asked for one more than wanted: only a
    row whose last wanted value equals the next one needs the full sort that settles it.
    """
    width = values.shape[1]
    found = values.topk(min(count + 1, width), dim=1)
    top, columns = found.values[:, :count], found.indices[:, :count]
    columns, order = columns.sort(dim=1)
    top, order = top.gather(1, order).sort(dim=1, descending=True, stable=True)
    columns = columns.gather(1, order)
    if count < width:
        last, following = found.values[:, count - 1], found.values[:, count]
        tied = ((last == following) & ~torch.isneginf(last)).nonzero()[:, 0]
        if len(tied):
            full = values[tied].sort(dim=1, descending=True, stable=True)
            top[tied], columns[tied] = full.values[:, :count], full.indices[:, :count]
    return Ranked(top, columns)
