"""Public checkpoints that are damaged or do not fit: named, with exit code 2, nothing loaded and nothing written."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.runs import public_models


def change(folder: Path, **values: Any) -> None:
    table = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**table, **values}))


def rewrite(folder: Path, act: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """The weights as one file, after ``act`` has changed them."""
    shards = sorted(folder.glob("model-*.safetensors"))
    weights = {name: tensor for path in shards for name, tensor in load_file(path).items()}
    for path in [*shards, folder / "model.safetensors.index.json"]:
        path.unlink()
    act(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def whole(weights: dict[str, torch.Tensor], ending: str) -> str:
    return next(name for name in weights if name.endswith(ending))


def misshape(weights: dict[str, torch.Tensor]) -> None:
    weights[whole(weights, "wpe.weight")] = torch.zeros(3, 16)


def add_stranger(weights: dict[str, torch.Tensor]) -> None:
    weights["transformer.h.0.attn.c_mystery.weight"] = torch.zeros(2)


class Calls:
    """What a hostile pickle asks for: a call of a function by its name."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("it-was-run",)


def hostile(folder: Path) -> None:
    for path in folder.glob("model*"):
        path.unlink()
    torch.save({"wte.weight": Calls()}, folder / "pytorch_model.bin")


def bomb(folder: Path) -> None:
    """A pickle whose archive would expand to far more than its size."""
    for path in folder.glob("model*"):
        path.unlink()
    with zipfile.ZipFile(folder / "pytorch_model.bin", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}q\x00.")
        archive.writestr("archive/data/0", bytes(1 << 22))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (
        lambda folder: os.truncate(folder / "model-00002-of-00003.safetensors", 900),
        "model-00002-of-00003.safetensors: got ",
    ),
    "a shard is missing": (
        lambda folder: (folder / "model-00002-of-00003.safetensors").unlink(),
        "got no model-00002-of-00003.safetensors (1 of 3 files missing); expected every file that",
    ),
    "a wrong shape": (
        lambda folder: rewrite(folder, misshape),
        "has shape [3, 16], not [48, 16]; expected the model's",
    ),
    "missing weights": (
        lambda folder: rewrite(folder, lambda weights: weights.pop(whole(weights, "ln_f.bias"))),
        "is missing; expected the model's own names and shapes",
    ),
    "an unknown weight": (lambda folder: rewrite(folder, add_stranger), "c_mystery.weight has no place in this family"),
    "an unknown family": (
        lambda folder: change(folder, model_type="mamba"),
        "config.json: got model_type 'mamba'; expected one of albert, ",
    ),
    "no weights": (
        lambda folder: [path.unlink() for path in folder.glob("model*")],
        "expected model.safetensors or pytorch_model.bin, whole or in shards with an index",
    ),
    "a tokenizer of another vocabulary": (
        lambda folder: change(folder, vocab_size=200) or rewrite(folder, cut_vocabulary),
        "got tokenizers of 301 and 301 ids with a model of 200 and 200; expected no more ids than the model has;",
    ),
    "no tokenizer": (
        lambda folder: (folder / "merges.txt").unlink(),
        "got no tokenizer file; expected one of tokenizer.json",
    ),
    "a config that is not enough": (
        lambda folder: (folder / "config.json").write_text('{"model_type": "gpt2"}'),
        "expected a complete configuration; use the config.json that was saved",
    ),
    "a hostile pickle": (hostile, "pytorch_model.bin: got "),
    "a pickle that expands": (bomb, "pytorch_model.bin: got "),
}


def cut_vocabulary(weights: dict[str, torch.Tensor]) -> None:
    name = whole(weights, "wte.weight")
    weights[name] = weights[name][:200].clone()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return public_models.gpt2(tmp_path_factory.mktemp("public") / "gpt2")


@pytest.mark.parametrize(("spoil", "says"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_checkpoint_is_refused_by_every_command(refuses, sound, toy, tmp_path, monkeypatch, spoil, says):
    import shutil

    folder = Path(shutil.copytree(sound, tmp_path / "model"))
    spoil(folder)
    monkeypatch.chdir(tmp_path)
    for words in (
        ["complete", folder, "A dog"],
        ["fill", folder, "A [MASK]"],
        ["classify", folder, toy / "test.en"],
        ["embed", folder, toy / "test.en", "--out", tmp_path / "v.npy"],
        ["search", folder, toy / "test.en", "a dog"],
        ["evaluate", folder, "--text", toy / "test.en"],
        ["export", folder, tmp_path / "out"],
        ["train", "--init", folder, "--text", toy / "train.en", "--out", tmp_path / "run", "train.steps=1"],
    ):
        refuses(*words, says=says)
    refuses("inspect", folder, says=says)


def test_what_is_sound_works(command, sound, toy, tmp_path):
    """So that the refusals above are of the damage."""
    assert command("complete", sound, "A dog", "--max-new", 3, "--greedy").code == 0
    assert command("evaluate", sound, "--text", toy / "test.en").code == 0
    assert "a causal mask" not in command("inspect", sound).out
    assert command("export", sound, tmp_path / "out").out == f"{tmp_path / 'out'}\n"
