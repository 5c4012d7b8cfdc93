"""A model for other runtimes. What they cannot hold is refused by the name of the setting that stands in the way."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from regard import families
from regard.data.images import preparation
from regard.errors import ExportError, RunError, SettingError
from regard.runs.checkpoints.manifest import forget_manifest
from regard.runs.folder import CARD, CONFIG, RECIPE, TOKENIZER, WEIGHTS, load, read_json, write_model, write_tokenizers
from regard.runs.model import Model
from regard.runs.recipe import Recipe
from regard.storage import appearing, write_file

TOKENIZER_CONFIG, GENERATION = "tokenizer_config.json", "generation_config.json"
PUBLIC_FILES = (preparation.FILE, CONFIG, WEIGHTS, TOKENIZER, TOKENIZER_CONFIG, GENERATION)
# What a public checkpoint says of decoding, in generation_config.json or, in older ones, in config.json.
OF_DECODING = (
    *("bad_words_ids", "bos_token_id", "decoder_start_token_id", "do_sample", "early_stopping", "eos_token_id"),
    *("forced_bos_token_id", "forced_eos_token_id", "length_penalty", "max_length", "min_length"),
    *("no_repeat_ngram_size", "num_beams", "pad_token_id", "repetition_penalty", "temperature", "top_k", "top_p"),
)


def export(run: str | Path, folder: Path, to: str, *, allow_nonfinite: bool = False) -> None:
    """Write a run or a public checkpoint into ``folder`` in another format.

    Raises SettingError, RunError, CheckpointError or ExportError; nothing is written then.
    """
    if to not in FORMATS:
        raise SettingError.because("--to", repr(to), "one of " + ", ".join(FORMATS), "use one of these")
    if folder.exists():
        raise RunError.because("DIR", f"{folder}, which exists", "a new folder", "choose another name")
    model = load(run, allow_nonfinite=allow_nonfinite)
    hindrance = families.get(model.family).obstacle(model.config, model.module.ids)
    if hindrance:
        expected = "a model that a public architecture fits"
        raise ExportError.because(run, hindrance, expected, "train without that setting to export")
    FORMATS[to](model, folder)


def _huggingface(model: Model, folder: Path) -> None:
    """A run's own files; what was read from others is written anew, as one safetensors with a tokenizer.json."""
    if (model.folder / RECIPE).exists():
        folder.mkdir(parents=True)
        for name in (*PUBLIC_FILES, CARD):
            if (model.folder / name).exists():
                shutil.copyfile(model.folder / name, folder / name)
        return
    _check_tokenizers(model)
    with appearing(folder) as partial:
        partial.mkdir(parents=True, exist_ok=True)
        write_tokenizers(partial, *model.tokenizers)
        if model.preparation is not None:
            model.preparation.write(partial)
        recipe = Recipe(model.family, model.config, decode=model.decoding)
        write_model(partial, recipe, model.module, model.head)
        forget_manifest(partial)  # it is ours alone, and others may well change the files
        if (partial / GENERATION).exists():
            text = json.dumps(_generation(model.folder, partial), indent=2, ensure_ascii=False)
            write_file(partial / GENERATION, text + "\n")


def _check_tokenizers(model: Model) -> None:
    """Two tokenizers are one to others where both give the same ids the same pieces, as Marian's do."""
    if not model.tokenizers:
        return
    source, target = model.tokenizers
    if source.size != target.size or source.pieces_of(range(source.size)) != target.pieces_of(range(target.size)):
        got = "two vocabularies, one for each language"
        raise ExportError.because(model.folder, got, "one tokenizer.json", "use the files as they are")


def _generation(found: Path, written: Path) -> dict[str, Any]:
    """What the checkpoint itself says of decoding, over what the model's ids tell."""
    tables = [read_json(found / name) for name in (CONFIG, GENERATION) if (found / name).exists()]
    own = {key: table[key] for table in tables for key in OF_DECODING if table.get(key) is not None}
    return {**read_json(written / GENERATION), **own}


def _ctranslate2(model: Model, folder: Path) -> None:
    try:
        from ctranslate2.converters import TransformersConverter
    except ImportError as error:
        action = "pip install 'regard[export]'"
        raise ExportError.because("--to", "ctranslate2", "ctranslate2 and transformers installed", action) from error
    if (model.folder / RECIPE).exists():
        TransformersConverter(str(model.folder)).convert(str(folder))
        return
    with tempfile.TemporaryDirectory() as name:
        _huggingface(model, Path(name) / "whole")
        TransformersConverter(str(Path(name) / "whole")).convert(str(folder))


FORMATS: Mapping[str, Callable[[Model, Path], None]] = MappingProxyType(
    {"huggingface": _huggingface, "ctranslate2": _ctranslate2}
)
