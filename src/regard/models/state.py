"""A model's weights by name, each once, and putting them back, all or none."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from regard.errors import CheckpointError


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """Every parameter and persistent buffer under its first name: a shared matrix appears once."""
    seen: dict[int, str] = {}
    weights: dict[str, Tensor] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if seen.setdefault(id(tensor), name) == name:
            weights[name] = tensor.detach()
    return weights


def put_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy ``weights`` (as ``weights_of`` names them) into the model.

    Raises CheckpointError that lists every missing, unknown and misshapen tensor; the model is then as before.
    """
    own = weights_of(model)
    problems = mismatches(own, weights)
    if problems:
        shown = "; ".join(sorted(problems)[:20])
        action = "check that config.json and model.safetensors belong together"
        raise CheckpointError.because("weights", shown, "the model's own names and shapes", action)
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(weights[name])


def mismatches(own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> list[str]:
    """What keeps ``weights`` from taking the place of ``own``: every missing, unknown and misshapen tensor."""
    problems = [f"{name} is missing" for name in own if name not in weights]
    problems += [f"{name} has no place in this model" for name in weights if name not in own]
    for name in own.keys() & weights.keys():
        found, wanted = list(weights[name].shape), list(own[name].shape)
        if found != wanted:
            problems.append(f"{name} has shape {found}, not {wanted}")
    return problems
