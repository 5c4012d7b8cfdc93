"""The optimizer, section 5.3: which weights learn how fast, by which rule, and its memory as plain tensors by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from regard.errors import CheckpointError, SettingError
from regard.training.adam import Adam
from regard.training.muon import Muon
from regard.training.rule import Rule

OPTIMIZERS = ("adam", "adamw", "muon")

_BLOCK = re.compile(r"\.blocks\.(\d+)\.")


@dataclass(frozen=True)
class RateGroup:
    """Weights that learn at ``factor`` times the schedule's rate. ``matrices``: those of blocks, for Muon."""

    factor: float
    names: tuple[str, ...]
    parameters: tuple[nn.Parameter, ...]
    matrices: bool = False


@dataclass(frozen=True)
class Rates:
    """How much more slowly some weights learn than others.

    In block n of N at layer_decay^(N+1−n) times the rate (Howard & Ruder 2018); embeddings count as block 0, and what
    belongs to no block, such as a head or a CNN, has 1. Those whose names begin as one of ``slower`` at
    ``slower_factor`` times that, as DETR's backbone (Carion et al. 2020, section 4: 10⁻⁵ beside 10⁻⁴).
    """

    layer_decay: float = 1.0
    slower: tuple[str, ...] = ()
    slower_factor: float = 0.1


def check_beginnings(setting: str, beginnings: Iterable[str], names: Sequence[str]) -> None:
    """Raises SettingError for one with which none of ``names``, those of weights, begins."""
    for beginning in beginnings:
        if not any(name.startswith(beginning) for name in names):
            known = sorted({".".join(name.split(".")[:2]) for name in names})
            action = f"use beginnings such as {', '.join(known[:8])}"
            raise SettingError.because(setting, beginning, "the beginning of a weight's name", action)


def grouped_by_rate(
    model: nn.Module, parameters: Mapping[str, nn.Parameter], rates: Rates, *, matrices_apart: bool = False
) -> list[RateGroup]:
    """The weights that learn, by how fast. ``parameters`` are the model's by name, whether they learn or not.

    Raises SettingError where none learns, and where ``slower`` names none.
    """
    working = dict(model.named_parameters())
    check_beginnings("train.slower", rates.slower, [name for name in parameters if working[name].requires_grad])
    blocks = {name: int(match[1]) + 1 for name in working if (match := _BLOCK.search(name))}
    above = max(blocks.values(), default=0) + 1
    groups: dict[tuple[float, bool], list[str]] = {}
    for name in parameters:
        if working[name].requires_grad:
            level = blocks.get(name, 0 if ".embed." in name else above)
            matrix = matrices_apart and name in blocks and working[name].dim() == 2
            factor = rates.layer_decay ** (above - level)
            if name.startswith(rates.slower):
                factor *= rates.slower_factor
            groups.setdefault((factor, matrix), []).append(name)
    if not groups:
        raise SettingError.because("init.freeze", "every weight", "some that learn", "freeze fewer")
    return [
        RateGroup(factor, tuple(names), tuple(parameters[name] for name in names), matrices)
        for (factor, matrices), names in groups.items()
    ]


class Optimizer:
    """Moves the weights of some groups, each by a rule, and remembers what the rules need, by name.

    torch's own optimizers do the same, but load torch's compiler with themselves: 70 MiB and two seconds.
    """

    def __init__(self, groups: Sequence[tuple[RateGroup, Rule]]) -> None:
        self.groups = tuple(groups)
        self._memory: dict[str, dict[str, Tensor]] = {}

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One update at ``rate``, times each group's factor. A weight without a gradient counts as one of zero."""
        for group, rule in self.groups:
            memory = [self._of(name, weight, rule) for name, weight in zip(group.names, group.parameters, strict=True)]
            for one in memory:
                one["step"] += 1
            gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in group.parameters]
            by_kind = {kind: [one[kind] for one in memory] for kind in ("step", *rule.remembers)}
            rule([weight.detach() for weight in group.parameters], gradients, by_kind, rate * group.factor)

    def _of(self, name: str, weight: Tensor, rule: Rule) -> dict[str, Tensor]:
        """What is remembered of a weight: at first nothing, so that a checkpoint has all of it, or none."""
        if name not in self._memory:
            zeros = {kind: torch.zeros_like(weight, requires_grad=False) for kind in rule.remembers}
            self._memory[name] = {"step": torch.zeros((), device=weight.device), **zeros}
        return self._memory[name]

    def tensors(self) -> dict[str, Tensor]:
        """Its memory, with keys such as ``NAME/step``; nothing before the first step."""
        return {f"{name}/{kind}": value for name, own in self._memory.items() for kind, value in own.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Remember what ``tensors`` gave: all or, before the first step, nothing.

        Raises CheckpointError for a weight that is not this model's, for another shape, and for what is not there.
        """
        wanted = self._wanted()
        action = "resume with the checkpoint's own recipe"
        for key, value in tensors.items():
            if key not in wanted:
                raise CheckpointError.because(f"optimizer state {key}", "an unknown weight", "this model's", action)
            if value.shape != wanted[key].shape:
                got, expected = (str(list(one.shape)) for one in (value, wanted[key]))
                raise CheckpointError.because(f"optimizer state {key}", f"shape {got}", f"shape {expected}", action)
        if lacking := sorted(wanted.keys() - tensors.keys() if tensors else ()):
            got = f"nothing for {', '.join(lacking[:20])}"
            raise CheckpointError.because("optimizer state", got, "the state of every weight that learns", action)
        self._memory = {}
        for key, value in tensors.items():
            name, _, kind = key.rpartition("/")
            self._memory.setdefault(name, {})[kind] = value.to(wanted[key].device, wanted[key].dtype, copy=True)

    def bytes_in_all(self) -> int:
        """What ``tensors`` holds after the first step."""
        return sum(tensor.nbytes for tensor in self._wanted().values())

    def _wanted(self) -> dict[str, Tensor]:
        """For every key a tensor of its shape, type and device."""
        wanted: dict[str, Tensor] = {}
        for group, rule in self.groups:
            for name, weight in zip(group.names, group.parameters, strict=True):
                wanted |= {f"{name}/{kind}": weight for kind in rule.remembers}
                wanted[f"{name}/step"] = torch.empty((), device=weight.device)
        return wanted


def make_optimizer(
    kind: str, groups: Sequence[RateGroup], *, betas: tuple[float, float], epsilon: float, weight_decay: float
) -> Optimizer:
    """Adam, AdamW (decoupled decay), or Muon for the matrices of blocks and Adam for all else."""
    adam = Adam(betas, epsilon, weight_decay, decoupled=kind == "adamw")
    return Optimizer([(group, Muon(weight_decay) if group.matrices else adam) for group in groups])
