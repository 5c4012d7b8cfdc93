"""The other two columns of Table 1: what must be computed one after the other, and how far a signal travels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from regard.studies.layer_costs.rows import Row

WIDTH = 8  # of the layers that are looked into


def depth(row: Row, n: int) -> int:
    """The longest chain of operations between input and output of a layer, each waiting for the one before."""
    x = torch.randn(1, n, WIDTH, requires_grad=True)
    return _longest(row.build(n, WIDTH).call(x).grad_fn)


def layers_to_join(row: Row, n: int) -> int:
    """How many layers, each upon the other, until the last output depends on the first input."""
    layer = row.build(n, WIDTH)
    x = torch.randn(1, n, WIDTH, dtype=torch.float64, requires_grad=True)
    for weight in layer.weights:
        weight.data = weight.data.double()
    for count in range(1, n + 1):
        if _reaches(layer.call, x, count):
            return count
    raise AssertionError("some layer joins neighbours")


def _reaches(call: Callable[[Tensor], Tensor], x: Tensor, count: int) -> bool:
    y = x
    for _ in range(count):
        y = call(y)
    (gradient,) = torch.autograd.grad(y[:, -1].sum(), x)
    return bool(gradient[:, 0].ne(0).any())


def _longest(last: Any) -> int:
    """Edges of the longest way from a node of the autograd graph to any leaf, without recursion."""
    known: dict[Any, int] = {}
    waiting = [last]
    while waiting:
        node = waiting[-1]
        before = [one for one, _ in node.next_functions if one is not None]
        unknown = [one for one in before if one not in known]
        if unknown:
            waiting.extend(unknown)
        else:
            known[waiting.pop()] = 1 + max((known[one] for one in before), default=-1)
    return known[last]
