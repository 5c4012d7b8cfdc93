"""The families of models, one file each. The listing of this folder is the registry.

A family file has:

- ``Config``, its settings (``most_tokens`` tells the longest text); ``SIZES``, named ones with their source, the first
  of which a run takes where none is named: it trains on a laptop in minutes; ``TOY``, one small enough for tests;
- ``TASKS`` that it can learn; ``LAYOUT``, how the special tokens of its tokenizers stand (None: it has no text);
- ``vocabulary`` and ``build``: from the tokenizers' sizes to the ids that matter, and to a model with fresh weights;
- how a model of it stands on disk: ``MODEL_TYPES`` that it reads, ``public_config`` and ``read_public_config``,
  ``public_form`` (its names for the weights, in both directions), ``obstacle`` (what no public architecture has).
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from regard.errors import SettingError


def names() -> list[str]:
    """Every family, by the name of its file."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def get(name: str) -> ModuleType:
    """The family's module. Raises SettingError for a name that is not in the folder."""
    if name not in names():
        raise SettingError.because("family", repr(name), "one of " + ", ".join(names()), "use one of these")
    return importlib.import_module(f"{__name__}.{name}")


def reading(model_type: str) -> str | None:
    """The family that reads public checkpoints of this ``model_type``, or None."""
    return next((name for name in names() if model_type in get(name).MODEL_TYPES), None)
