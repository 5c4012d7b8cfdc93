"""What a run looks like on disk: a model folder that other libraries open, plus the story of its training.

config.json  model.safetensors  tokenizer.json  tokenizer_config.json  generation_config.json
recipe.toml  metrics.jsonl  report.html  README.md  manifest.json  checkpoints/step-N/  data/
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from safetensors.torch import save

from regard import families
from regard.config import read_toml
from regard.data.images import preparation
from regard.data.plain_file import JSON_BYTES, check_plain, read_plain
from regard.data.tokenizers.public_tokenizer import open_tokenizer
from regard.data.tokenizers.tokenizer import Tokenizer
from regard.decoding.settings import DecodingSettings
from regard.errors import CheckpointError, RunError
from regard.models.adapters import apply_adapter
from regard.models.heads import Head
from regard.models.public import Fit, public_weights, put_public_weights
from regard.models.vocabulary import NO_TEXT, Vocabulary
from regard.models.weight_names import PublicForm
from regard.runs.checkpoints.adapter import NEW, read_adapter
from regard.runs.checkpoints.config_checks import check_sizes, check_weights, settings_of
from regard.runs.checkpoints.finite import check_finite
from regard.runs.checkpoints.hub import resolve
from regard.runs.checkpoints.manifest import check_file, forget_manifest, write_manifest
from regard.runs.checkpoints.weight_files import Header, header, read_weights
from regard.runs.journal import read_journal
from regard.runs.model import Model, public_decoding
from regard.runs.recipe import Recipe, recipe_from
from regard.storage import write_file

CONFIG, WEIGHTS, RECIPE = "config.json", "model.safetensors", "recipe.toml"
METRICS, REPORT, CARD = "metrics.jsonl", "report.html", "README.md"
TOKENIZER, TARGET_TOKENIZER = "tokenizer.json", "target_tokenizer.json"
CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class Plan:
    """Everything of a model but its numbers: found and checked without reading them.

    ``table`` is its config.json; ``stored`` the dtype and shape of each tensor in the files.
    """

    folder: Path
    table: Mapping[str, Any]
    stored: Header
    family: ModuleType
    config: Any
    vocabulary: Vocabulary
    head: Head
    tokenizers: tuple[Tokenizer, ...]
    form: PublicForm
    fit: Fit

    def build(self) -> Any:
        """The model with fresh weights."""
        return self.family.build(self.config, self.vocabulary, self.head)


def load(name: str | Path, adapter: str | Path | None = None, *, allow_nonfinite: bool = False) -> Model:
    """Open a run, or a public checkpoint: a folder, or the name of one on the hub.

    ``adapter``: the ``adapter.safetensors`` of a run that began with this model and learnt a low-rank change of it.
    Weights that are NaN or infinite are refused but with ``allow_nonfinite``. Where the folder has a manifest.json, the
    files that it names must be as it says.
    Raises RunError where there is none, CheckpointError where its files do not belong together.
    """
    change = None if adapter is None else read_adapter(Path(adapter), allow_nonfinite=allow_nonfinite)
    plan = look_at(name, None if change is None else change.head)
    module = plan.build()
    weights = read_weights(plan.folder)
    if not allow_nonfinite:
        check_finite(plan.folder, {name: weights[name] for name in weights.keys() - set(plan.fit.ignored)})
    put_public_weights(module, plan.form, weights, fresh=() if change is None else NEW)
    if change is not None:
        apply_adapter(module, change.weights, change.scale)
    module.requires_grad_(False)
    decoding = _decoding_of(plan.folder, plan.vocabulary, plan.table)
    family = family_name(plan.family)
    parts = family, plan.config, module.eval(), plan.head, plan.tokenizers, decoding, plan.fit
    return Model(plan.folder, *parts, preparation=_preparation_of(plan.folder, plan.config))


def look_at(name: str | Path, other_head: Head | None = None) -> Plan:
    """Read all of a model but the numbers, and check that they fit. Raises as ``load``.

    ``other_head``: what an adapter puts in the place of the model's own head, with fresh weights.
    """
    folder = resolve(name)
    table = read_json(folder / CONFIG)
    family = _family_of(folder, table)
    stored = header(folder)
    shapes = {name: shape for name, (_, shape) in stored.items()}
    config, vocabulary, head = settings_of(folder / CONFIG, family, table, shapes)
    head, fresh = (head, ()) if other_head is None else (other_head, NEW)
    tokenizers = open_tokenizers(folder, family)
    if tokenizers:
        check_sizes(folder, (tokenizers[0].size, tokenizers[1].size), vocabulary)
    for path in (folder / TOKENIZER, folder / TARGET_TOKENIZER):
        if path.exists():
            check_file(path)
    form = family.public_form(config, vocabulary, head)
    fit = check_weights(folder / CONFIG, family, (config, vocabulary, head), form, shapes, fresh)
    return Plan(folder, table, stored, family, config, vocabulary, head, tokenizers, form, fit)


def open_tokenizers(folder: Path, family: ModuleType) -> tuple[Tokenizer, Tokenizer] | tuple[()]:
    """The tokenizers for source and target texts, which are one object where there is only one; none without text.

    A run with two has a file for the second. Raises CheckpointError.
    """
    if family.LAYOUT is None:
        return ()
    source, target = open_tokenizer(folder)
    separate = folder / TARGET_TOKENIZER
    return source, Tokenizer.load(separate) if separate.exists() else target


def family_name(family: ModuleType) -> str:
    """The name of a family's file."""
    return family.__name__.rpartition(".")[2]


def _family_of(folder: Path, table: Mapping[str, Any]) -> ModuleType:
    named, kind = table.get("family"), table.get("model_type")
    name = named if named in families.names() else families.reading(str(kind))
    if name is None:
        known = sorted(kind for name in families.names() for kind in families.get(name).MODEL_TYPES)
        got = f"model_type {kind!r}"
        raise CheckpointError.because(folder / CONFIG, got, "one of " + ", ".join(known), "open another folder")
    return families.get(str(name))


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises RunError where the file is missing, CheckpointError where it is damaged."""
    try:
        table = json.loads(read_plain(path, JSON_BYTES).decode("utf-8"))
    except OSError as error:
        action = "name the folder of a finished run, or train one"
        raise RunError.because(path, error.strerror or error, "a file of a run", action) from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError.because(path, error, "a JSON object", "use a whole copy of the file") from error
    if not isinstance(table, dict):
        raise CheckpointError.because(path, type(table).__name__, "a JSON object", "use a whole copy of the file")
    return table


def read_recipe(folder: Path) -> Recipe:
    """The resolved recipe of a run."""
    try:
        check_plain(folder / RECIPE)
    except OSError as error:
        raise RunError.because(folder / RECIPE, error.strerror, "the recipe of a run", "restore the file") from error
    return recipe_from(read_toml(folder / RECIPE), size="base")


def training_seconds(folder: Path) -> float | None:
    """How long training took, from the run's journal; None where there is none."""
    if not (folder / METRICS).is_file():
        return None
    return max((float(record["seconds"]) for record in read_journal(folder / METRICS)), default=None)


def _decoding_of(folder: Path, vocabulary: Vocabulary, table: Mapping[str, Any]) -> DecodingSettings:
    """A run's own settings; for a public checkpoint those of its generation_config.json."""
    if (folder / RECIPE).exists():
        return read_recipe(folder).decode
    path = folder / "generation_config.json"
    return public_decoding({**table, **(read_json(path) if path.exists() else {})})


def _preparation_of(folder: Path, config: Any) -> preparation.Preparation | None:
    """How pictures are prepared for the model; None where it reads none."""
    size = getattr(config, "image_size", None)
    if size is None:
        return None
    path = folder / preparation.FILE
    return preparation.Preparation.from_table(read_json(path) if path.exists() else {}, size)


def write_tokenizers(folder: Path, *tokenizers: Tokenizer) -> None:
    """The tokenizers of source and target, if any, and what other libraries must know to open the first."""
    if not tokenizers:
        return
    source, target = tokenizers
    source.save(folder / TOKENIZER)
    if target is not source:
        target.save(folder / TARGET_TOKENIZER)
    facts = {**source.transformers_config(), "model_max_length": 1024}
    write_file(folder / "tokenizer_config.json", json.dumps(facts, indent=2) + "\n")


def write_model(folder: Path, recipe: Recipe, module: Any, head: Head) -> None:
    """Write ``module`` as the run's model, and last a manifest of it and of the tokenizers that are there."""
    forget_manifest(folder)
    family = families.get(recipe.family)
    config = family.public_config(recipe.model, module.ids, head)
    write_file(folder / CONFIG, json.dumps(config, indent=2, ensure_ascii=False) + "\n")
    if module.ids != NO_TEXT:
        write_file(folder / "generation_config.json", json.dumps(_generation(recipe, module), indent=2) + "\n")
    form = family.public_form(recipe.model, module.ids, head)
    tensors = {name: tensor.contiguous() for name, tensor in public_weights(module, form, head).items()}
    write_file(folder / WEIGHTS, save(tensors, metadata={"format": "pt"}))
    write_manifest(folder)


def _generation(recipe: Recipe, module: Any) -> dict[str, Any]:
    """How other libraries should decode, by their rule: score = log P / length^α."""
    ids = module.ids
    facts = {"eos_token_id": ids.eos, "pad_token_id": ids.pad, "bos_token_id": ids.bos}
    if ids.start is not None:
        facts |= {"decoder_start_token_id": ids.start, "max_length": 512}
        facts |= {"length_penalty": recipe.decode.length_penalty, "num_beams": recipe.decode.beam}
    if ids.never is not None:
        facts |= {"bad_words_ids": [[ids.never]], "forced_eos_token_id": ids.eos}
    return {key: value for key, value in sorted(facts.items()) if value is not None}
