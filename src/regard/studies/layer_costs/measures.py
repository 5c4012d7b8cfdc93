"""The processor time and the memory of one call of a layer."""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from regard.studies.layer_costs.rows import Layer

Call = Callable[[], object]
SHORTEST = 0.002  # seconds; quicker calls are timed several at once


def call_of(layer: Layer, x: Tensor, backward: bool) -> Call:
    """The layer on ``x``, forward alone, or with the gradient of the sum of what it puts out."""
    if not backward:
        return lambda: _forward(layer, x)
    x = x.detach().requires_grad_()
    return lambda: torch.autograd.grad(layer.call(x).sum(), (x, *layer.weights))


@torch.no_grad()
def _forward(layer: Layer, x: Tensor) -> Tensor:
    return layer.call(x)


def seconds(calls: Mapping[Any, Call], sweeps: int, done: Callable[[int], None]) -> dict[Any, list[float]]:
    """Processor seconds of each call, once in every sweep over all of them, so that what disturbs hits all alike.

    Waiting for other processes does not count. The sweep before the first only says how often to call at once.
    """
    times: dict[Any, list[float]] = {name: [] for name in calls}
    many = {name: max(1, math.ceil(SHORTEST / max(_timed(call, 1), 1e-6))) for name, call in calls.items()}
    for sweep in range(sweeps):
        for name, call in calls.items():
            times[name].append(_timed(call, many[name]))
        done(sweep + 1)
    return times


def _timed(call: Call, many: int) -> float:
    begun = time.process_time()
    for _ in range(many):
        call()
    return (time.process_time() - begun) / many


def peak_bytes(call: Call) -> int:
    """The most bytes that tensors made by the call have held at once; what was there before does not count.

    Counted as every operation returns: scratch space within one operation is not seen. The same in every run.
    """
    with _Living() as living:
        kept = call()
    del kept
    return living.peak


class _Living(TorchDispatchMode):
    """Sees the result of each operation, and the end of the memory behind it; views share their tensor's."""

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[int, int] = {}
        self.before: dict[int, Any] = {}  # kept alive, or their places could be taken by others
        self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        for given in tree_leaves((args, kwargs)):
            if isinstance(given, Tensor) and given.untyped_storage()._cdata not in self.held:
                storage = given.untyped_storage()
                self.before[storage._cdata] = storage
        found = func(*args, **(kwargs or {}))
        for made in tree_leaves(found):
            if isinstance(made, Tensor):
                self._count(made.untyped_storage())
        return found

    def _count(self, storage: Any) -> None:
        place = storage._cdata
        if place in self.before or place in self.held:
            return
        self.held[place] = storage.nbytes()
        weakref.finalize(storage, self.held.pop, place, None)
        self.peak = max(self.peak, sum(self.held.values()))
