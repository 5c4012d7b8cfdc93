"""Settings: dataclass ↔ TOML ↔ command line, and what is said of those that are wrong."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regard.config import build, check, describe, merge, parse_overrides, read_toml, setting, to_table, to_toml
from regard.errors import SettingError


@dataclass(frozen=True)
class Model:
    d_model: int = setting(512, help="width", minimum=1)
    heads: int = setting(8, help="attention heads", minimum=1)
    dropout: float = setting(0.1, help="P_drop", minimum=0.0, below=1.0)
    activation: str = setting("relu", help="inner function", choices=("relu", "gelu"))
    decoder_layers: int | None = setting(None, help="blocks of the decoder", minimum=1)
    scale: float | None = setting(None, help="of the dot product")

    def __post_init__(self) -> None:
        if self.d_model % self.heads:
            raise SettingError.because("heads", self.heads, "a divisor of d_model", "use another")


@dataclass(frozen=True)
class Train:
    steps: int = setting(1000, help="updates", minimum=1)
    bfloat16: bool = setting(False, help="half the bits")
    betas: tuple[float, ...] = setting((0.9, 0.98), help="of Adam")


@dataclass(frozen=True)
class Recipe:
    name: str = setting("", help="of the run")
    model: Model = field(default_factory=Model)
    train: Train = field(default_factory=Train)

    def __post_init__(self) -> None:
        if self.train.steps < self.model.heads:
            raise SettingError.because("train.steps", self.train.steps, "a step a head", "train longer")


def problems(table: dict[str, Any]) -> list[str]:
    with pytest.raises(SettingError) as caught:
        build(Recipe, table)
    return str(caught.value).splitlines()


def test_an_empty_table_is_all_defaults() -> None:
    assert build(Recipe, {}) == Recipe()


def test_tables_become_nested_settings() -> None:
    recipe = build(Recipe, {"name": "a", "model": {"heads": 4, "scale": 2}, "train": {"betas": [0.5, 0.9]}})
    assert recipe == Recipe("a", Model(heads=4, scale=2.0), Train(betas=(0.5, 0.9)))
    assert isinstance(recipe.model.scale, float)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"model": {"heads": True}}, "model.heads: got True; expected a whole number; change it (the default is 8)."),
        ({"model": {"heads": "8"}}, "model.heads: got '8'; expected a whole number; change it (the default is 8)."),
        ({"model": {"heads": 8.0}}, "model.heads: got 8.0; expected a whole number; change it (the default is 8)."),
        ({"model": {"heads": 0}}, "model.heads: got 0; expected at least 1; use 1 or more (the default is 8)."),
        (
            {"model": {"dropout": 1}},
            "model.dropout: got 1; expected less than 1.0; use less than 1.0 (the default is 0.1).",
        ),
        (
            {"model": {"dropout": -0.1}},
            "model.dropout: got -0.1; expected at least 0.0; use 0.0 or more (the default is 0.1).",
        ),
        ({"model": {"dropout": False}}, "model.dropout: got False; expected a number; change it (the default is 0.1)."),
        (
            {"model": {"activation": "tanh"}},
            "model.activation: got 'tanh'; expected one of relu, gelu; change it (the default is 'relu').",
        ),
        (
            {"model": {"decoder_layers": "two"}},
            "model.decoder_layers: got 'two'; expected a whole number; change it (the default is None).",
        ),
        (
            {"train": {"bfloat16": 1}},
            "train.bfloat16: got 1; expected true or false; change it (the default is False).",
        ),
        ({"train": {"betas": 0.9}}, "train.betas: got 0.9; expected a list; change it (the default is (0.9, 0.98))."),
        (
            {"train": {"betas": [0.9, "x"]}},
            "train.betas: got [0.9, 'x']; expected a list, each a number; change it (the default is (0.9, 0.98)).",
        ),
        ({"name": 5}, "name: got 5; expected text; change it (the default is '')."),
        ({"train": 5}, "train: got 5; expected a table of settings; change it."),
    ],
)
def test_a_wrong_value_is_named_with_the_rule_and_the_default(table: dict[str, Any], message: str) -> None:
    assert problems(table) == [message]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400])
def test_a_number_must_be_finite(value: float) -> None:
    assert "expected a finite number" in problems({"model": {"scale": value}})[0]


def test_a_range_includes_its_minimum_and_excludes_its_end() -> None:
    assert build(Model, {"dropout": 0}).dropout == 0.0
    assert build(Model, {"dropout": 0.999}).dropout == 0.999


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"model": {"d_modle": 1}},
            "model.d_modle: got an unknown key; expected a known one; did you mean model.d_model.",
        ),
        ({"train": {"stps": 1}}, "train.stps: got an unknown key; expected a known one; did you mean train.steps."),
        ({"modle": {}}, "modle: got an unknown key; expected a known one; did you mean model."),
        ({"stepz": 1}, "stepz: got an unknown key; expected a known one; did you mean train.steps."),
        ({"heads": 1}, "heads: got an unknown key; expected a known one; did you mean model.heads."),
        (
            {"train": {"xyzzy": 1}},
            "train.xyzzy: got an unknown key; expected a known one; "
            "known here are train.steps, train.bfloat16, train.betas.",
        ),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(table: dict[str, Any], message: str) -> None:
    assert problems(table) == [message]


def test_all_problems_are_reported_at_once() -> None:
    found = problems({"nme": "a", "model": {"heads": 0, "d_modle": 3, "dropout": 2}, "train": {"steps": "many"}})
    assert [line.split(":")[0] for line in found] == [
        "nme",
        "model.heads",
        "model.d_modle",
        "model.dropout",
        "train.steps",
    ]


def test_a_dataclass_says_itself_how_its_settings_fit_together() -> None:
    expected = "model.heads: got 7; expected a divisor of d_model; use another."
    assert problems({"model": {"heads": 7}, "train": {"steps": 0}})[0] == expected
    assert problems({"train": {"steps": 7}})[0].startswith("train.steps: got 7; expected a step a head")


def test_settings_are_not_compared_with_one_that_is_wrong() -> None:
    assert len(problems({"model": {"heads": 7, "d_model": "wide"}})) == 1
    assert len(problems({"model": {"heads": 7}, "train": {"steps": 1}})) == 1


def test_check_says_nothing_of_a_value_that_is_right() -> None:
    heads = Model.__dataclass_fields__["heads"]
    assert check(heads, int, "heads", 8) is None


recipes = st.builds(
    Recipe,
    name=st.text(st.characters(exclude_categories=["Cs"])),
    model=st.builds(
        Model,
        d_model=st.integers(1, 64).map(lambda width: width * 8),
        heads=st.sampled_from([1, 2, 4, 8]),
        dropout=st.floats(0.0, 0.99),
        activation=st.sampled_from(["relu", "gelu"]),
        decoder_layers=st.none() | st.integers(1, 9),
        scale=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    ),
    train=st.builds(
        Train,
        steps=st.integers(8, 10**9),
        bfloat16=st.booleans(),
        betas=st.lists(st.floats(0, 1)).map(tuple),
    ),
)


@given(recipes)
def test_settings_come_back_from_their_toml(recipe: Recipe) -> None:
    assert build(Recipe, tomllib.loads(to_toml(recipe))) == recipe


def test_toml_leaves_out_what_is_none_and_nothing_else() -> None:
    written = tomllib.loads(to_toml(Recipe()))
    assert written == {
        "name": "",
        "model": {"d_model": 512, "heads": 8, "dropout": 0.1, "activation": "relu"},
        "train": {"steps": 1000, "bfloat16": False, "betas": [0.9, 0.98]},
    }


def test_a_table_holds_only_what_toml_and_json_both_have() -> None:
    assert to_table(Train(betas=(0.5, 0.9))) == {"steps": 1000, "bfloat16": False, "betas": [0.5, 0.9]}


def test_the_second_table_lies_over_the_first() -> None:
    first = {"a": 1, "b": {"c": 2, "d": 3}}
    assert merge(first, {"b": {"d": 4, "e": 5}, "f": 6}) == {"a": 1, "b": {"c": 2, "d": 4, "e": 5}, "f": 6}
    assert first == {"a": 1, "b": {"c": 2, "d": 3}}


def test_overrides_are_toml_values_or_plain_text() -> None:
    words = [
        "train.steps=10",
        "model.dropout=0.3",
        "train.bfloat16=true",
        "train.betas=[0.8, 0.9]",
        "name=de-en",
        "x.y==",
    ]
    assert parse_overrides(words) == {
        "train": {"steps": 10, "bfloat16": True, "betas": [0.8, 0.9]},
        "model": {"dropout": 0.3},
        "name": "de-en",
        "x": {"y": "="},
    }


def test_a_later_override_wins() -> None:
    assert parse_overrides(["train.steps=1", "train.steps=2"]) == {"train": {"steps": 2}}


def test_text_with_lines_of_its_own_stays_text() -> None:
    assert parse_overrides(["name=1\nother = 2"]) == {"name": "1\nother = 2"}


@pytest.mark.parametrize("word", ["steps", "=5", "train..steps=5", "train.steps.=5", "two words=5", ".a=1", "a-b=1"])
def test_an_override_without_a_key_is_refused(word: str) -> None:
    with pytest.raises(SettingError) as caught:
        parse_overrides([word])
    expected = f"{word}: got no key=value; expected a setting such as train.steps=1000; write it so."
    assert str(caught.value) == expected


def test_a_recipe_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_bytes(b"\xef\xbb\xbf[train]\nsteps = 3\n")
    assert read_toml(tmp_path / "r.toml") == {"train": {"steps": 3}}


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (b"steps = ", "Invalid value"),
        (b"steps = 1\nsteps = 2\n", "Cannot overwrite a value"),
        (b"steps = " + b"1" * 5000, "4300 digits"),
        (b"steps = " + b"[" * 100_000, "recursion"),
        (b"name = '\xff'", "bytes that are not UTF-8; expected a TOML file; save it as UTF-8."),
    ],
    ids=["syntax", "twice", "digits", "nesting", "encoding"],
)
def test_a_recipe_that_is_not_toml_is_refused(tmp_path: Path, content: bytes, got: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes(content)
    with pytest.raises(SettingError) as caught:
        read_toml(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: got ")
    assert got in message
    assert "expected valid TOML; correct that line." in message or "UTF-8" in got


def test_the_place_of_a_mistake_in_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("[train]\nsteps = = 3\n")
    with pytest.raises(SettingError, match=r"at line 2, column 9"):
        read_toml(tmp_path / "recipe.toml")


def test_a_recipe_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    rule = "expected a readable TOML file; check the path."
    with pytest.raises(SettingError) as missing:
        read_toml(tmp_path / "none.toml")
    assert str(missing.value) == f"{tmp_path / 'none.toml'}: got No such file or directory; {rule}"
    with pytest.raises(SettingError) as folder:
        read_toml(tmp_path)
    assert str(folder.value).endswith(rule)


def test_describe_tells_every_setting_with_its_help_and_default() -> None:
    described = {name: (help, default) for name, help, default in describe(Recipe)}
    assert described["model.heads"] == ("attention heads", 8)
    assert described["train.betas"] == ("of Adam", (0.9, 0.98))
    assert list(described)[:3] == ["name", "model.d_model", "model.heads"]
    assert len(described) == 1 + 6 + 3
