"""Weights that are no numbers, and bits that were flipped: what opens them all the same, and what tells of them."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from regard.cli.main import COMMANDS
from regard.runs.checkpoints.adapter import read_adapter, write_adapter
from regard.runs.checkpoints.manifest import write_manifest

WEIGHTS = "model.safetensors"
REFUSED = "expected finite weights; use a whole copy or an earlier checkpoint (to look at it all the same: "
WITH_RUNS = {one.__name__ for one in COMMANDS if inspect.signature(one).parameters.keys() & {"run", "runs"}}
OPENING = WITH_RUNS - {"inspect", "study"}  # the one opens no model, the other trains
EXPECTED = {  # what each says where every weight is NaN and it was told to open them
    "translate": "model: got logits that are no numbers; expected finite ones",
    "summarize": "model: got logits that are no numbers; expected finite ones",
    "evaluate": "model: got logits that are no numbers; expected finite ones",
    "compare": "model: got logits that are no numbers; expected finite ones",
    "look": "model: got logits that are no numbers; expected finite ones",
    "search": "queries: got no finite numbers in row 0; expected finite numbers",
    "complete": "expected one that can complete",
    "fill": "expected one that can fill",
    "classify": "expected one that can classify",
    "caption": "expected one that can caption",
    "detect": "expected one that can detect",
    "embed": "",
    "export": "",
}


@pytest.fixture
def spoilt(run_copy: Path) -> Path:
    """A run whose weights are all NaN, as one that diverged and was sealed so."""
    weights = load_file(run_copy / WEIGHTS)
    for weight in weights.values():
        weight.fill_(torch.nan)
    save_file(weights, run_copy / WEIGHTS, metadata={"format": "pt"})
    write_manifest(run_copy)
    return run_copy


def words_of(verb: str, run: Path, toy: Path, tmp_path: Path) -> list[object]:
    picture = tmp_path / "picture.png"
    Image.new("RGB", (8, 8)).save(picture)
    pairs: list[object] = ["--source", toy / "test.en", "--target", toy / "test.de"]
    after: dict[str, list[object]] = {
        "evaluate": pairs,
        "compare": pairs,
        "look": ["a dog", "--out", tmp_path / "page.html"],
        "search": [toy / "test.en", "a dog"],
        "complete": ["a dog"],
        "fill": ["a [MASK]"],
        **{verb: [picture] for verb in ("caption", "detect")},
        "export": [tmp_path / "exported"],
    }
    return [verb, run, *after.get(verb, [toy / "test.en"])]


@pytest.mark.parametrize("verb", sorted(OPENING))
def test_a9_every_command_that_opens_a_model_can_be_told_to_open_one_that_is_no_number(
    command, spoilt, toy, tmp_path, verb
):
    words = words_of(verb, spoilt, toy, tmp_path)
    refused = command(*words)
    assert (refused.code, refused.out) == (2, "")
    assert REFUSED + "--allow-nonfinite, in Python" in refused.err
    opened = command(*words, "--allow-nonfinite")
    assert REFUSED not in opened.err
    assert EXPECTED[verb] in opened.err
    assert opened.code == (2 if EXPECTED[verb] else 0)


def test_a9_a_low_rank_change_is_opened_with_its_model(tmp_path):
    from regard.models.heads import LANGUAGE

    path = tmp_path / "adapter.safetensors"
    write_adapter(path, {"head.output.weight": torch.full((2,), torch.inf)}, ["head.output.weight"], 2.0, LANGUAGE)
    assert read_adapter(path, allow_nonfinite=True).weights["head.output.weight"].isinf().all()


def test_a9_inspect_counts_numbers_that_are_not_finite(command, run_copy):
    weights = load_file(run_copy / WEIGHTS)
    name = next(name for name, weight in weights.items() if weight.dim() == 2)
    weights[name][0, :2] = torch.nan
    save_file(weights, run_copy / WEIGHTS, metadata={"format": "pt"})
    write_manifest(run_copy)
    ended = command("inspect", run_copy, "--json")
    assert ended.code == 0
    table = json.loads(ended.out)
    assert table["numbers_not_finite"] == [f"'{name}' (2 of {weights[name].numel():,})"]
    assert table["changed_files"] == []
    assert "only --allow-nonfinite opens it" in table["traps"][0]


def test_a8_inspect_names_what_is_not_as_it_was_written(command, run_copy, finished_run):
    sound = json.loads(command("inspect", finished_run, "--json").out)
    assert (sound["changed_files"], sound["numbers_not_finite"], sound["damaged_checkpoints"]) == ([], [], [])
    for path in (run_copy / WEIGHTS, run_copy / "checkpoints" / "step-20" / "trainer.safetensors"):
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    ended = command("inspect", run_copy, "--json")
    assert ended.code == 0
    table = json.loads(ended.out)
    assert table["changed_files"] == [WEIGHTS]
    assert table["damaged_checkpoints"] == ["step-20 (trainer.safetensors is not as it was written)"]
    assert "model.safetensors not as manifest.json says: changed or damaged after training" in table["traps"][0]
    assert "training would go on from an earlier one" in table["traps"][1]
    assert "changed files" in command("inspect", run_copy).out
