"""Recipes: complete, readable, and every mistake in them named at once."""

from __future__ import annotations

import dataclasses
import tomllib

import pytest

from regard import families
from regard.errors import SettingError
from regard.families import transformer
from regard.runs.recipe import SECTIONS, describe, recipe_from, with_train


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


def test_every_setting_is_listed_with_a_sentence_and_its_default():
    rows = {name: (text, default) for name, text, default in describe()}
    for section, cls in {**SECTIONS, "model": transformer.Config}.items():
        for field in dataclasses.fields(cls):
            text, default = rows.pop(f"{section}.{field.name}")
            assert default == field.default
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
        ({"model": {"size": "huge"}}, "model.size: got 'huge'; expected one of tiny, small, tutorial, base, big"),
        ({"model": {"size": 3}}, "model.size: got 3; expected one of"),
        ({"model": {"size": ["tiny"]}}, "model.size: got"),
        ({"model": "big"}, "model: got 'big'; expected a table; write [model] or model.key=value."),
        ({"train": 5}, "train: got 5; expected a table; write [train] or train.key=value."),
        ({"family": "rnn"}, "family: got 'rnn'; expected one of"),
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
            {"model": {"positions": "learned", "longest": 256}},
            "data.max_tokens: got 256 with learned positions for 255; expected no more; use 255, or raise",
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
