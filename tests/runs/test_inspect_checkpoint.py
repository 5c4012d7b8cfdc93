"""What inspection says of checkpoints: the truth about their sizes, and each trap that was put into them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.runs import public_models

from regard.errors import CheckpointError
from regard.runs.checkpoints import inspect_checkpoint as inspecting
from regard.runs.checkpoints.checkpoint_traps import TRAPS
from regard.runs.checkpoints.inspect_checkpoint import inspect_checkpoint
from regard.runs.folder import load

PICKLED = "come as a pickle (.bin) only"
SPARE = "belong to no token of the tokenizer"
OLD_FILES = "There is no tokenizer.json"
CASES: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "BERT of 2018": ("bert", {}, ["position_ids: only the numbers", PICKLED, SPARE, OLD_FILES]),
    "BERT with gamma and beta": (
        "bert",
        {"old_names": True},
        ["gamma and beta are the old names of a norm's", "position_ids", PICKLED, SPARE, OLD_FILES],
    ),
    "GPT-2 in shards": ("gpt2", {}, [OLD_FILES]),
    "GPT-2 with its mask": ("gpt2", {"buffers": True}, ["a causal mask, no weight", PICKLED, OLD_FILES]),
    "T5": ("t5", {}, [SPARE, OLD_FILES]),
    "T5 v1.1 by transformers 5, halved": (
        "t5",
        {"separate": True, "half": True, "cross_bias": True},
        [
            "says tie_word_embeddings: true, but lm_head.weight is a matrix of its own",
            "attention to the source has no relative bias",
            SPARE,
            "The weights are float16: they are turned into float32",
            "gated-gelu means the tanh approximation",
            OLD_FILES,
        ],
    ),
    "RoBERTa": ("roberta", {}, ["max_position_embeddings 34 means at most 32 tokens", OLD_FILES]),
}


@pytest.mark.parametrize(("kind", "options", "told"), CASES.values(), ids=CASES)
def test_every_trap_in_a_folder_is_told_and_no_other(tmp_path, kind, options, told):
    folder = getattr(public_models, kind)(tmp_path / "model", **options)
    found = inspect_checkpoint(folder)
    assert len(found.traps) == len(told), found.traps
    for trap, words in zip(found.traps, told, strict=True):
        assert words in trap
        assert trap.endswith(".")
    json.dumps(found.to_dict())
    model = load(folder)
    assert found.table["parameters"] == model.parameters
    assert found.table["family"] == kind
    assert found.table["head"] == "language"
    assert found.table["missing_weights"] == []
    assert found.table["source_vocabulary"] == model.source_tokenizer.size


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"normalize_before": False, "add_final_layer_norm": True}, "add_final_layer_norm, normalize_before in config"),
        ({"auto_map": {"AutoModel": "its_own.Model"}}, "names code of the model's own (auto_map): it is never run"),
        (
            {"torch_dtype": "float16", "dtype": None},
            "config.json says torch_dtype: float16, but the files hold float32",
        ),
        ({"dtype": "bfloat16"}, "config.json says dtype: bfloat16, but the files hold float32: the files count"),
    ],
)
def test_what_the_config_says_beside_the_point_is_told(tmp_path, changes, told):
    folder = public_models.gpt2(tmp_path / "model")
    table = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**table, **changes}))
    (trap,) = (one for one in inspect_checkpoint(folder).traps if "tokenizer.json" not in one)
    assert told in trap


def test_of_our_own_run_the_padding_that_begins_is_told(finished_run):
    found = inspect_checkpoint(finished_run)
    pad = load(finished_run).target_tokenizer.pad
    (trap,) = found.traps
    assert f"Decoding begins with <pad> (id {pad}), whose row of the embedding is zero" in trap
    assert found.table["task"] == "translation"
    assert found.table["checkpoints"][-1] == "step-30"
    assert found.table["tied_weights"] == [
        "encoder.embed.tokens.weight = decoder.embed.tokens.weight = output.weight",
    ]
    rows = dict(found.rows())
    assert rows["parameters"] == f"{load(finished_run).parameters:,}"
    assert rows["missing weights"] == "none"
    assert rows["norm"] == "post"


def test_no_number_of_the_weights_is_read(tmp_path, monkeypatch):
    folder = public_models.bert(tmp_path / "model")
    monkeypatch.setattr("regard.runs.folder.read_weights", None)
    monkeypatch.setattr("regard.runs.checkpoints.weight_files.read_old_pickle", None)
    assert inspect_checkpoint(folder).table["weights"]["files"] == ["pytorch_model.bin"]


def test_many_ignored_weights_are_counted_in_the_table(tmp_path, monkeypatch):
    monkeypatch.setattr(inspecting, "SHOWN", 1)
    rows = dict(inspect_checkpoint(public_models.bert(tmp_path / "model")).rows())
    assert rows["ignored weights"] == "cls.predictions.decoder.bias and 2 more"


def test_each_trap_has_a_purpose() -> None:
    assert all(trap.__doc__ for trap in TRAPS)
    assert len(set(TRAPS)) == len(TRAPS)


@pytest.mark.parametrize("missing", ["wte.weight", "h.1.mlp.c_fc.bias"])
def test_missing_weights_are_named(tmp_path, missing):
    from safetensors.torch import load_file, save_file

    folder = public_models.gpt2(tmp_path / "model")
    shards = sorted(folder.glob("*.safetensors"))
    weights = {name: tensor for path in shards for name, tensor in load_file(path).items()}
    for path in [*shards, folder / "model.safetensors.index.json"]:
        path.unlink()
    (lost,) = (name for name in weights if name.endswith(missing))
    del weights[lost]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"weights: got .* is missing; expected the model's own names and shapes"):
        inspect_checkpoint(folder)


def test_a_pipe_in_the_place_of_weights_is_not_waited_for(tmp_path: Path) -> None:
    import os

    folder = public_models.gpt2(tmp_path / "model")
    for path in folder.glob("model*"):
        path.unlink()
    os.mkfifo(folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"expected model.safetensors or pytorch_model.bin, whole or in shards"):
        inspect_checkpoint(folder)
