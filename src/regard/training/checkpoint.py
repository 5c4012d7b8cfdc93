"""Checkpoints: ``checkpoints/step-N/`` with all that training needs to go on to the same bits."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from regard.errors import CheckpointError
from regard.storage import damage, sweep, whole_folder
from regard.training.checkpoint_state import STATE, read_state
from regard.training.loop import Trainer

TENSORS = "trainer.safetensors"
PARTS = ("weights", "optimizer", "average")
_NAME = re.compile(r"step-(\d+)")


def save_checkpoint(folder: Path, trainer: Trainer, facts: Mapping[str, Any]) -> Path:
    """Write ``folder/step-N``, whole or not at all; ``facts`` is what the caller wants back when it resumes."""
    target = folder / f"step-{trainer.step}"
    with whole_folder(target, replace=True) as partial:
        tensors = {name: tensor.contiguous() for name, tensor in sorted(trainer.tensors().items())}
        save_file(tensors, partial / TENSORS)
        state = {"step": trainer.step, "place": asdict(trainer.place), "skipped": trainer.skipped, "facts": dict(facts)}
        (partial / STATE).write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
    return target


def restore_checkpoint(checkpoint: Path, trainer: Trainer) -> dict[str, Any]:
    """Put ``trainer`` where it was; returns the facts.

    Raises CheckpointError where the folder is damaged, or holds what no checkpoint of this trainer can; ``trainer`` is
    then as before.
    """
    _refuse_damaged(checkpoint)
    state = read_state(checkpoint, trainer)
    tensors = read_tensors(checkpoint / TENSORS)
    if strange := sorted(name for name in tensors if name.partition("/")[0] not in PARTS):
        got, expected = ", ".join(strange[:20]), f"tensors of {', '.join(PARTS)}"
        raise CheckpointError.because(checkpoint / TENSORS, got, expected, "use a whole copy of the file")
    trainer.restore(tensors, state.step, state.place, state.skipped)
    return state.facts


def _refuse_damaged(checkpoint: Path) -> None:
    problem = damage(checkpoint)
    if problem:
        action = "delete it and resume from the one before"
        raise CheckpointError.because(checkpoint, problem, "a whole checkpoint", action)


def kept_weights(checkpoint: Path) -> dict[str, Tensor]:
    """The weights of a checkpoint that are worth looking at: the running average where there is one.

    Raises CheckpointError where the folder is damaged.
    """
    _refuse_damaged(checkpoint)
    tensors = read_tensors(checkpoint / TENSORS)
    part = "average/" if any(name.startswith("average/") for name in tensors) else "weights/"
    return {name.removeprefix(part): tensor for name, tensor in tensors.items() if name.startswith(part)}


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file. Raises CheckpointError where it is missing or damaged."""
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        action = "use a whole copy of the file"
        raise CheckpointError.because(path, error, "a whole safetensors file", action) from error


def set_aside(checkpoint: Path) -> Path:
    """Rename a damaged checkpoint, so that it is kept and nothing takes it for a checkpoint any more."""
    names = (checkpoint.with_name(f"{checkpoint.name}.damaged{count or ''}") for count in itertools.count())
    return checkpoint.rename(next(name for name in names if not name.exists()))


def step_of(checkpoint: Path) -> int:
    """N of ``step-N``."""
    match = _NAME.fullmatch(checkpoint.name)
    return int(match[1]) if match else -1


def checkpoints_in(folder: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if _NAME.fullmatch(path.name)), key=step_of)


def whole_checkpoints(folder: Path) -> Iterator[tuple[Path, str | None]]:
    """The checkpoints from the newest back, each with what is wrong with it, or None."""
    for path in reversed(checkpoints_in(folder)):
        yield path, damage(path)


def remove_checkpoint(checkpoint: Path) -> None:
    """Delete a checkpoint; half deleted it goes by no name. One that cannot be deleted stays."""
    with suppress(OSError):
        shutil.rmtree(checkpoint.rename(checkpoint.with_name(f".{checkpoint.name}.partial")))


def sweep_checkpoints(folder: Path) -> None:
    """Undo what a crash left half done while a checkpoint was written."""
    for path in folder.glob(".step-*"):
        sweep(folder / path.name[1:].rpartition(".")[0])
