"""The families of models, one file each. The listing of this folder is the registry.

A family file has: ``Config`` (its settings; ``most_tokens`` tells the longest text), ``SIZES`` (named configurations,
with their source), ``TOY`` (a configuration small enough for tests), ``TASKS``, ``build``, and how a model of it stands
on disk: ``obstacle``, ``public_config``, ``read_public_config``, ``public_weights``, ``put_public_weights``.
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
