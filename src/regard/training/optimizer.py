"""The optimizer, section 5.3: Adam, kept by torch, or Muon; their settings, and their state as plain tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn

from regard.errors import CheckpointError, SettingError
from regard.training.muon import Muon

OPTIMIZERS: Mapping[str, type[torch.optim.Adam]] = MappingProxyType(
    {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "muon": Muon}
)

_BLOCK = re.compile(r"\.blocks\.(\d+)\.")


@dataclass(frozen=True)
class RateGroup:
    """Weights that learn at ``factor`` times the schedule's rate. ``matrices``: those of blocks, for Muon."""

    factor: float
    names: tuple[str, ...]
    parameters: tuple[nn.Parameter, ...]
    matrices: bool = False


def grouped_by_rate(
    model: nn.Module, parameters: Mapping[str, nn.Parameter], decay: float, *, matrices_apart: bool = False
) -> list[RateGroup]:
    """The weights that learn, by how fast: in block n of N at decay^(N+1−n) times the rate (Howard & Ruder 2018).

    Embeddings count as block 0. What belongs to no block, such as a head, has factor 1. ``parameters`` are the model's
    by name; those that want no gradient are left out. Raises SettingError where none is left.
    """
    working = dict(model.named_parameters())
    blocks = {name: int(match[1]) + 1 for name in working if (match := _BLOCK.search(name))}
    above = max(blocks.values(), default=0) + 1
    groups: dict[tuple[float, bool], list[str]] = {}
    for name in parameters:
        if working[name].requires_grad:
            level = blocks.get(name, 0 if ".embed." in name else above)
            matrix = matrices_apart and name in blocks and working[name].dim() == 2
            groups.setdefault((decay ** (above - level), matrix), []).append(name)
    if not groups:
        raise SettingError.because("init.freeze", "every weight", "some that learn", "freeze fewer")
    return [
        RateGroup(factor, tuple(names), tuple(parameters[name] for name in names), matrices)
        for (factor, matrices), names in groups.items()
    ]


def make_optimizer(
    kind: str,
    groups: Sequence[RateGroup],
    *,
    betas: tuple[float, float],
    epsilon: float,
    weight_decay: float,
) -> torch.optim.Adam:
    """Adam (Kingma & Ba 2015), AdamW (decoupled decay) or Muon over the float32 weights, all updated in one call."""
    rows = [{"params": list(group.parameters), "factor": group.factor, "matrices": group.matrices} for group in groups]
    return OPTIMIZERS[kind](rows, lr=0.0, betas=betas, eps=epsilon, weight_decay=weight_decay, fused=True)


def optimizer_tensors(optimizer: torch.optim.Optimizer, names: Sequence[str]) -> dict[str, Tensor]:
    """The optimizer's memory as ``NAME/mean``-like keys, in the order in which it holds the parameters."""
    tensors = {}
    for index, state in optimizer.state_dict()["state"].items():
        for key, value in state.items():
            tensors[f"{names[index]}/{key}"] = torch.as_tensor(value)
    return tensors


def put_optimizer_tensors(
    optimizer: torch.optim.Optimizer, names: Sequence[str], tensors: Mapping[str, Tensor]
) -> None:
    """Restore what ``optimizer_tensors`` gave: all or, before the first step, nothing.

    Raises CheckpointError for a weight that is not this model's, and for one of this model's that is not there.
    """
    state: dict[int, dict[str, Tensor]] = {}
    action = "resume with the checkpoint's own recipe"
    for key, value in tensors.items():
        name, _, kind = key.rpartition("/")
        if name not in names:
            raise CheckpointError.because(f"optimizer state {key}", "an unknown weight", "this model's", action)
        state.setdefault(names.index(name), {})[kind] = value
    kinds = _kinds_of(optimizer) if state else []  # before the first step there is none
    lacking = [
        f"{name}/{kind}"
        for i, (name, own) in enumerate(zip(names, kinds, strict=False))
        for kind in own - state.get(i, {}).keys()
    ]
    if lacking:
        got = f"nothing for {', '.join(sorted(lacking)[:20])}"
        raise CheckpointError.because("optimizer state", got, "the state of every weight that learns", action)
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _kinds_of(optimizer: torch.optim.Optimizer) -> list[set[str]]:
    """What the optimizer remembers of each weight."""
    adam, muon = {"step", "exp_avg", "exp_avg_sq"}, {"step", "momentum"}
    turned = isinstance(optimizer, Muon)
    return [muon if turned and group["matrices"] else adam for group in optimizer.param_groups for _ in group["params"]]
