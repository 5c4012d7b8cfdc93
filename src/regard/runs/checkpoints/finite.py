"""Weights that are no numbers: one NaN makes every output of a model NaN."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from regard.errors import CheckpointError
from regard.runs.checkpoints.opcodes import short

SHOWN = 20
MAY_FORBID = ("final_logits_bias",)  # where −∞ keeps a token from being written; −10⁹ becomes it in sixteen bits


def check_finite(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Raises CheckpointError that names each tensor with NaN or infinite numbers, and how many it has."""
    found = {name: count for name, tensor in tensors.items() if (count := _nonfinite(name, tensor))}
    if found:
        listed = [f"{short(name)} ({count:,} of {tensors[name].numel():,})" for name, count in sorted(found.items())]
        more = f" and {len(listed) - SHOWN} tensors more" if len(listed) > SHOWN else ""
        got = f"NaN or infinite numbers in {', '.join(listed[:SHOWN])}{more}"
        look = "--allow-nonfinite, in Python regard.load(…, allow_nonfinite=True)"
        action = f"use a whole copy or an earlier checkpoint (to look at it all the same: {look})"
        raise CheckpointError.because(folder, got, "finite weights", action)


def _nonfinite(name: str, tensor: Tensor) -> int:
    """How many numbers are not finite. The smallest and largest tell in a tenth of the time whether any is."""
    if not tensor.is_floating_point() or not tensor.numel():
        return 0
    if all(torch.isfinite(bound) for bound in torch.aminmax(tensor)):
        return 0
    wrong = ~torch.isfinite(tensor)
    return int((wrong & (tensor != -torch.inf)).sum() if name in MAY_FORBID else wrong.sum())
