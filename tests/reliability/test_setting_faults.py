"""Part C of the catalogue: settings that are wrong, contradict each other or ask for too much. One test a row."""

from __future__ import annotations

import ast
import dataclasses
import math
import re
from pathlib import Path

import pytest
import torch

from regard import families
from regard.config import read_toml
from regard.data.tokenizers.tokenizer import TokenizerSettings, train_tokenizer
from regard.errors import SettingError
from regard.layers.attention import attention
from regard.runs import room
from regard.runs.material import prepare, read_corpus
from regard.runs.recipe import recipe_from
from regard.runs.room import at_most, bytes_needed, count_parameters, refuse_too_large
from regard.tasks.loss import label_smoothed_cross_entropy

ROOT = Path(__file__).parents[2]
ROLES = dict.fromkeys(("eos", "pad", "bos", "sep", "mask"), 0)
LARGE = 3e8  # weights: what counting is compared with the whole model up to this size


@pytest.fixture
def told(command, toy, tmp_path, tree):
    """What ``regard train`` says of settings that it refuses with exit code 2, having written nothing."""

    def run(*words: str) -> str:
        before = tree(tmp_path)
        texts = ("--source", toy / "train.en", "--target", toy / "train.de")
        ended = command("train", *words, *texts, "--out", tmp_path / "run")
        assert (ended.code, ended.out) == (2, "")
        assert tree(tmp_path) == before
        return str(ended.err)

    return run


def test_c1_every_unknown_key_is_told_at_once_with_the_nearest(told) -> None:
    said = told("model.d_modle=64", "train.stesp=3", "trian.steps=1")
    for wrong, right in (("model.d_modle", "model.d_model"), ("train.stesp", "train.steps"), ("trian", "train")):
        assert f"{wrong}: got an unknown key; expected a known one; did you mean {right}." in said


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ('"512"', "got '512'; expected a whole number"),
        ("true", "got True; expected a whole number"),
        ("1e3", "got 1000.0; expected a whole number"),
        ("nan", "got nan; expected a whole number"),
        ("1__0", "got '1__0'; expected a whole number"),
        ("{a = 1}", "got {'a': 1}; expected a whole number"),
        ("[8]", "got [8]; expected a whole number"),
    ],
)
def test_c2_a_value_of_another_type_is_refused(told, value: str, says: str) -> None:
    assert f"model.d_model: {says}" in told(f"model.d_model={value}")


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999", "9" * 400])
def test_c2_numbers_must_be_finite(told, value: str) -> None:
    assert "expected a finite number" in told(f"train.weight_decay={value}")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[train]\nsteps = 1\nsteps = 2\n", "Cannot overwrite a value (at line 3"),
        ("[train]\n[train]\n", "twice"),
        ("a = " + "[" * 100_000, "expected valid TOML"),
        ("steps = " + "9" * 5000, "expected valid TOML"),
        ("steps = 0755", "expected valid TOML"),
    ],
    ids=["key", "table", "depth", "digits", "octal"],
)
def test_c2_a_recipe_with_duplicates_or_without_end_is_refused(tmp_path, text: str, says: str) -> None:
    (tmp_path / "a.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingError) as raised:
        read_toml(tmp_path / "a.toml")
    assert says in str(raised.value)
    assert "correct that line" in str(raised.value)


def test_c2_json_is_never_read_into_settings_with_a_key_twice() -> None:
    """Recipes are TOML, whose parser refuses a second key; JSON, which keeps the last, is no way to give one."""
    assert "json" not in (ROOT / "src" / "regard" / "config.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["model.heads=7", "model.d_model=512"], "expected a divisor of d_model; use 8."),
        (["model.d_model=15", "model.heads=3"], "expected an even number with sinusoids; use 16"),
        (["model.heads=0"], "model.heads: got 0; expected at least 1; use 1 or more (the default is 8)."),
        (["model.layers=-2"], "model.layers: got -2; expected at least 1; use 1 or more"),
        (["model.dropout=1.5"], "model.dropout: got 1.5; expected less than 1.0; use less than 1.0"),
        (["train.label_smoothing=1.0"], "expected less than 1.0; use less than 1.0"),
        (["train.warmup=0"], "train.warmup: got 0; expected at least 1; use 1 or more"),
        (["decode.beam=0"], "decode.beam: got 0; expected at least 1; use 1 or more"),
        (["tokenizer.size=-1"], "tokenizer.size: got -1; expected at least 0; use 0 or more"),
        (["tokenizer.size=5"], "tokenizer.size: got 5; expected 0 or at least 260"),
        (["model.norm=per"], "model.norm: got 'per'; expected one of post, pre; use pre (the default is 'post')."),
        (["model.norm=zzz"], "model.norm: got 'zzz'; expected one of post, pre; change it (the default is 'post')."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_c3_a_value_out_of_range_comes_with_the_nearest_one(told, words: list[str], says: str) -> None:
    assert says in told(*words)


def test_c3_no_setting_is_checked_by_an_assertion() -> None:
    """``python -O`` leaves assertions out, so the files that check settings have none."""
    paths = [ROOT / "src" / "regard" / name for name in ("config.py", "runs/recipe.py", "runs/plan.py", "runs/room.py")]
    paths += sorted((ROOT / "src" / "regard" / "families").glob("*.py"))
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name in (
                "__post_init__",
                "check",
                "build",
                "refuse_too_large",
            ):
                assert not any(isinstance(below, ast.Assert) for below in ast.walk(node)), path


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["family=bart", "tokenizer.joint=false"],
            "tokenizer.joint: got false; expected one vocabulary for both sides",
        ),
        (
            ["model.positions=learned", "model.longest=9"],
            "data.max_tokens: got 256 with positions for 9; expected room",
        ),
        (["family=bert", "task.kind=next_token"], "task.kind: got next_token with family bert; expected one of"),
        (
            ["task.kind=next_token", "model.longest=9", "task.block=64", "family=gpt2"],
            "task.block: got 64 with positions",
        ),
        (["decode.n_best=9", "decode.beam=2"], "decode.n_best: got 9; expected at most beam (2)"),
        (["init.lora_rank=4"], "lora_rank: got 4 without a checkpoint; expected weights to begin with"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_c4_settings_that_contradict_each_other_are_named_together(told, words: list[str], says: str) -> None:
    assert says in told(*words)


@pytest.mark.parametrize("name", families.names())
def test_c5_weights_are_counted_without_making_them(name: str) -> None:
    """As many as the whole model has, put together on torch's device without memory; never more than ``at_most``."""
    family = families.get(name)
    for config in family.SIZES.values():
        found = count_parameters(family, config, 1000, 1000, shared=True)
        assert found is not None
        assert found <= at_most(config, 2000)
        if found < LARGE:
            with torch.device("meta"):
                model = family.build(config, family.vocabulary(1000, 1000, shared=True, roles=ROLES))
            assert found == sum(weight.numel() for weight in model.parameters())


def test_c5_bytes_are_those_of_weights_gradients_and_statistics() -> None:
    settings = recipe_from({}).train
    assert bytes_needed(10, settings) == 10 * 4 * 4
    assert bytes_needed(10, dataclasses.replace(settings, optimizer="muon", average="running")) == 10 * 4 * 4
    assert bytes_needed(10, settings, learning=False) == 40


@pytest.mark.parametrize(
    "words",
    [
        ["model.layers=1000000000"],
        ["model.d_model=1048576"],
        ["model.d_ff=9000000000000000000"],
        ["model.layers=99999"],
    ],
    ids=" ".join,
)
def test_c5_a_model_without_room_is_refused_before_a_line_is_read(told, words: list[str]) -> None:
    said = told(*words)
    assert "model: got " in said
    assert "preparing" not in said
    beyond = "9000000000000000000" in words[0]
    assert (
        "sizes that no tensor can have" if beyond else "GiB with their gradients and adam; expected at most"
    ) in said
    assert "use a smaller one, such as model.size=" in said


def test_c5_the_vocabulary_counts_and_what_fits_is_named(tmp_path, toy, monkeypatch) -> None:
    data = {"source": str(toy / "train.en"), "target": str(toy / "train.de")}
    recipe = recipe_from({"data": data, "model": {"layers": 1, "d_model": 64, "d_ff": 64, "heads": 2}})
    monkeypatch.setattr(room, "memory_here", lambda: 3 * 2**20)
    corpus = read_corpus(recipe)  # about 1 MiB without its embeddings
    both = train_tokenizer((text for pair in corpus.train() for text in pair), TokenizerSettings(size=900))
    prepare(corpus, tmp_path / "fits", both, both)
    monkeypatch.setattr(room, "memory_here", lambda: int(1.4 * 2**20))
    with pytest.raises(SettingError, match=r"model: got .*lower model\.layers and model\.d_model") as raised:
        prepare(corpus, tmp_path / "run", both, both)
    assert "parameters, which take" in str(raised.value)
    assert not (tmp_path / "run").exists()
    monkeypatch.setattr(room, "memory_here", lambda: 2**30)
    with pytest.raises(
        SettingError, match=r"expected at most the 1\.0 GiB of this machine, and room for the batches; use a"
    ):
        refuse_too_large(recipe_from({"family": "gpt2", "model": {"size": "gpt3-175b"}}), 1, 1, shared=True)
    frozen = recipe_from({"family": "gpt2", "model": {"size": "small"}, "init": {"checkpoint": "x", "lora_rank": 2}})
    refuse_too_large(frozen, 1, 1, shared=True)


def test_c5_who_insists_begins_with_a_warning_and_gets_our_error_where_memory_ends(
    command, small_words, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr("regard.runs.finish.write_report", lambda *arguments, **options: None)
    monkeypatch.setattr(room, "memory_here", lambda: 2**16)
    words = ["train", *small_words, "train.steps=2", "train.save_every=2", "train.validate_every=2", "--out"]
    refused = command(*words, tmp_path / "run")
    assert refused.code == 2
    assert "or add --force to try" in refused.err
    assert not (tmp_path / "run").exists()
    forced = command(*words, tmp_path / "run", "--force")
    assert forced.code == 0
    assert re.search(r"--force: the model has \S+ parameters, which take .* the system may kill the run", forced.err)
    monkeypatch.setattr(room, "memory_here", lambda: 2**30)
    beyond = command("train", *small_words, "model.d_ff=1099511627776", "--out", tmp_path / "large", "--force")
    assert beyond.code == 1
    assert re.search(r"model: got .*allocate.*; expected memory for weights and statistics; use a smaller", beyond.err)
    assert not (tmp_path / "large").exists()
    none = command("train", *small_words, f"model.d_ff={9 * 10**18}", "--out", tmp_path / "large", "--force")
    assert none.code == 2
    assert "sizes that no tensor can have" in none.err
    assert "--force" not in none.err


def test_c6_a_query_that_may_look_nowhere_gets_zeros_by_either_way() -> None:
    query, key, value = (torch.randn(1, 2, 4, 8) for _ in range(3))
    mask = torch.ones(1, 1, 4, 4, dtype=torch.bool)
    mask[..., 2, :] = False
    weights: list[torch.Tensor] = []
    for recorder in (None, weights.append):
        found = attention(query, key, value, mask=mask, recorder=recorder)
        assert torch.equal(found[:, :, 2], torch.zeros(1, 2, 8))
        assert found.isfinite().all()
    assert torch.equal(weights[0][:, :, 2], torch.zeros(1, 2, 4))


def test_c7_a_batch_of_padding_loses_nothing() -> None:
    """Where torch's mean is not a number. The loop passes over such a batch: tests/training/test_loop.py."""
    hidden, weight = torch.randn(6, 4, requires_grad=True), torch.randn(5, 4, requires_grad=True)
    targets = torch.zeros(6, dtype=torch.int64)
    assert math.isnan(torch.nn.functional.cross_entropy(hidden @ weight.T, targets, ignore_index=0).item())
    counted = targets != 0
    losses = label_smoothed_cross_entropy(hidden[counted], weight, None, targets[counted], smoothing=0.1)
    assert losses.smoothed.item() == losses.plain.item() == 0.0
    losses.smoothed.backward()
    assert weight.grad is not None
    assert not weight.grad.any()


def test_c8_other_settings_on_resume_are_refused_and_listed(command, run_copy, tree) -> None:
    before = tree(run_copy)
    ended = command("train", "train.steps=60", "model.dropout=0.3", "--out", run_copy, "--resume")
    assert ended.code == 2
    assert "--resume: got " in ended.err
    assert "expected the settings that the run began with; leave them out, or begin another run." in ended.err
    for changed in ("train.steps=60", "model.dropout=0.3"):
        assert changed in ended.err
    assert tree(run_copy) == before
