"""Exports: the right files, and refusals that name the setting in the way and write nothing."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from regard import families
from regard.errors import ExportError, RunError, SettingError
from regard.models.state import weights_of
from regard.models.vocabulary import Vocabulary
from regard.runs.export import FORMATS, PUBLIC_FILES, export
from regard.runs.folder import load, write_model, write_tokenizers
from regard.runs.recipe import recipe_from


def test_the_public_files_and_the_card_are_copied_and_no_more(finished_run, tmp_path, toy):
    export(finished_run, tmp_path / "new" / "shared", "huggingface")
    copied = {path.name: path.read_bytes() for path in (tmp_path / "new" / "shared").iterdir()}
    assert copied == {name: (finished_run / name).read_bytes() for name in (*PUBLIC_FILES, "README.md")}
    texts = (toy / "test.en").read_text(encoding="utf-8").splitlines()[:3]
    ours = load(finished_run).translate(texts, beam=1)
    assert load(tmp_path / "new" / "shared").translate(texts, beam=1, max_extra=5) == ours


def run_with(folder: Path, finished_run: Path, changes: dict[str, object], shared: bool = True) -> Path:
    """A run with fresh weights, whose model has other parts."""
    folder.mkdir()
    model = load(finished_run)
    recipe = recipe_from(
        {"model": {"size": "tiny", "layers": 1, "d_model": 16, "heads": 2, "d_ff": 32, **changes}}, "tiny"
    )
    size = model.source_tokenizer.size
    module = families.get("transformer").build(recipe.model, Vocabulary(size, size, shared))
    write_tokenizers(folder, model.source_tokenizer, model.source_tokenizer)
    write_model(folder, recipe, module, weights_of(module))
    (folder / "recipe.toml").write_text(recipe.to_toml(), encoding="utf-8")
    return folder


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize(
    ("changes", "shared", "named"),
    [
        ({"positions": "learned", "longest": 300}, True, "model.positions = learned"),
        ({"positions": "none"}, True, "model.positions = none"),
        ({"d_k": 3, "d_v": 8}, True, "model.d_k = 3, model.d_v = 8"),
        ({}, False, "tokenizer.joint = false"),
    ],
)
def test_what_no_public_architecture_has_is_named(finished_run, tmp_path, tree, to, changes, shared, named):
    run = run_with(tmp_path / "run", finished_run, changes, shared)
    before = tree(tmp_path)
    says = f"got {named}; expected a model that a public architecture fits; train without that setting to export."
    with pytest.raises(ExportError, match=re.escape(says)):
        export(run, tmp_path / "out", to)
    assert tree(tmp_path) == before
    assert json.loads((run / "config.json").read_text(encoding="utf-8"))["model_type"] == "regard"
    model = load(run)
    assert len(model.translate(["A dog.", ""], max_extra=3)) == 2


def test_an_unknown_format_is_refused(finished_run, tmp_path):
    with pytest.raises(
        SettingError, match="--to: got 'onnx'; expected one of huggingface, ctranslate2; use one of these"
    ):
        export(finished_run, tmp_path / "out", "onnx")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch])
def test_what_is_there_already_is_left_alone(finished_run, tmp_path, make):
    make(tmp_path / "out")
    with pytest.raises(RunError, match=r"DIR: got .*out, which exists; expected a new folder; choose another name"):
        export(finished_run, tmp_path / "out", "huggingface")


def test_without_ctranslate2_it_is_said_how_to_get_it(finished_run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ctranslate2.converters", None)
    with pytest.raises(ExportError, match="expected ctranslate2 and transformers installed; pip install 'regard"):
        export(finished_run, tmp_path / "out", "ctranslate2")
    assert not (tmp_path / "out").exists()
