"""How a model of no public architecture stands on disk: its settings, its ids, and our names for its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TypeVar

from regard.config import build
from regard.models.vocabulary import Vocabulary
from regard.models.weight_names import PublicForm

MODEL_TYPE = "regard"
Settings = TypeVar("Settings")  # a family's frozen dataclass


def own_config(family: str, settings: Any, vocabulary: Vocabulary) -> dict[str, Any]:
    """The contents of ``config.json``."""
    return {
        "model_type": MODEL_TYPE,
        "family": family,
        "model": {key: value for key, value in asdict(settings).items() if value is not None},
        "vocabulary": asdict(vocabulary),
    }


def read_own_config(kind: type[Settings], table: Mapping[str, Any]) -> tuple[Settings, Vocabulary]:
    """The settings and ids that ``own_config`` wrote. Raises SettingError."""
    return build(kind, table["model"], "model."), Vocabulary(**table["vocabulary"])


def own_form() -> PublicForm:
    """The weights of an encoder–decoder stand in ``model.safetensors`` as they are called here."""
    return PublicForm([(part, part) for part in ("encoder", "decoder", "output")])
