"""The claims as experiments, one file each. The listing of this folder is the registry; packages in it are parts.

A study's file has ``STUDY``: its name, title and question, and ``run``, which takes an ``Order`` and gives
``Findings``. What is common to all is in ``frame``.
"""

from __future__ import annotations

import importlib
import pkgutil

from regard.errors import SettingError
from regard.studies.frame.study import Study


def names() -> list[str]:
    """Every study, by the name of its file."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)


def get(name: str) -> Study:
    """The study. Raises SettingError for a name that is not in the folder."""
    if name not in names():
        raise SettingError.because("study", repr(name), "one of " + ", ".join(names()), "use one of these")
    study: Study = importlib.import_module(f"{__name__}.{name}").STUDY
    return study
