"""A checkpoint whose manifest is in order and whose state is not: refused by name, whatever stands there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from regard.storage import MANIFEST, _facts

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(autouse=True)
def _no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pictures take longer than all the rest of such a run."""
    monkeypatch.setattr("regard.runs.finish.write_report", lambda *arguments, **options: None)


@pytest.fixture(scope="module")
def halfway(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run after the checkpoint of step 20, ten steps before its end."""
    folder = Path(shutil.copytree(finished_run, tmp_path_factory.mktemp("halfway") / "run"))
    (folder / "model.safetensors").unlink()
    shutil.rmtree(folder / "checkpoints" / "step-30")
    return folder


@pytest.fixture
def newest(halfway: Path, tmp_path: Path) -> Path:
    """The newest checkpoint of a run of our own to spoil."""
    return Path(shutil.copytree(halfway, tmp_path / "run")) / "checkpoints" / "step-20"


def seal(checkpoint: Path) -> None:
    """Write its manifest anew, as whoever changed it would."""
    files = [path for path in sorted(checkpoint.iterdir()) if path.name != MANIFEST]
    (checkpoint / MANIFEST).write_text(json.dumps({path.name: _facts(path) for path in files}), encoding="utf-8")


def put(*path: str, value: object) -> Change:
    def change(state: dict[str, Any]) -> None:
        for name in path[:-1]:
            state = state[name]
        state[path[-1]] = value

    return change


def without(*path: str) -> Change:
    def change(state: dict[str, Any]) -> None:
        for name in path[:-1]:
            state = state[name]
        del state[path[-1]]

    return change


WHOLE = "expected a whole number from 0"
CHANGES: dict[str, tuple[Change, str]] = {
    "a step below 0": (put("step", value=-1), f"state.json: step: got -1; {WHOLE}"),
    "a step beyond all": (put("step", value=10**30), f"state.json: step: got {10**30}; {WHOLE}"),
    "a step of text": (put("step", value="7"), f"state.json: step: got '7'; {WHOLE}"),
    "a step that is no number": (put("step", value=float("nan")), f"state.json: step: got nan; {WHOLE}"),
    "a step that is half": (put("step", value=20.5), f"state.json: step: got 20.5; {WHOLE}"),
    "a step that is true": (put("step", value=True), f"state.json: step: got True; {WHOLE}"),
    "another step": (put("step", value=10), "state.json: step: got 10; expected that of the folder step-20"),
    "no step": (without("step"), "expected a JSON object of facts, place, skipped, step"),
    "more": (put("more", value=1), "got facts, more, place, skipped, step; expected"),
    "no place": (put("place", value=None), "state.json: place: got None; expected a JSON object"),
    "a place without a batch": (
        without("place", "batch"),
        "place: got epoch; expected a JSON object of batch, e",
    ),
    "a place before all": (
        put("place", "epoch", value=-1),
        "place.epoch: got -1; expected a whole number",
    ),
    "an epoch beyond the plan": (put("place", "epoch", value=10**9), "place.epoch: got 1000000000; expected"),
    "a batch beyond the plan": (put("place", "batch", value=10**9), "place.batch: got 1000000000; expected"),
    "too many skipped": (put("skipped", value=4), "skipped: got 4; expected a whole number from 0 to 3"),
    "no facts": (put("facts", value=[]), "state.json: facts: got []; expected a JSON object"),
    "a fact less": (without("facts", "seconds"), "expected a JSON object of best_loss, best_steps, metrics_bytes"),
    "a fact more": (put("facts", "more", value=1), "state.json: facts: got"),
    "seconds below 0": (put("facts", "seconds", value=-1.0), "facts.seconds: got -1.0; expected a number from 0"),
    "seconds without end": (put("facts", "seconds", value=float("inf")), "facts.seconds: got inf; expected a number"),
    "seconds too large": (put("facts", "seconds", value=10**4000), "facts.seconds: got 1000"),
    "bytes of text": (put("facts", "metrics_bytes", value="9"), f"facts.metrics_bytes: got '9'; {WHOLE}"),
    "a best loss of text": (put("facts", "best_loss", value="x"), "expected a number, or null before the first"),
    "a best loss that is none": (put("facts", "best_loss", value=float("nan")), "facts.best_loss: got nan"),
    "best steps of text": (put("facts", "best_steps", value="abc"), "expected pairs of a loss and a step up to 20"),
    "best steps in threes": (put("facts", "best_steps", value=[[1.0, 2, 3]]), "facts.best_steps: got [[1.0, 2, 3]]"),
    "a best step to come": (put("facts", "best_steps", value=[[1.0, 30]]), "facts.best_steps: got [[1.0, 30]]"),
    "patience of text": (put("facts", "without_improvement", value=None), "facts.without_improvement: got None"),
    "no signature": (put("facts", "signature", value={}), "facts.signature: got {}; expected texts for code, recipe"),
    "a signature of numbers": (put("facts", "signature", "data", value=5), "state.json: facts.signature: got"),
    "settings of text": (put("facts", "settings", value="x"), "facts.settings: got 'x'; expected a JSON object"),
}


@pytest.fixture
def refused(command, tree, newest) -> Callable[[str], None]:
    """Checks that the run does not go on, says why in one line, and is left as it is."""

    def check(says: str) -> None:
        run = newest.parents[1]
        before = tree(run)
        ended = command("train", "--out", run, "--resume")
        told = ended.err.splitlines()[-1]
        assert says in told, ended.err
        assert ended.code == 2
        assert len(told) < 700
        assert tree(run) == before

    return check


@pytest.mark.parametrize(("change", "says"), CHANGES.values(), ids=CHANGES)
def test_d16_a_state_that_cannot_be_is_refused_by_the_name_of_its_field(refused, newest, change, says):
    state = json.loads((newest / "state.json").read_text(encoding="utf-8"))
    change(state)
    (newest / "state.json").write_text(json.dumps(state), encoding="utf-8")
    seal(newest)
    refused(says)


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"step": ' + b"9" * 5000 + b"}", b"{}" + b" " * (5 << 20)],
    ids=["empty", "list", "null", "no UTF-8", "deep", "digits", "long"],
)
def test_d16_a_state_that_is_no_object_is_refused(refused, newest, text):
    (newest / "state.json").write_bytes(text)
    seal(newest)
    refused("state.json: got ")


def test_d16_a_checkpoint_beyond_the_end_of_the_run_is_refused(refused, newest):
    """Under the name of a step that the run never had, with the state to go with it."""
    beyond = newest.rename(newest.with_name("step-31"))
    state = json.loads((beyond / "state.json").read_text(encoding="utf-8"))
    (beyond / "state.json").write_text(json.dumps({**state, "step": 31}), encoding="utf-8")
    seal(beyond)
    refused("step-31: got step 31; expected at most the 30 of the run; delete it and resume from the one before")


def test_d16_tensors_of_no_part_of_training_are_refused(refused, newest):
    tensors = load_file(newest / "trainer.safetensors")
    save_file({**tensors, "elsewhere/weight": torch.zeros(1)}, newest / "trainer.safetensors")
    seal(newest)
    refused("trainer.safetensors: got elsewhere/weight; expected tensors of weights, optimizer, average; use a whole")


@pytest.mark.parametrize("manifest", ['{"../../recipe.toml": {}}', "[" * 100_000], ids=["elsewhere", "deep"])
def test_d16_a_manifest_that_leads_elsewhere_is_damage(command, newest, manifest):
    """As any damage: it is kept under another name, and the checkpoint before goes on."""
    (newest / MANIFEST).write_text(manifest, encoding="utf-8")
    ended = command("train", "--out", newest.parents[1], "--resume")
    assert ended.code == 0
    assert "step-20 is damaged" in ended.err
    assert (newest.parent / "step-20.damaged").exists()


def test_d16_a_state_that_is_as_it_was_goes_on(command, newest):
    """The refusals above are not for another reason."""
    seal(newest)
    assert command("train", "--out", newest.parents[1], "--resume").code == 0
