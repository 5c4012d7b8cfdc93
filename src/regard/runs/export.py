"""A run for other runtimes. What they cannot hold is refused by the name of the setting that stands in the way."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from regard import families
from regard.errors import ExportError, RunError, SettingError
from regard.runs.folder import CARD, CONFIG, TOKENIZER, WEIGHTS, load

PUBLIC_FILES = (CONFIG, WEIGHTS, TOKENIZER, "tokenizer_config.json", "generation_config.json")


def export(run: Path, folder: Path, to: str) -> None:
    """Write the run into ``folder`` in another format.

    Raises SettingError, RunError or ExportError; nothing is written then.
    """
    if to not in FORMATS:
        raise SettingError.because("--to", repr(to), "one of " + ", ".join(FORMATS), "use one of these")
    if folder.exists():
        raise RunError.because("DIR", f"{folder}, which exists", "a new folder", "choose another name")
    model = load(run)
    hindrance = families.get(model.family).obstacle(model.config, model.module.ids)
    if hindrance:
        expected = "a model that a public architecture fits"
        raise ExportError.because(run, hindrance, expected, "train without that setting to export")
    FORMATS[to](run, folder)


def _huggingface(run: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in (*PUBLIC_FILES, CARD):
        if (run / name).exists():
            shutil.copyfile(run / name, folder / name)


def _ctranslate2(run: Path, folder: Path) -> None:
    try:
        from ctranslate2.converters import TransformersConverter
    except ImportError as error:
        action = "pip install 'regard[export]'"
        raise ExportError.because("--to", "ctranslate2", "ctranslate2 and transformers installed", action) from error
    TransformersConverter(str(run)).convert(str(folder))


FORMATS: Mapping[str, Callable[[Path, Path], None]] = MappingProxyType(
    {"huggingface": _huggingface, "ctranslate2": _ctranslate2}
)
