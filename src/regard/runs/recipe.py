"""The recipe of a run: every setting there is, from a TOML file, the command line, or the data."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from regard import config, families
from regard.data.clean import Cleaning
from regard.data.tokenizer import TokenizerSettings
from regard.decoding.settings import DecodingSettings
from regard.errors import SettingError
from regard.training.settings import TrainSettings


@dataclass(frozen=True)
class DataSettings:
    """Where the text is. Without validation files, some pairs of the training data are held out."""

    source: str | None = config.setting(None, help="training text to translate from")
    target: str | None = config.setting(None, help="its translation, line by line")
    valid_source: str | None = config.setting(None, help="validation text to translate from")
    valid_target: str | None = config.setting(None, help="its translation, line by line")
    valid_pairs: int = config.setting(1000, help="pairs held out, at most a twentieth, without files", minimum=1)
    bleu_sentences: int = config.setting(200, help="validation sentences translated for BLEU as it goes", minimum=0)
    max_tokens: int = config.setting(256, help="longer pairs are left out of training", minimum=1)


@dataclass(frozen=True)
class Recipe:
    """All settings. ``model`` is the family's own dataclass."""

    family: str
    model: Any
    data: DataSettings = field(default_factory=DataSettings)
    cleaning: Cleaning = field(default_factory=Cleaning)
    tokenizer: TokenizerSettings = field(default_factory=TokenizerSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    decode: DecodingSettings = field(default_factory=DecodingSettings)

    def to_toml(self) -> str:
        """The complete recipe, which ``recipe_from`` reads back to an equal one."""
        return config.to_toml(self)


SECTIONS: Mapping[str, type[Any]] = {
    "data": DataSettings,
    "cleaning": Cleaning,
    "tokenizer": TokenizerSettings,
    "train": TrainSettings,
    "decode": DecodingSettings,
}


def recipe_from(table: Mapping[str, Any], size: str) -> Recipe:
    """The recipe that a table describes; ``size`` names the model's size where the table does not.

    Raises SettingError with every problem, a line each.
    """
    known = ["family", "model", *SECTIONS]
    problems = [str(config.unknown_key(key, known)) for key in table if key not in known]
    parts: dict[str, Any] = {}
    for name, section in SECTIONS.items():
        try:
            parts[name] = config.build(section, _as_table(name, table.get(name, {})), f"{name}.")
        except SettingError as error:
            problems.append(str(error))
    family = families.get(str(table.get("family", "transformer")))
    try:
        parts["model"] = _model(family, _as_table("model", table.get("model", {})), size)
    except SettingError as error:
        problems.append(str(error))
    if not problems and (parts["model"].most_tokens or math.inf) <= parts["data"].max_tokens:
        most = parts["model"].most_tokens - 1  # and one for </s>
        got = f"{parts['data'].max_tokens} with learned positions for {most}"
        raise SettingError.because("data.max_tokens", got, "no more", f"use {most}, or raise model.longest")
    if problems:
        raise SettingError("\n".join(problems))
    return Recipe(family=family.__name__.rpartition(".")[2], **parts)


def _model(family: Any, table: Mapping[str, Any], size: str) -> Any:
    """The family's settings: those of a size by name, with the table's own laid over them."""
    own = dict(table)
    name = own.pop("size", size)
    if not isinstance(name, str) or name not in family.SIZES:
        action = "use one of these, or set model.layers, model.d_model and so on"
        raise SettingError.because("model.size", repr(name), "one of " + ", ".join(family.SIZES), action)
    return config.build(family.Config, config.merge(config.to_table(family.SIZES[name]), own), "model.")


def _as_table(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SettingError.because(name, repr(value), "a table", f"write [{name}] or {name}.key=value")
    return value


def describe(family: str = "transformer") -> list[tuple[str, str, Any]]:
    """Every setting as (dotted name, help, default)."""
    sections = {**SECTIONS, "model": families.get(family).Config}
    return [row for name, section in sections.items() for row in config.describe(section, f"{name}.")]


def with_train(recipe: Recipe, **changes: Any) -> Recipe:
    """The recipe with some training settings changed."""
    return dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, **changes))
