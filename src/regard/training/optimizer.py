"""The optimizer, section 5.3: Adam, kept by torch; here are its settings and its state as plain tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn

from regard.errors import CheckpointError, SettingError

OPTIMIZERS: Mapping[str, type[torch.optim.Adam]] = MappingProxyType(
    {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
)

_BLOCK = re.compile(r"\.blocks\.(\d+)\.")


@dataclass(frozen=True)
class RateGroup:
    """Weights that learn at ``factor`` times the schedule's rate."""

    factor: float
    names: tuple[str, ...]
    parameters: tuple[nn.Parameter, ...]


def grouped_by_rate(model: nn.Module, parameters: Mapping[str, nn.Parameter], decay: float) -> list[RateGroup]:
    """The weights that learn, by how fast: in block n of N at decay^(N+1−n) times the rate (Howard & Ruder 2018).

    Embeddings count as block 0. What belongs to no block, such as a head, has factor 1. ``parameters`` are the model's
    by name; those that want no gradient are left out. Raises SettingError where none is left.
    """
    working = dict(model.named_parameters())
    blocks = {name: int(match[1]) + 1 for name in working if (match := _BLOCK.search(name))}
    above = max(blocks.values(), default=0) + 1
    groups: dict[float, list[str]] = {}
    for name in parameters:
        if working[name].requires_grad:
            level = blocks.get(name, 0 if ".embed." in name else above)
            groups.setdefault(decay ** (above - level), []).append(name)
    if not groups:
        raise SettingError.because("init.freeze", "every weight", "some that learn", "freeze fewer")
    return [RateGroup(factor, tuple(names), tuple(parameters[n] for n in names)) for factor, names in groups.items()]


def make_optimizer(
    kind: str,
    groups: Sequence[RateGroup],
    *,
    betas: tuple[float, float],
    epsilon: float,
    weight_decay: float,
) -> torch.optim.Adam:
    """Adam (Kingma & Ba 2015) or AdamW (decoupled decay) over the float32 weights, all updated in one call."""
    rows = [{"params": list(group.parameters), "factor": group.factor} for group in groups]
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
    kinds = set().union(*state.values())
    lacking = [f"{name}/{kind}" for i, name in enumerate(names) for kind in kinds - state.get(i, {}).keys()]
    if lacking:
        got = f"nothing for {', '.join(sorted(lacking)[:20])}"
        raise CheckpointError.because("optimizer state", got, "the state of every weight that learns", action)
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
