"""What decides the bits of a run: with the same signature, the same recipe gives the same ``model.safetensors``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

import regard
from regard.config import to_table
from regard.errors import CheckpointError
from regard.layers.kernels.library import library_name
from regard.runs.folder import TARGET_TOKENIZER, TOKENIZER
from regard.runs.material.contract import DATA
from regard.runs.recipe import Recipe
from regard.storage import MANIFEST, damage
from regard.training.precision import choose_dtype

FREE = ("train.log_every", "train.keep_last", "train.tensorboard", "train.budget", "train.threads", "decode.")
FILES = ("source", "target", "text", "images")
NAMES = tuple(f"data.{valid}{name}" for name in FILES for valid in ("", "valid_"))
TOKENIZERS = (TOKENIZER, TARGET_TOKENIZER)
LENGTH = 12  # characters of a hash that are shown
ACTION = "put back what the run began with, or begin anew with --overwrite"


def signature(recipe: Recipe, folder: Path) -> dict[str, str]:
    """The parts of a run's signature, in order."""
    device = torch.device(recipe.train.device)
    return {
        "code": regard.__version__,
        "recipe": _hash_of_settings(deciding_settings(recipe)),
        "data": _hash_of(path.read_bytes() for path in sorted((folder / DATA).glob(f"*/{MANIFEST}"))),
        "tok": _hash_of((folder / name).read_bytes() for name in TOKENIZERS if (folder / name).exists()),
        "seed": str(recipe.train.seed),
        "thr": str(torch.get_num_threads()),
        "dt": str(choose_dtype(recipe.train.precision, device)).removeprefix("torch."),
        "isa": torch.backends.cpu.get_cpu_capability().lower()
        if device.type == "cpu"
        else torch.cuda.get_device_name(),
        "kernels": library_name(),
        "torch": torch.__version__,
    }


def shown(parts: Mapping[str, str]) -> str:
    """The signature as a line: ``det|code:…|recipe:…|…``."""
    return "|".join(("det", *(f"{name}:{value}" for name, value in parts.items())))


def deciding_settings(recipe: Recipe) -> dict[str, Any]:
    """The settings that decide what is learnt: none that only say what is shown or kept, and no names of files."""
    return {
        key: value for key, value in flat(to_table(recipe)).items() if not key.startswith(FREE) and key not in NAMES
    }


def compare(kept: Mapping[str, Any], now: Mapping[str, Any], checkpoint: Path) -> str:
    """What a run that goes on with other bits is told, or "". Both are ``facts`` of a run, then and now.

    Raises CheckpointError where what it learns, or learns from, is not what it was.
    """
    before, parts = kept.get("signature", {}), now["signature"]
    changed = [name for name in parts if name in before and before[name] != parts[name]]
    held = {"recipe": _changes(kept, now), "data": "other prepared data", "tok": "another tokenizer"}
    if problems := [text for name, text in held.items() if name in changed]:
        raise CheckpointError.because(checkpoint, ", ".join(problems), "what the run began with", ACTION)
    if not changed:
        return ""
    told = ", ".join(f"{name} {before[name]} → {parts[name]}" for name in changed)
    return f"the weights will not be, to the bit, those of a run without a stop: {told}"


def facts(recipe: Recipe, folder: Path) -> dict[str, Any]:
    """What a checkpoint remembers of what it came from."""
    return {"signature": signature(recipe, folder), "settings": deciding_settings(recipe)}


def completed(kept: Mapping[str, Any], recipe: Recipe) -> dict[str, Any]:
    """The facts of a checkpoint; settings that were not there yet when it was written have their defaults."""
    settings = deciding_settings(Recipe(recipe.family, type(recipe.model)())) | kept["settings"]
    return {
        **kept,
        "settings": settings,
        "signature": {**kept["signature"], "recipe": _hash_of_settings(settings)},
    }


def _changes(kept: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The settings of recipe.toml that are not what they were."""
    before, after = (json.loads(json.dumps(one["settings"])) for one in (kept, now))
    names = sorted(name for name in before | after if before.get(name) != after.get(name))
    return ", ".join(f"{name}={after.get(name)} (was {before.get(name)})" for name in names)


def refuse_changed_data(folder: Path) -> None:
    """Raises CheckpointError where a file of the prepared data is not as it was written."""
    for manifest in sorted((folder / DATA).glob(f"*/{MANIFEST}")):
        if problem := damage(manifest.parent):
            raise CheckpointError.because(manifest.parent, problem, "the data that the run began with", ACTION)


def flat(table: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested tables as one, with dots in its keys."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= flat(value, f"{before}{key}.") if isinstance(value, Mapping) else {f"{before}{key}": value}
    return found


def _hash_of_settings(settings: Mapping[str, Any]) -> str:
    return _hash_of([json.dumps(settings, sort_keys=True).encode()])


def _hash_of(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:LENGTH]
