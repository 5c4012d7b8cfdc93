"""Recipes: complete, readable, and every mistake in them named at once."""

from __future__ import annotations

import dataclasses
import tomllib

import pytest

from regard import families
from regard.errors import SettingError
from regard.families import transformer
from regard.runs.recipe import SECTIONS, describe, label_smoothing, recipe_from, with_train


def problems(table: dict[str, object]) -> list[str]:
    with pytest.raises(SettingError) as caught:
        recipe_from(table, size="tiny")
    assert caught.value.exit_code == 2
    return str(caught.value).splitlines()


def test_an_empty_table_is_the_defaults_at_the_size_that_the_data_chose():
    for name, size in transformer.SIZES.items():
        recipe = recipe_from({}, size=name)
        assert recipe.model == size
        assert recipe.family == "transformer"
        assert all(getattr(recipe, section) == made() for section, made in SECTIONS.items())
        assert recipe.task.kind == "translation"


@pytest.mark.parametrize("name", families.names())
def test_a_family_s_first_size_is_taken_where_none_is_named(name):
    first = next(iter(families.get(name).SIZES.values()))
    assert recipe_from({"family": name}).model == first
    assert recipe_from({"family": name}, size="no such size").model == first
    changed = {"dropout": 0.25} if hasattr(first, "dropout") else {"heads": 2}
    assert recipe_from({"family": name, "model": changed}).model == dataclasses.replace(first, **changed)


def test_a_size_by_name_and_settings_over_it():
    table = {"model": {"size": "big", "dropout": 0.2, "layers": 2}}
    recipe = recipe_from(table, size="tiny")
    assert recipe.model == dataclasses.replace(transformer.SIZES["big"], dropout=0.2, layers=2)
    assert table == {"model": {"size": "big", "dropout": 0.2, "layers": 2}}  # what was handed in stays as it was


@pytest.mark.parametrize("size", transformer.SIZES)
@pytest.mark.parametrize(
    "table",
    [
        {},
        {"model": {"d_k": 3, "d_v": 5, "decoder_layers": 1, "positions": "learned", "norm": "post"}},
        {"train": {"steps": 7, "budget": "1h", "learning_rate": 1, "patience": 2, "epsilon": 1e-12}},
        {"data": {"source": 'a "quoted"\\ \n näme', "target": "b\t"}, "tokenizer": {"joint": False}},
        {"decode": {"sample": True, "top_p": 0.5, "seed": 2**63 - 1}},
    ],
    ids=str,
)
def test_a_written_recipe_reads_back_equal_whatever_size_the_reader_supposes(size, table):
    recipe = recipe_from(table, size=size)
    for supposed in ("base", "tiny"):
        assert recipe_from(tomllib.loads(recipe.to_toml()), size=supposed) == recipe


@pytest.mark.parametrize("name", families.names())
def test_a_recipe_of_every_family_size_and_task_reads_back_equal(name):
    family = families.get(name)
    nested = {"masking": {"share": 0.2, "whole_words": True}, "spans": {"mean_length": 2}, "infilling": {"share": 0.4}}
    for size in family.SIZES:
        for kind in family.TASKS:
            recipe = recipe_from({"family": name, "task": {"kind": kind, **nested}}, size=size)
            for supposed in family.SIZES:
                assert recipe_from(tomllib.loads(recipe.to_toml()), size=supposed) == recipe
            assert (recipe.family, recipe.task.kind, recipe.model) == (name, kind, family.SIZES[size])
            assert (recipe.task.masking.share, recipe.task.spans.mean_length) == (0.2, 2.0)


@pytest.mark.parametrize(
    ("table", "family", "kind"),
    [
        ({"data": {"source": "a", "target": "b"}}, "transformer", "translation"),
        ({"data": {"text": "a"}}, "gpt2", "next_token"),
        ({"data": {"text": "a", "label_column": "b"}}, "bert", "classification"),
        ({}, "transformer", "translation"),
        ({"family": "llama"}, "llama", "next_token"),
        ({"family": "bert", "data": {"text": "a"}}, "bert", "masked_token"),
        ({"family": "t5", "data": {"text": "a"}}, "t5", "span_corruption"),
        ({"family": "bart", "data": {"text": "a"}}, "bart", "denoising"),
        ({"family": "llama", "data": {"text": "a"}}, "llama", "next_token"),
        ({"family": "gpt2", "data": {"text": "a", "label_column": "b"}}, "gpt2", "classification"),
        ({"family": "roberta", "data": {"source": "a", "target": "b"}}, "roberta", "embedding"),
        ({"task": {"kind": "span_corruption"}}, "t5", "span_corruption"),
        ({"task": {"kind": "denoising"}}, "bart", "denoising"),
        ({"task": {"kind": "token_classification"}}, "bert", "token_classification"),
        ({"task": {"kind": "embedding"}, "data": {"text": "a"}}, "bert", "embedding"),
    ],
    ids=str,
)
def test_the_data_suggests_a_task_and_the_task_a_family(table, family, kind):
    recipe = recipe_from(table, size="tiny")
    assert (recipe.family, recipe.task.kind) == (family, kind)


def test_a_block_is_no_longer_than_the_model_can_read_unless_it_is_asked_for():
    table = {"family": "bert", "task": {"kind": "masked_token"}}
    for longest, block in ((512, 128), (64, 64)):
        assert recipe_from({**table, "model": {"longest": longest}}, size="tiny").task.block == block


def test_labels_are_smoothed_by_default_where_the_paper_does_and_where_it_is_asked():
    for kind, smoothing in (("translation", 0.1), ("next_token", 0.0), ("masked_token", 0.0), ("classification", 0.0)):
        assert label_smoothing(recipe_from({"task": {"kind": kind}}, size="tiny")) == smoothing
        asked = {"task": {"kind": kind}, "train": {"label_smoothing": 0.2}}
        assert label_smoothing(recipe_from(asked, size="tiny")) == 0.2
    off = {"train": {"label_smoothing": 0.0}}
    assert label_smoothing(recipe_from(off, size="tiny")) == 0.0


def settings_of(cls: type, before: str) -> list[tuple[str, object]]:
    """The names of all settings below a dataclass, with their defaults."""
    found = []
    for field in dataclasses.fields(cls):
        nested = dataclasses.is_dataclass(field.default_factory)
        name = f"{before}{field.name}"
        found += settings_of(field.default_factory, f"{name}.") if nested else [(name, field.default)]
    return found


def test_every_setting_is_listed_with_a_sentence_and_its_default():
    rows = {name: (text, value) for name, text, value in describe(recipe_from({"model": {"size": "base"}}))}
    for section, cls in {**SECTIONS, "model": transformer.Config}.items():
        for name, default in settings_of(cls, f"{section}."):
            text, told = rows.pop(name)
            assert told == default
            assert len(text) > 5
    assert rows == {}


def test_all_mistakes_are_told_at_once():
    found = problems(
        {
            "trian": {"steps": 1},
            "train": {"stepss": 1, "steps": 0, "seed": "x", "clip": True, "optimizer": "sgd"},
            "model": {"d_modle": 1, "dropout": 1.0},
            "data": {"max_tokens": 2.5},
        }
    )
    expected = [
        "trian: got an unknown key; expected a known one; did you mean train.",
        "train.stepss: got an unknown key; expected a known one; did you mean train.steps.",
        "train.steps: got 0; expected at least 1",
        "train.seed: got 'x'; expected a whole number",
        "train.clip: got True; expected a number",
        "train.optimizer: got 'sgd'; expected one of adam, adamw",
        "model.d_modle: got an unknown key; expected a known one; did you mean model.d_model.",
        "model.dropout: got 1.0; expected less than 1.0",
        "data.max_tokens: got 2.5; expected a whole number",
    ]
    assert len(found) == len(expected)
    assert all(any(line.startswith(start) for line in found) for start in expected)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"model": {"size": "huge"}}, "model.size: got 'huge'; expected one of small, tiny, tutorial, base, big"),
        ({"model": {"size": 3}}, "model.size: got 3; expected one of"),
        ({"model": {"size": ["tiny"]}}, "model.size: got"),
        ({"model": "big"}, "model: got 'big'; expected a table; write [model] or model.key=value."),
        ({"train": 5}, "train: got 5; expected a table; write [train] or train.key=value."),
        ({"family": "mamba"}, "family: got 'mamba'; expected one of"),
        ({"family": ["transformer"]}, "family: got"),
        (
            {"model": {"heads": 7, "d_model": 512}},
            "model.heads: got 7 with d_model 512; expected a divisor of d_model; use 8.",
        ),
        ({"train": {"learning_rate": float("nan")}}, "train.learning_rate: got nan; expected a finite number"),
        ({"train": {"learning_rate": float("inf")}}, "train.learning_rate: got inf; expected a finite number"),
        ({"decode": {"n_best": 9}}, "decode.n_best: got 9; expected at most beam"),
        ({"tokenizer": {"size": 10}}, "tokenizer.size: got 10; expected 0 or at least"),
        (
            {"family": "bert", "data": {"text": "a"}, "task": {"block": 513}},
            "task.block: got 513 with positions for 512; expected no more; use 512, or raise model.longest.",
        ),
        (
            {"family": "bert", "task": {"kind": "translation"}},
            "task.kind: got translation with family bert; expected one of masked_token, classification, "
            "token_classification, embedding; or take one of the families bart, convs2s, marian, mbart, pegasus, rnn, "
            "t5, ",
        ),
        ({"task": {"kind": "parsing"}}, "task.kind: got 'parsing'; expected one of translation, embedding, next_token"),
        ({"task": {"masking": {"share": 1}}}, "task.masking.share: got 1; expected less than 1"),
        ({"task": {"masking": {"mask": 1, "random": 1}}}, "task.masking.mask: got 1 with random 1; expected shares"),
        (
            {"task": {"masking": {"shares": 0}}},
            "task.masking.shares: got an unknown key; expected a known one; did you",
        ),
        (
            {"init": {"new_tokens": ["a"]}},
            "init.new_tokens: got ('a',) without a checkpoint; expected weights to begin with; give --init RUN_OR",
        ),
        ({"init": {"lora_rank": 4}}, "init.lora_rank: got 4 without a checkpoint; expected weights to begin with"),
        (
            {"init": {"checkpoint": "a", "new_tokens": ["b"], "lora_rank": 4}},
            "init.new_tokens: got new words with low-rank changes, which leave the embeddings as they are; expected",
        ),
    ],
    ids=str,
)
def test_a_mistake_is_named(table, message):
    assert any(line.startswith(message) for line in problems(table)), problems(table)


def test_the_family_that_a_recipe_names_is_one_of_the_listing():
    assert recipe_from({"family": "transformer"}, size="tiny").family in families.names()


def test_training_settings_may_be_changed_alone():
    recipe = recipe_from({}, size="tiny")
    changed = with_train(recipe, steps=9)
    assert changed.train.steps == 9
    assert with_train(changed, steps=recipe.train.steps) == recipe
