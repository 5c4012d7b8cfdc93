"""The optimizer, section 5.3: Adam, kept by torch; here are its settings and its state as plain tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor, nn

from regard.errors import CheckpointError

OPTIMIZERS: Mapping[str, type[torch.optim.Adam]] = MappingProxyType(
    {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
)


def make_optimizer(
    kind: str,
    parameters: Sequence[nn.Parameter],
    *,
    betas: tuple[float, float],
    epsilon: float,
    weight_decay: float,
) -> torch.optim.Adam:
    """Adam (Kingma & Ba 2015) or AdamW (decoupled decay) over the float32 weights, all updated in one call."""
    return OPTIMIZERS[kind](parameters, lr=0.0, betas=betas, eps=epsilon, weight_decay=weight_decay, fused=True)


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
    """Restore what ``optimizer_tensors`` gave. Raises CheckpointError for a parameter that is not there."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        name, _, kind = key.rpartition("/")
        if name not in names:
            action = "resume with the checkpoint's own recipe"
            raise CheckpointError.because(f"optimizer state {key}", "an unknown weight", "this model's", action)
        state.setdefault(names.index(name), {})[kind] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
