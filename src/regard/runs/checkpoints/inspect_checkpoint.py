"""What is in a run or a public checkpoint, found out from its small files and the headers of its weights alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from regard.config import to_table
from regard.data.tokenizers.tokenizer import Tokenizer
from regard.runs.checkpoints.checkpoint_traps import traps_in
from regard.runs.folder import CHECKPOINTS, RECIPE, Plan, family_name, look_at, read_recipe, training_seconds
from regard.training.checkpoint import checkpoints_in

ROLES = ("bos", "eos", "pad", "unk", "sep", "mask")
SHOWN = 8  # names that a line of the table has at most


@dataclass(frozen=True)
class Inspection:
    """``table`` has everything, for JSON; ``traps`` are sentences about what goes wrong elsewhere, or looks wrong."""

    table: Mapping[str, Any]
    traps: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**self.table, "traps": list(self.traps)}

    def rows(self) -> list[tuple[str, str]]:
        """A table: what, and its value."""
        return [(name.replace("_", " "), _text(value)) for name, value in self.table.items()]


def inspect_checkpoint(name: str | Path) -> Inspection:
    """Look at a folder or a public name. No number of its weights is read. Raises as ``load``."""
    plan = look_at(name)
    with torch.device("meta"):
        module = plan.build()
    task = read_recipe(plan.folder).task.kind if (plan.folder / RECIPE).exists() else None
    facts = {
        "family": family_name(plan.family),
        "public_architecture": plan.table.get("model_type"),
        "head": plan.head.kind,
        "labels": list(plan.head.labels),
        "task": task,
        "parameters": sum(weight.numel() for weight in module.parameters()),
        **to_table(plan.config),
        "weights": _weights(plan),
        **_vocabularies(plan),
        "missing_weights": list(plan.fit.fresh),
        "ignored_weights": list(plan.fit.ignored),
        "tied_weights": tied_weights(module),
        "checkpoints": [path.name for path in checkpoints_in(plan.folder / CHECKPOINTS)],
        "training_seconds": training_seconds(plan.folder),
    }
    return Inspection(facts, traps_in(plan))


def _vocabularies(plan: Plan) -> dict[str, Any]:
    """The tokenizers beside what the model knows of them; nothing where there is no text."""
    if not plan.tokenizers:
        return {}
    source, target = plan.tokenizers
    sizes = {"source_vocabulary": source.size, "target_vocabulary": target.size}
    return {"tokenizer": _tokenizer(source), **sizes, "vocabulary_of_the_model": plan.vocabulary.target}


def tied_weights(module: Any) -> list[str]:
    """Each matrix that has several names: ``first = second``."""
    names: dict[int, list[str]] = {}
    for name, weight in module.named_parameters(remove_duplicate=False):
        names.setdefault(id(weight), []).append(name)
    return [" = ".join(same) for same in names.values() if len(same) > 1]


def _weights(plan: Plan) -> dict[str, Any]:
    kinds = sorted({dtype for dtype, _ in plan.stored.values()})
    files = sorted(path.name for path in plan.folder.iterdir() if path.suffix in (".safetensors", ".bin"))
    return {"tensors": len(plan.stored), "types": kinds, "files": files}


def _tokenizer(tokenizer: Tokenizer) -> dict[str, Any]:
    """What it is, and the ids that stand for no text."""
    roles = {role: getattr(tokenizer, role) for role in ROLES}
    named = {role: f"{index} ({tokenizer.pieces_of([index])[0]})" for role, index in roles.items() if index is not None}
    wrapped = tokenizer.wrap([tokenizer.size - 1])
    return {"kind": tokenizer.kind, **named, "around_a_text": len(wrapped.ids) - 1}


def _text(value: Any) -> str:
    match value:
        case Mapping():
            return ", ".join(f"{name.replace('_', ' ')} {_text(one)}" for name, one in value.items()) or "none"
        case list():
            more = f" and {len(value) - SHOWN} more" if len(value) > SHOWN else ""
            return ", ".join(map(str, value[:SHOWN])) + more if value else "none"
        case bool() | None:
            return {True: "yes", False: "no", None: "none"}[value]
        case int():
            return f"{value:,}"
    return str(value)
