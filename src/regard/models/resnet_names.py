"""The weights of residual networks as transformers names them."""

from __future__ import annotations

import torch

from regard.models.weight_names import Pair, Tensors

CONVOLUTIONS = 3  # of a bottleneck; a basic block has two
COUNTER = "num_batches_tracked"  # of torch's batch norm, which nothing reads


def resnet_names(ours: str, theirs: str) -> list[Pair]:
    """Pairs of name beginnings, ours below ``ours``, theirs behind ``theirs``."""
    block = f"{ours}.stages.{{i}}.{{j}}", f"{theirs}encoder.stages.{{i}}.layers.{{j}}"
    convolutions = [
        (f"{ours}.stem", f"{theirs}embedder.embedder"),
        *((f"{block[0]}.path.{number}", f"{block[1]}.layer.{number}") for number in range(CONVOLUTIONS)),
        (f"{block[0]}.shortcut", f"{block[1]}.shortcut"),
    ]
    parts = {
        "convolution": "convolution",
        "norm.running_variance": "normalization.running_var",
        "norm": "normalization",
    }
    return [(f"{one}.{part}", f"{other}.{name}") for one, other in convolutions for part, name in parts.items()]


def with_counters(tensors: Tensors) -> Tensors:
    """The counters that torch's batch norm wants beside its running statistics."""
    norms = [name.removesuffix("running_var") for name in tensors if name.endswith("normalization.running_var")]
    return {**tensors, **{f"{name}{COUNTER}": torch.zeros((), dtype=torch.int64) for name in norms}}
