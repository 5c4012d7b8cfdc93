"""Exports: the right files, and refusals that name the setting in the way and write nothing."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import torch
import transformers
from tests.families.test_families import OF_TEXT
from tests.runs import public_models

from regard import families
from regard.data.tokenizers.layout import LAYOUTS
from regard.data.tokenizers.tokenizer import TokenizerSettings, train_tokenizer
from regard.errors import CheckpointError, ExportError, RunError, SettingError
from regard.models.heads import LANGUAGE
from regard.models.vocabulary import own_vocabulary
from regard.runs.export import FORMATS, PUBLIC_FILES, export
from regard.runs.folder import load, write_model, write_tokenizers
from regard.runs.recipe import Recipe, TaskSettings, recipe_from

FILES_OF_TEXT = set(PUBLIC_FILES) - {"preprocessor_config.json"}


def test_the_public_files_and_the_card_are_copied_and_no_more(finished_run, tmp_path, toy):
    export(finished_run, tmp_path / "new" / "shared", "huggingface")
    copied = {path.name: path.read_bytes() for path in (tmp_path / "new" / "shared").iterdir()}
    assert copied == {name: (finished_run / name).read_bytes() for name in (*FILES_OF_TEXT, "README.md")}
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
    module = families.get("transformer").build(recipe.model, own_vocabulary(size, size, shared=shared))
    write_tokenizers(folder, model.source_tokenizer, model.source_tokenizer)
    write_model(folder, recipe, module, LANGUAGE)
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


# Public checkpoints --------------------------------------------------------------------------------------------------

PUBLIC = {
    "bert from a pickle and vocab.txt": ("bert", {}, "AutoModelForMaskedLM"),
    "bert with old names": ("bert", {"old_names": True}, "AutoModelForMaskedLM"),
    "bert that classifies": (
        "bert",
        {"head": "BertForSequenceClassification"},
        "AutoModelForSequenceClassification",
    ),
    "gpt2 from shards, vocab.json and merges.txt": ("gpt2", {}, "AutoModelForCausalLM"),
    "gpt2 from a pickle with masks": ("gpt2", {"buffers": True}, "AutoModelForCausalLM"),
    "t5 from a sentencepiece model": ("t5", {}, "AutoModelForSeq2SeqLM"),
    "t5 v1.1 in float16": ("t5", {"separate": True, "half": True}, "AutoModelForSeq2SeqLM"),
    "roberta": ("roberta", {}, "AutoModelForMaskedLM"),
}


@pytest.mark.parametrize(("kind", "options", "opener"), PUBLIC.values(), ids=PUBLIC)
def test_a_public_checkpoint_becomes_one_that_transformers_opens_whole(tmp_path, kind, options, opener):
    found = getattr(public_models, kind)(tmp_path / "found", **options)
    export(found, tmp_path / "out", "huggingface")
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES_OF_TEXT
    theirs, told = getattr(transformers, opener).from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not any(told.values()), told
    ours, again = load(found), load(tmp_path / "out")
    assert again.fit.ignored == ()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    for text in public_models.TEXTS:
        ids = ours.source_tokenizer.wrap(ours.source_tokenizer.encode(text)).ids
        assert list(ids) == list(again.source_tokenizer.wrap(again.source_tokenizer.encode(text)).ids)
        assert list(ids) == tokenizer(text)["input_ids"]
    row = torch.tensor([ids])
    more = {"decoder_input_ids": row} if kind == "t5" else {}
    with torch.no_grad():
        logits = theirs.eval()(row, **more).logits
        if ours.head.kind == "classification":
            expected = ours.module.classify(row)
        else:
            expected = ours.module.logits(ours.module(row, row) if more else ours.module(row))
    assert torch.allclose(logits, expected, atol=1e-3, rtol=1e-4)


def test_what_a_checkpoint_says_of_decoding_goes_along(tmp_path):
    found = public_models.t5(tmp_path / "found")
    said = {"num_beams": 3, "length_penalty": 0.7, "no_repeat_ngram_size": 2, "forced_eos_token_id": 1}
    (found / "generation_config.json").write_text(json.dumps({**said, "transformers_version": "4.1"}))
    export(found, tmp_path / "out", "huggingface")
    table = json.loads((tmp_path / "out" / "generation_config.json").read_text(encoding="utf-8"))
    assert said.items() <= table.items()
    assert table["decoder_start_token_id"] == 0
    assert load(tmp_path / "out").decoding == load(found).decoding


def test_a_damaged_checkpoint_is_not_half_exported(tmp_path, tree):
    found = public_models.gpt2(tmp_path / "found")
    shard = found / "model-00002-of-00003.safetensors"
    shard.write_bytes(shard.read_bytes()[:-10])
    before = tree(tmp_path)
    with pytest.raises(CheckpointError, match="bytes of data where its header ends them at"):
        export(found, tmp_path / "out", "huggingface")
    assert tree(tmp_path) == before


def test_two_vocabularies_are_not_made_one(tmp_path, monkeypatch, tree):
    from dataclasses import replace

    found = public_models.t5(tmp_path / "found")
    other = public_models.gpt2(tmp_path / "other")
    model = load(found)
    model = replace(model, tokenizers=(model.source_tokenizer, load(other).source_tokenizer))
    monkeypatch.setattr("regard.runs.export.load", lambda name, **options: model)
    before = tree(tmp_path)
    with pytest.raises(ExportError, match=r"got two vocabularies, one for each language; expected one tokenizer.json"):
        export(found, tmp_path / "out", "huggingface")
    assert tree(tmp_path) == before


def test_both_sentencepiece_models_of_marian_become_tokenizers(tmp_path):
    """Others find the source's; the target's is beside it, for us."""
    found = public_models.marian(tmp_path / "found")
    export(found, tmp_path / "out", "huggingface")
    _, told = transformers.MarianMTModel.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not any(told.values()), told
    ours, again = load(found), load(tmp_path / "out")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    for text in (text for one in public_models.TEXTS for text in (one, one.upper())):
        assert again.target_tokenizer.encode(text) == ours.target_tokenizer.encode(text)
        assert theirs(text)["input_ids"] == list(ours.source_tokenizer.wrap(ours.source_tokenizer.encode(text)).ids)
    texts = public_models.TEXTS[:2]
    assert again.translate(texts, beam=1, max_extra=4) == ours.translate(texts, beam=1, max_extra=4)


@pytest.mark.parametrize("name", [name for name in OF_TEXT if families.get(name).MODEL_TYPES])
def test_a_run_of_every_public_family_is_opened_whole_by_transformers(tmp_path, name):
    """Fresh weights of the family's toy size, with a tokenizer of its layout, as a run leaves them."""
    family = families.get(name)
    tokenizer = train_tokenizer(public_models.TEXTS * 3, TokenizerSettings(kind="word"), LAYOUTS[family.LAYOUT])
    roles = {role: getattr(tokenizer, role) for role in ("eos", "pad", "bos", "sep", "mask")}
    vocabulary = family.vocabulary(tokenizer.size, tokenizer.size, shared=True, roles=roles)
    run = tmp_path / "run"
    run.mkdir()
    write_tokenizers(run, tokenizer, tokenizer)
    recipe = Recipe(name, family.TOY, TaskSettings(kind=family.TASKS[0], block=8))
    write_model(run, recipe, family.build(family.TOY, vocabulary, LANGUAGE), LANGUAGE)
    (run / "recipe.toml").write_text(recipe.to_toml(), encoding="utf-8")
    export(run, tmp_path / "out", "huggingface")
    table = json.loads((tmp_path / "out" / "config.json").read_text(encoding="utf-8"))
    opener = getattr(transformers, table["architectures"][0])
    _, told = opener.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not any(told.values()), told
    text = public_models.TEXTS[0]
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")(text)["input_ids"]
    assert theirs == list(tokenizer.wrap(tokenizer.encode(text)).ids)
    assert load(tmp_path / "out").family == load(run).family
