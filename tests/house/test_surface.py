"""What is public, and what it costs to ask for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

import regard

ROOT = Path(__file__).resolve().parents[2]
HEAVY = (
    *("ctranslate2", "huggingface_hub", "matplotlib", "numpy", "rouge_score", "sacrebleu", "safetensors"),
    *("sentencepiece", "sklearn", "tokenizers", "torch", "transformers"),
)
HELP = """
import runpy
sys.argv[1:] = ["--help"]
try:
    runpy.run_module("regard", run_name="__main__")
except SystemExit:
    pass
"""
QUICK = {"import": "import regard", "help": HELP}

PUBLIC = [
    "CheckpointError",
    "DataError",
    "ExportError",
    "RegardError",
    "RunError",
    "SettingError",
    "TrainingError",
    "__version__",
    "load",
    "looking",
]


def python(code: str) -> str:
    command = [sys.executable, "-c", f"import sys\n{code}\nprint('loaded', *sys.modules)"]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT / "src").stdout


def test_the_public_names_are_these() -> None:
    assert regard.__all__ == PUBLIC
    assert dir(regard) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_there(name: str) -> None:
    assert getattr(regard, name)


def test_any_other_name_is_not() -> None:
    with pytest.raises(AttributeError, match="module 'regard' has no attribute 'lod'"):
        regard.lod  # noqa: B018


@pytest.mark.parametrize("code", QUICK.values(), ids=QUICK)
def test_nothing_heavy_is_imported(code: str) -> None:
    loaded = python(code).rpartition("loaded ")[2].split()
    assert "regard" in loaded
    assert [name for name in HEAVY if name in loaded] == []


@pytest.mark.parametrize("code", QUICK.values(), ids=QUICK)
def test_the_answer_takes_less_than_a_second(code: str) -> None:
    """Seconds of processor, which a busy machine does not stretch."""
    spent = []
    for _ in range(3):
        before = os.times()
        python(code)
        after = os.times()
        spent.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert median(spent) < 1.0
