"""What a run looks like on disk: a model folder that other libraries open, plus the story of its training.

config.json  model.safetensors  tokenizer.json  tokenizer_config.json  generation_config.json
recipe.toml  metrics.jsonl  report.html  README.md  checkpoints/step-N/  data/
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from regard import families
from regard.config import read_toml, to_table
from regard.data.tokenizer import Tokenizer
from regard.decoding.settings import DecodingSettings
from regard.decoding.translator import Progress, Translation, Translator
from regard.errors import CheckpointError, RunError, SettingError
from regard.models.state import put_weights
from regard.runs.journal import read_journal
from regard.runs.recipe import Recipe, recipe_from
from regard.storage import write_file
from regard.training.checkpoint import checkpoints_in, read_tensors

CONFIG, WEIGHTS, RECIPE = "config.json", "model.safetensors", "recipe.toml"
METRICS, REPORT, CARD = "metrics.jsonl", "report.html", "README.md"
TOKENIZER, TARGET_TOKENIZER = "tokenizer.json", "target_tokenizer.json"
CHECKPOINTS, DATA = "checkpoints", "data"

# The public model types that our own encoder–decoder is written as, and who reads them back.
_FAMILY_OF = {"marian": "transformer", "pegasus": "transformer"}


@dataclass(frozen=True)
class Model:
    """A trained model with its tokenizers: ``regard.load(folder)`` makes one."""

    folder: Path
    family: str
    config: Any
    module: Any
    source_tokenizer: Tokenizer
    target_tokenizer: Tokenizer
    decoding: DecodingSettings

    @property
    def translator(self) -> Translator:
        """The model between its two tokenizers."""
        return Translator(self.module, self.source_tokenizer, self.target_tokenizer)

    @property
    def parameters(self) -> int:
        """Trained numbers, a shared matrix counted once."""
        return sum(weight.numel() for weight in self.module.parameters())

    def translate(self, texts: Sequence[str], **changes: Any) -> list[str]:
        """One translation for each text; ``changes`` are decoding settings, such as ``beam=1``."""
        return [found.text for found in self.translations(texts, self.settings(**changes))]

    def settings(self, **changes: Any) -> DecodingSettings:
        """The run's decoding settings with some changed. Raises SettingError for one that does not exist."""
        try:
            return replace(self.decoding, **changes)
        except TypeError as error:
            raise SettingError.because(
                "decoding", error, "settings of decoding", "see regard translate --help"
            ) from error

    def translations(
        self, texts: Sequence[str], settings: DecodingSettings | None = None, progress: Progress | None = None
    ) -> list[Translation]:
        """As ``translate``, with scores and all of ``settings.n_best``."""
        return self.translator.translate(texts, settings or self.decoding, progress)


def load(folder: str | Path) -> Model:
    """Open a run. Raises RunError where there is none, CheckpointError where its files do not belong together."""
    folder = Path(folder)
    table = read_json(folder / CONFIG)
    name = table.get("family") or _FAMILY_OF.get(str(table.get("model_type")))
    if name is None:
        got = f"model_type {table.get('model_type')!r}"
        raise CheckpointError.because(folder / CONFIG, got, "one of " + ", ".join(_FAMILY_OF), "open another folder")
    family = families.get(str(name))
    try:
        config, vocabulary = family.read_public_config(table)
    except (KeyError, TypeError) as error:
        action = "use the config.json that was saved with the weights"
        raise CheckpointError.because(
            folder / CONFIG, f"no usable {error}", "a complete configuration", action
        ) from error
    source, target = read_tokenizers(folder)
    if (source.size, target.size) != (vocabulary.source, vocabulary.target):
        sizes = f"{source.size} and {target.size}"
        got = f"tokenizers of {sizes} ids with a model of {vocabulary.source} and {vocabulary.target}"
        raise CheckpointError.because(folder, got, "equal numbers", "use the files that were saved together")
    tensors = read_tensors(folder / WEIGHTS)
    held, needed = sum(tensor.numel() for tensor in tensors.values()), family.least_size(config, vocabulary)
    if needed > held:  # said before a size that a damaged file asks for is built
        got = f"a model of at least {needed:,} weights with {held:,} in {WEIGHTS}"
        raise CheckpointError.because(folder / CONFIG, got, "as many weights", "use the files that were saved together")
    module = family.build(config, vocabulary)
    family.put_public_weights(module, config, tensors)
    return Model(folder, str(name), config, module.eval(), source, target, _decoding_of(folder))


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises RunError where the file is missing, CheckpointError where it is damaged."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        action = "name the folder of a finished run, or train one"
        raise RunError.because(path, error.strerror or error, "a file of a run", action) from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError.because(path, error, "a JSON object", "use a whole copy of the file") from error
    if not isinstance(table, dict):
        raise CheckpointError.because(path, type(table).__name__, "a JSON object", "use a whole copy of the file")
    return table


def read_tokenizers(folder: Path) -> tuple[Tokenizer, Tokenizer]:
    """The source and the target tokenizer; the same one where they are joint."""
    source = Tokenizer.load(folder / TOKENIZER)
    separate = folder / TARGET_TOKENIZER
    return source, Tokenizer.load(separate) if separate.exists() else source


def read_recipe(folder: Path) -> Recipe:
    """The resolved recipe of a run."""
    return recipe_from(read_toml(folder / RECIPE), size="base")


def training_seconds(folder: Path) -> float | None:
    """How long training took, from the run's journal; None where there is none."""
    if not (folder / METRICS).exists():
        return None
    return max((float(record["seconds"]) for record in read_journal(folder / METRICS)), default=None)


def _decoding_of(folder: Path) -> DecodingSettings:
    return read_recipe(folder).decode if (folder / RECIPE).exists() else DecodingSettings()


def write_tokenizers(folder: Path, source: Tokenizer, target: Tokenizer) -> None:
    """The tokenizers, and what other libraries must know to open the first."""
    source.save(folder / TOKENIZER)
    if target is not source:
        target.save(folder / TARGET_TOKENIZER)
    facts = {**source.transformers_config(), "model_max_length": 1024}
    write_file(folder / "tokenizer_config.json", json.dumps(facts, indent=2) + "\n")


def write_model(folder: Path, recipe: Recipe, module: Any, weights: Mapping[str, Tensor]) -> None:
    """Put ``weights`` into ``module`` and write it as the run's model."""
    put_weights(module, {**weights, "output.bias": module.output.bias})
    family = families.get(recipe.family)
    config = family.public_config(recipe.model, module.ids)
    write_file(folder / CONFIG, json.dumps(config, indent=2) + "\n")
    write_file(folder / "generation_config.json", json.dumps(_generation(recipe, module), indent=2) + "\n")
    tensors = {name: tensor.contiguous() for name, tensor in family.public_weights(module, recipe.model).items()}
    write_file(folder / WEIGHTS, save(tensors, metadata={"format": "pt"}))


def _generation(recipe: Recipe, module: Any) -> dict[str, Any]:
    """How other libraries should decode, by their rule: score = log P / length^α."""
    return {
        "bad_words_ids": [[module.pad]],
        "decoder_start_token_id": module.start,
        "eos_token_id": module.eos,
        "forced_eos_token_id": module.eos,
        "length_penalty": recipe.decode.length_penalty,
        "max_length": 512,
        "num_beams": recipe.decode.beam,
        "pad_token_id": module.pad,
    }


def describe_run(folder: Path) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """What a run holds, for JSON and as rows of a table. Raises as ``load``."""
    model = load(folder)
    table = {
        "family": model.family,
        "public_architecture": read_json(folder / CONFIG)["model_type"],
        "parameters": model.parameters,
        **to_table(model.config),
        "source_vocabulary": model.source_tokenizer.size,
        "target_vocabulary": model.target_tokenizer.size,
        "checkpoints": [path.name for path in checkpoints_in(folder / CHECKPOINTS)],
        "training_seconds": training_seconds(folder),
    }
    shown = {**table, "checkpoints": ", ".join(table["checkpoints"])}
    return table, [
        (name.replace("_", " "), f"{value:,}" if isinstance(value, int) else str(value))
        for name, value in shown.items()
    ]
