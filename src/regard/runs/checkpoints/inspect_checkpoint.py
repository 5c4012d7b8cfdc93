"""What is in a run or a public checkpoint; of the latter from its small files and the headers of its weights alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regard.config import to_table
from regard.data.tokenizers.tokenizer import Tokenizer
from regard.runs.checkpoints.checkpoint_traps import traps_in
from regard.runs.checkpoints.config_checks import ShapesAlone
from regard.runs.checkpoints.finite import nonfinite
from regard.runs.checkpoints.manifest import changed_files
from regard.runs.checkpoints.safetensors_file import read_safetensors
from regard.runs.folder import CHECKPOINTS, RECIPE, WEIGHTS, Plan, family_name, look_at, read_recipe, training_seconds
from regard.storage import MANIFEST
from regard.training.checkpoint import checkpoints_in, whole_checkpoints

ROLES = ("bos", "eos", "pad", "unk", "sep", "mask")
CHANGED = "{} not as manifest.json says: changed or damaged after training, and refused by all other commands."
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
    """Look at a folder or a public name. Raises as ``load``.

    Of a folder with a manifest, a run's, all files are read and compared with it; of a public checkpoint no number is.
    """
    plan = look_at(name)
    with ShapesAlone():
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
    if not (plan.folder / MANIFEST).exists():
        return Inspection(facts, traps_in(plan))
    changed, strange = changed_files(plan.folder), _nonfinite_in(plan.folder)
    broken = [f"{path.name} ({problem})" for path, problem in whole_checkpoints(plan.folder / CHECKPOINTS) if problem]
    facts |= {"changed_files": changed, "numbers_not_finite": strange, "damaged_checkpoints": broken}
    told = [
        f"{CHANGED.format(', '.join(changed))}" if changed else "",
        f"NaN or infinite numbers in {_text(strange)}: only --allow-nonfinite opens it." if strange else "",
        f"{_text(broken)}: training would go on from an earlier one." if broken else "",
    ]
    return Inspection(facts, (*filter(None, told), *traps_in(plan)))


def _nonfinite_in(folder: Path) -> list[str]:
    """Whether or not its bits are as they were written."""
    return nonfinite(read_safetensors(folder / WEIGHTS).tensors) if (folder / WEIGHTS).is_file() else []


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
