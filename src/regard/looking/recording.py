"""What attended to what, taken from the model's own attention through its recorder hook."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor

from regard.errors import RunError, SettingError
from regard.layers.attention import Recorder
from regard.looking.look import CROSS, DECODER, ENCODER, STACKS
from regard.models.halves import Attentions, Recorded


class Attentive(Protocol):
    """A model that says where its attention is."""

    def attentions(self) -> Attentions:
        """The layers with attention of each of STACKS that the model has."""


class Trace:
    """What was recorded. ``calls[stack][i]``: the weights [B, H, T, S] of every call of the i-th chosen layer."""

    def __init__(self, layers: dict[str, int]) -> None:
        self.calls: dict[str, list[list[Tensor]]] = {stack: [[] for _ in range(layers[stack])] for stack in layers}

    @property
    def encoder(self) -> Tensor:
        """[N, B, H, S, S], as ``of``."""
        return self.of(ENCODER)

    @property
    def decoder(self) -> Tensor:
        """[N, B, H, T, T], as ``of``."""
        return self.of(DECODER)

    @property
    def cross(self) -> Tensor:
        """[N, B, H, T, S], as ``of``."""
        return self.of(CROSS)

    def of(self, stack: str) -> Tensor:
        """[N, B, H, T, S], the same of one forward pass as of a text written token by token; without layers, empty.

        Of a search that keeps several hypotheses or sentences, whose rows change their places, take
        ``attention_of``. Raises RunError where nothing was recorded, or calls of more than one text.
        """
        if any(len(calls) > 1 and calls[0].shape[2] > 1 for calls in self.calls.get(CROSS, [])):
            raise _not_one("cross")
        layers = [_one_text(stack, calls) for calls in self.calls.get(stack, [])]
        return torch.stack(layers) if layers else torch.empty(0, 0, 0, 0, 0)


@contextmanager
def capture(
    model: Attentive,
    layers: Collection[int] | None = None,
    heads: Sequence[int] | None = None,
    stacks: Collection[str] = STACKS,
) -> Iterator[Trace]:
    """Record attention while entered: that of these layers and heads (counted from 0; None: all).

    What is not chosen keeps its fused kernel. Raises SettingError for a layer or head that the model does not have.

        with regard.looking.capture(model, layers=[2]) as trace:
            model(source, target_in)
        trace.cross  # [1, B, H, T, S]
    """
    found = {stack: list(modules) for stack, modules in model.attentions().items() if stack in stacks}
    _check("layers", layers, max((len(modules) for modules in found.values()), default=0))
    chosen = {stack: [i for i in range(len(found[stack])) if layers is None or i in layers] for stack in found}
    trace = Trace({stack: len(numbers) for stack, numbers in chosen.items()})
    recorders: dict[int, tuple[Recorded, _Turns]] = {}
    for stack, modules in found.items():
        wanted = dict(zip(chosen[stack], trace.calls[stack], strict=True))
        for number, module in enumerate(modules):
            if module in [modules[other] for other in wanted]:
                recorders.setdefault(id(module), (module, _Turns(heads)))[1].records.append(wanted.get(number))
    before: list[tuple[Recorded, Recorder | None]] = [(module, module.recorder) for module, _ in recorders.values()]
    try:
        for module, turns in recorders.values():
            module.recorder = turns
        yield trace
    finally:
        for module, recorder in before:
            module.recorder = recorder


class _Turns:
    """The recorder of a module that serves several layers one after the other, or one layer."""

    def __init__(self, heads: Sequence[int] | None) -> None:
        self.heads = heads
        self.records: list[list[Tensor] | None] = []  # of each of the layers, where it is to be kept
        self.calls = 0

    def __call__(self, weights: Tensor) -> None:
        record = self.records[self.calls % len(self.records)]
        self.calls += 1
        if record is not None:
            _check("heads", self.heads, weights.shape[1])
            record.append(weights if self.heads is None else weights[:, list(self.heads)])


def _check(name: str, numbers: Collection[int] | None, count: int) -> None:
    wrong = sorted(number for number in numbers or () if not 0 <= number < count)
    if wrong:
        rule = f"numbers from 0 to {count - 1}" if count else "none, in a model without attention"
        raise SettingError.because(name, wrong[0], rule, "choose among those that there are")


def _one_text(stack: str, calls: list[Tensor]) -> Tensor:
    """[B, H, T, S]: one call as it is; of the steps of one text, each a row or more, all rows below each other."""
    if not calls:
        action = "run the model while capture is entered"
        raise RunError.because("capture", f"no call of the {stack}'s attention", "at least one", action)
    if len(calls) == 1:
        return calls[0]
    longest = calls[-1].shape[3]
    rows_before = [sum(call.shape[2] for call in calls[:number]) for number in range(len(calls))]
    for call, before in zip(calls, rows_before, strict=True):
        seen = before + call.shape[2] if stack == DECODER else longest
        one_more = stack == DECODER or call.shape[2] == 1
        if stack == ENCODER or call.shape[:2] != calls[0].shape[:2] or call.shape[3] != seen or not one_more:
            raise _not_one(stack)
    padded = [torch.nn.functional.pad(call, (0, longest - call.shape[3])) for call in calls]
    return torch.cat(padded, dim=2)


def _not_one(stack: str) -> RunError:
    action = "capture one forward pass, or take attention_of(…) for the winner of a search"
    got = f"calls of the {stack}'s attention by different texts or several hypotheses"
    return RunError.because("capture", got, "one text", action)
