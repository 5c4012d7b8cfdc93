"""From a recipe to its material, in one call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regard.runs.material import Material, learn_tokenizers, open_material, prepare, read_corpus
from regard.runs.recipe import recipe_from

SMALL = {"layers": 1, "d_model": 16, "d_ff": 32, "heads": 2}


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., str]:
    """Writes lines into a file and says its name."""

    def write(name: str, *lines: str) -> str:
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return str(tmp_path / name)

    return write


@pytest.fixture
def material(tmp_path: Path) -> Callable[..., Material]:
    """The material of a recipe: ``kind``, its data, and other sections such as ``train={"batch_tokens": 64}``."""

    def make(kind: str, data: dict[str, Any], **sections: Any) -> Material:
        task = {"kind": kind, **sections.pop("task", {})}
        table = {"model": SMALL, "data": data, "task": task, "tokenizer": {"size": 400}, **sections}
        recipe = recipe_from(table, size="tiny")
        corpus = read_corpus(recipe)
        source, target = learn_tokenizers(corpus)
        number = len(list(tmp_path.glob("run*")))
        prepare(corpus, tmp_path / f"run{number}", source, target)
        return open_material(recipe, tmp_path / f"run{number}", source, target)

    return make
