"""A low-rank change of a model as a file: what was trained, and nothing of the model itself."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from regard.data.plain_file import check_plain
from regard.errors import CheckpointError, SettingError
from regard.models.adapters import adapters_of
from regard.models.heads import Head
from regard.runs.checkpoints.finite import check_finite
from regard.runs.checkpoints.manifest import check_file
from regard.runs.checkpoints.safetensors_file import read_safetensors
from regard.storage import write_file

MOST_BYTES = 16 << 30
NEW = ("head.", "before_output.", "output.")  # what one task needs of a model and another does not


@dataclass(frozen=True)
class Adapter:
    """The changes and the new weights by name; ``scale`` is α / r, and ``head`` that of the changed model."""

    weights: Mapping[str, Tensor]
    scale: float
    head: Head


def write_adapter(
    path: Path, weights: Mapping[str, Tensor], learning: Collection[str], scale: float, head: Head
) -> None:
    """Keep of all ``weights`` the changes, and those that were ``learning`` besides."""
    kept = {name: tensor.contiguous() for name, tensor in adapters_of(weights, learning).items()}
    facts = {"scale": repr(scale), "head": head.kind, "labels": json.dumps(head.labels, ensure_ascii=False)}
    write_file(path, save(kept, metadata={"format": "pt", **facts}))


def read_adapter(path: Path, *, allow_nonfinite: bool = False) -> Adapter:
    """What ``write_adapter`` kept. Raises CheckpointError where it is missing, damaged or something else."""
    try:
        weights, facts = read_safetensors(check_plain(path, MOST_BYTES))
        head = Head(facts["head"], tuple(json.loads(facts["labels"])))
        scale = float(facts["scale"])
        if not math.isfinite(scale):
            raise ValueError(f"the scale {scale}")
    except (OSError, KeyError, ValueError, TypeError, RecursionError, SettingError, CheckpointError) as error:
        got, action = f"no adapter ({error})", "name the adapter.safetensors of a run"
        raise CheckpointError.because(path, got, "low-rank changes that regard trained", action) from error
    check_file(path)
    if not allow_nonfinite:
        check_finite(path, weights)
    return Adapter(weights, scale, head)
