"""Training a run: killed, stopped, damaged or repeated, it comes to the same bytes; refused, it leaves none."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from regard.config import parse_overrides, read_toml
from regard.data.tokenizers.tokenizer_kinds import KINDS
from regard.errors import CheckpointError, DataError, RunError, SettingError, TrainingError
from regard.runs.folder import load
from regard.runs.journal import read_journal
from regard.runs.train import Outcome, train
from regard.runs.watcher import Watcher
from regard.storage import damage
from regard.training.loop import Step


class Onlooker(Watcher):
    """Remembers what it is told, and does ``act`` after each step."""

    def __init__(self, act: Callable[[int], object] = lambda number: None) -> None:
        self.act, self.notes, self.stages, self.records = act, list[str](), list[str](), list[Mapping[str, Any]]()
        self.steps, self.begun = list[int](), list[tuple[int, int]]()

    def stage(self, text: str) -> None:
        self.stages.append(text)

    def begin(self, steps: int, done: int) -> None:
        self.begun.append((steps, done))

    def step(self, step: Step, memory: float) -> None:
        assert memory > 10
        self.steps.append(step.number)
        self.act(step.number)

    def validated(self, record: Mapping[str, Any]) -> None:
        self.records.append(record)

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def table(small_words: list[str]) -> Callable[..., dict[str, Any]]:
    """The recipe of ``finished_run`` as a table, with settings such as ``train.seed=2`` over it."""

    def make(*more: str) -> dict[str, Any]:
        pairs = [word for word in small_words if "=" in word]
        options = small_words[len(pairs) :]
        files = {key[2:].replace("-", "_"): path for key, path in zip(options[::2], options[1::2], strict=True)}
        given = parse_overrides([*pairs, *more])
        return {**given, "data": {**files, **given["data"]}}

    return make


@pytest.fixture
def plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    """No report: its pictures take longer than all the rest of such a run."""
    monkeypatch.setattr("regard.runs.finish.write_report", lambda *arguments, **options: None)


def go(
    table: Mapping[str, Any],
    folder: Path,
    onlooker: Onlooker | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
) -> Outcome:
    return train(table, folder, onlooker or Onlooker(), resume=resume, overwrite=overwrite)


def model_of(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def steps_saved(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def stop_at(*steps: int) -> Callable[[int], object]:
    return lambda number: number in steps and os.kill(os.getpid(), signal.SIGTERM)


# The same again ------------------------------------------------------------------------------------------------------


def test_the_recipe_of_a_run_repeats_it_to_the_byte(finished_run, tmp_path, command, tree):
    assert command("train", finished_run / "recipe.toml", "--out", tmp_path / "again").code == 0
    first, second = tree(finished_run), tree(tmp_path / "again")
    assert first.keys() == second.keys()
    told_apart = {name for name in first if first[name] != second[name]}
    timed = {f"checkpoints/step-{step}/{name}" for step in (10, 20, 30) for name in ("state.json", "manifest.json")}
    assert told_apart == {"metrics.jsonl", "report.html", "README.md"} | timed  # they tell times or the folder's name


@pytest.mark.usefixtures("plainly")
def test_another_seed_is_another_model(finished_run, table, tmp_path):
    go(table("train.seed=2"), tmp_path / "run")
    assert model_of(tmp_path / "run") != model_of(finished_run)


@pytest.mark.usefixtures("plainly")
@pytest.mark.parametrize("stops", [[13], [1, 12, 25, 29]], ids=str)
def test_a_run_that_was_stopped_anywhere_comes_to_the_same_bytes(finished_run, table, tmp_path, stops):
    folder, onlooker = tmp_path / "run", Onlooker(stop_at(*stops))
    outcome = go(table(), folder, onlooker)
    for stop in stops:
        assert (outcome.step, outcome.finished) == (stop, None)
        assert f"step-{stop}" in steps_saved(folder)
        assert not (folder / "model.safetensors").exists()
        outcome = go(table(), folder, onlooker, resume=True)
    assert outcome.finished is not None
    assert onlooker.steps == list(range(1, 31))
    assert onlooker.begun == [(30, done) for done in [0, *stops]]
    assert model_of(folder) == model_of(finished_run)
    assert steps_saved(folder) == steps_saved(finished_run)
    ours, theirs = (read_journal(path / "metrics.jsonl") for path in (folder, finished_run))
    assert [record["step"] for record in ours] == [record["step"] for record in theirs]
    assert [r["valid_loss"] for r in ours if "valid_loss" in r] == [
        r["valid_loss"] for r in theirs if "valid_loss" in r
    ]


@pytest.mark.usefixtures("plainly")
def test_a_request_to_stop_during_the_last_step_comes_too_late(finished_run, table, tmp_path):
    outcome = go(table(), tmp_path / "run", Onlooker(stop_at(30)))
    assert outcome.finished is not None
    assert model_of(tmp_path / "run") == model_of(finished_run)


# kill -9 -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def undisturbed(finished_run: Path) -> bytes:
    return model_of(finished_run)


def first_word(folder: Path) -> bool:
    return (folder.parent / f".{folder.name}.partial").exists()


MOMENTS: dict[str, Callable[[Path], bool]] = {
    "while the data is prepared": first_word,
    "after the recipe, before any checkpoint": lambda folder: (folder / "recipe.toml").exists(),
    "while a checkpoint is written": lambda folder: (folder / "checkpoints" / ".step-20.partial").exists(),
    "after the last checkpoint": lambda folder: (folder / "checkpoints" / "step-30").exists(),
}


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
def test_a_killed_run_goes_on_to_the_same_bytes(start, small_words, tmp_path, undisturbed, moment):
    folder = tmp_path / "run"
    process = start("train", *small_words, "--out", folder)
    process.wait_for(lambda: moment(folder))
    process.send(signal.SIGKILL)
    assert process.end().code == -signal.SIGKILL
    assert not (folder / "model.safetensors").exists()
    ended = start("train", *small_words, "--out", folder, "--resume").end()
    assert ended.code == 0
    assert model_of(folder) == undisturbed
    assert steps_saved(folder) == ["step-10", "step-20", "step-30"]
    assert [path for path in tmp_path.rglob("*") if ".partial" in path.name and path.parent != folder / "data"] == []


# Checkpoints ---------------------------------------------------------------------------------------------------------


def unfinish(run: Path) -> None:
    """As if killed after the last checkpoint."""
    for name in ("model.safetensors", "config.json", "generation_config.json", "README.md", "report.html"):
        (run / name).unlink(missing_ok=True)


@pytest.mark.usefixtures("plainly")
def test_a_damaged_newest_checkpoint_is_kept_and_the_one_before_is_gone_on_from(run_copy, table, undisturbed):
    unfinish(run_copy)
    newest = run_copy / "checkpoints" / "step-30"
    os.truncate(newest / "trainer.safetensors", 1000)
    content = {path.name: path.read_bytes() for path in newest.iterdir()}
    onlooker = Onlooker()
    go(table(), run_copy, onlooker, resume=True)
    assert f"{newest} is damaged (trainer.safetensors is not as it was written): kept as" in onlooker.notes[0]
    assert onlooker.notes[1] == "resuming after step 20"
    assert onlooker.steps == list(range(21, 31))
    assert model_of(run_copy) == undisturbed
    aside = run_copy / "checkpoints" / "step-30.damaged"
    assert {path.name: path.read_bytes() for path in aside.iterdir()} == content


@pytest.mark.usefixtures("plainly")
def test_where_every_checkpoint_is_damaged_it_begins_again(run_copy, table, undisturbed):
    unfinish(run_copy)
    for path in (run_copy / "checkpoints").iterdir():
        (path / "state.json").unlink()
    onlooker = Onlooker()
    go(table(), run_copy, onlooker, resume=True)
    assert "no checkpoint yet: beginning at step 1" in onlooker.notes
    assert onlooker.steps == list(range(1, 31))
    assert model_of(run_copy) == undisturbed
    assert [record["step"] for record in read_journal(run_copy / "metrics.jsonl") if "loss" in record] == [
        5, 10, 15, 20, 25, 30
    ]  # fmt: skip


@pytest.mark.usefixtures("plainly")
def test_a_damaged_checkpoint_does_not_get_into_the_mean(run_copy, table):
    unfinish(run_copy)
    tensors = run_copy / "checkpoints" / "step-10" / "trainer.safetensors"
    data = bytearray(tensors.read_bytes())
    data[-10] ^= 64
    tensors.write_bytes(data)
    with pytest.raises(
        CheckpointError, match=r"step-10: got trainer\.safetensors is not as it was written; expected a whole"
    ):
        go(table(), run_copy, resume=True)
    assert not (run_copy / "model.safetensors").exists()


@pytest.mark.usefixtures("plainly")
def test_a_run_without_any_checkpoint_is_gone_on_with_from_the_beginning(run_copy, table, undisturbed):
    unfinish(run_copy)
    shutil.rmtree(run_copy / "checkpoints")
    go(table(), run_copy, resume=True)
    assert model_of(run_copy) == undisturbed


@pytest.mark.usefixtures("plainly")
def test_where_there_is_no_run_at_all_resuming_begins_one(table, tmp_path, undisturbed):
    go(table(), tmp_path / "runs" / "new", resume=True)
    assert model_of(tmp_path / "runs" / "new") == undisturbed


@pytest.mark.usefixtures("plainly")
def test_only_the_newest_checkpoints_stay(table, tmp_path):
    go(table("train.save_every=4", "train.keep_last=2", "train.average_count=1"), tmp_path / "run")
    assert steps_saved(tmp_path / "run") == ["step-28", "step-30"]


# What is kept --------------------------------------------------------------------------------------------------------


def embedding(path: Path, name: str = "weights/encoder.embed.tokens.weight") -> torch.Tensor:
    return load_file(path / "trainer.safetensors")[name].double()


@pytest.mark.usefixtures("plainly")
@pytest.mark.parametrize("average", ["best", "last", "none", "running"])
def test_what_is_kept_is_the_mean_that_was_asked_for(table, tmp_path, average):
    """A rate that grows tenfold past what is good makes the best checkpoints others than the last."""
    folder = tmp_path / "run"
    more = ["train.save_every=5", "train.validate_every=5", "train.keep_last=1", "data.bleu_sentences=0"]
    rate = ["train.learning_rate=0.3", "train.warmup=30", f"train.average={average}", "train.average_count=2"]
    go(table(*more, *rate), folder)
    losses = {r["step"]: r["valid_loss"] for r in read_journal(folder / "metrics.jsonl") if "valid_loss" in r}
    best = sorted(sorted(losses, key=lambda step: losses[step])[:2])
    assert best != [25, 30] or average == "running", "the best should not be the last"
    wanted = {"best": best, "last": [25, 30]}.get(average, [30])
    name = "average/encoder.embed.tokens.weight" if average == "running" else "weights/encoder.embed.tokens.weight"
    mean = sum(embedding(folder / "checkpoints" / f"step-{step}", name) for step in wanted) / len(wanted)
    kept = load_file(folder / "model.safetensors")["model.shared.weight"].double()
    torch.testing.assert_close(kept, mean, rtol=1e-6, atol=1e-8)


@pytest.mark.usefixtures("plainly")
def test_early_stopping_ends_where_no_validation_was_better_for_long_enough(table, tmp_path):
    folder, onlooker = tmp_path / "run", Onlooker()
    more = ["train.validate_every=3", "train.patience=2", "train.learning_rate=0.5", "train.warmup=1"]
    outcome = go(table(*more, "train.steps=60", "data.bleu_sentences=0"), folder, onlooker)
    losses = [record["valid_loss"] for record in onlooker.records]
    assert outcome.finished is not None
    assert outcome.step == onlooker.steps[-1] == 3 * len(losses) < 60
    assert min(losses[-2:]) >= min(losses[:-2])
    since = [n - int(np.argmin(losses[: n + 1])) for n in range(len(losses))]
    assert since[-1] == 2
    assert max(since[:-1]) < 2
    assert "no better loss in 2 validations: stopping early" in onlooker.notes
    assert f"step-{outcome.step}" in steps_saved(folder)
    before = model_of(folder)
    unfinish(folder)
    again = Onlooker()
    go({}, folder, again, resume=True)
    assert again.steps == []  # it had ended already
    assert model_of(folder) == before


@pytest.mark.usefixtures("plainly")
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_tokenizer_trains_and_translates(table, tmp_path, toy, kind):
    folder = tmp_path / "run"
    go(table(f"tokenizer.kind={kind}", "tokenizer.size=0", "train.steps=2", "data.bleu_sentences=0"), folder)
    model = load(folder)
    (text,) = (toy / "test.en").read_text(encoding="utf-8").splitlines()[:1]
    assert model.source_tokenizer.decode(model.source_tokenizer.encode(text)) == text
    assert len(model.translate([text, ""])) == 2


@pytest.mark.usefixtures("plainly")
@pytest.mark.parametrize("more", ["tokenizer.joint=false", "model.positions=learned", "model.norm=pre"])
def test_other_parts_train_go_on_and_translate(table, tmp_path, toy, more):
    settings = [more, "train.steps=6", "train.save_every=3", "data.bleu_sentences=2"]
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    go(table(*settings), straight)
    go(table(*settings), stopped, Onlooker(stop_at(2)))
    go(table(*settings), stopped, resume=True)
    assert model_of(stopped) == model_of(straight)
    model = load(straight)
    texts = (toy / "test.en").read_text(encoding="utf-8").splitlines()[:3]
    assert len(model.translate([*texts, ""])) == 4
    separate = more == "tokenizer.joint=false"
    assert (straight / "target_tokenizer.json").exists() == separate
    if separate:
        german = model.target_tokenizer.pieces_of(range(model.target_tokenizer.size))
        assert any("ß" in piece or "ü" in piece for piece in german)
        assert not any(
            "ß" in p for p in model.source_tokenizer.pieces_of(range(model.source_tokenizer.size)) if len(p) > 1
        )


# The clock -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("plainly")
def test_a_budget_becomes_a_fixed_number_of_steps_and_is_kept(table, tmp_path, monkeypatch):
    """By the processor's own clock, so that a busy machine is no failure."""
    monkeypatch.setattr(time, "monotonic", time.process_time)
    monkeypatch.setattr(time, "perf_counter", time.process_time)
    given, folder, onlooker = table(), tmp_path / "run", Onlooker()
    for key in ("steps", "save_every", "validate_every"):
        del given["train"][key]
    given["train"]["budget"] = "4s"
    given["data"]["bleu_sentences"] = 0
    began = time.process_time()
    outcome = go(given, folder, onlooker)
    spent = time.process_time() - began
    assert 2.0 < spent < 8.0
    train_table = read_toml(folder / "recipe.toml")["train"]
    assert train_table["steps"] == outcome.step == onlooker.steps[-1] > 20
    assert train_table["budget"] == "4s"
    assert onlooker.stages[:3] == ["reading", "preparing", "calibrating"]
    assert f"so {outcome.step} steps fit into 4s" in onlooker.notes[0]
    assert {"warmup", "learning_rate", "save_every", "validate_every"} <= train_table.keys()


# Failure -------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("plainly")
def test_a_loss_that_is_no_number_ends_the_run_with_its_last_checkpoint(table, tmp_path):
    more = ["train.learning_rate=1e18", "train.save_every=1", "train.validate_every=30", "train.warmup=2"]
    with pytest.raises(
        TrainingError, match=r"expected finite numbers; lower train\.learning_rate or lengthen"
    ) as caught:
        go(table(*more), tmp_path / "run")
    failed = int(str(caught.value).split(":")[0].removeprefix("step "))
    assert steps_saved(tmp_path / "run")[-1] == f"step-{failed - 1}"
    assert all(damage(path) is None for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert not (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.usefixtures("plainly")
def test_a_validation_loss_that_is_no_number_ends_the_run_too(table, tmp_path):
    more = ["train.learning_rate=1e20", "train.save_every=1", "train.validate_every=1", "train.warmup=2"]
    with pytest.raises(
        TrainingError, match="validation loss: got nan; expected a finite number; lower train"
    ) as caught:
        go(table(*more), tmp_path / "run")
    assert caught.value.exit_code == 1
    assert not (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (["data.max_tokens=1"], DataError, "all with more than 1 tokens"),
        (["train.batch_tokens=3"], DataError, "expected at most the batch's 3 tokens"),
        (["train.budget=soon"], SettingError, "budget: got 'soon'"),
        (["model.heads=3"], SettingError, "expected a divisor of d_model"),
        (["cleaning.max_words=1"], DataError, "none of which was kept"),
        (["train.seed=-1"], SettingError, "expected at least 0"),
        (["data.source=nowhere.en"], DataError, "no such file"),
    ],
    ids=str,
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_refused_writes_nothing_and_loses_nothing(
    run_copy, table, tmp_path, tree, settings, error, message, overwrite
):
    """Also what shows only when the data is tokenized and cut into batches, and also over a run."""
    folder = run_copy if overwrite else tmp_path / "new" / "folders" / "run"
    before = tree(tmp_path)
    with pytest.raises(error, match=message):
        go(table(*settings), folder, overwrite=overwrite)
    assert tree(tmp_path) == before


@pytest.mark.usefixtures("plainly")
def test_overwriting_replaces_all_of_a_run(run_copy, table, tmp_path):
    (run_copy / "checkpoints" / "step-40").mkdir()
    go(table("train.steps=2", "train.seed=2"), run_copy, overwrite=True)
    assert steps_saved(run_copy) == ["step-2"]
    assert [path.name for path in tmp_path.iterdir()] == ["small"]
    fresh = tmp_path / "fresh"
    go(table("train.steps=2", "train.seed=2"), fresh)
    assert model_of(run_copy) == model_of(fresh)


@pytest.mark.usefixtures("plainly")
def test_an_empty_folder_and_a_link_to_one_may_become_the_run(table, tmp_path):
    for name in ("empty", "target"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for name in ("empty", "link"):
        go(table("train.steps=1"), tmp_path / name)
        assert (tmp_path / name / "model.safetensors").exists()
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target" / "model.safetensors").exists()


@pytest.mark.parametrize("name", ["mkdir", "rename"])
def test_where_the_folder_cannot_be_made_it_is_said_and_nothing_is_lost(
    run_copy, table, monkeypatch, tree, tmp_path, name
):
    """Fail as without permission, since tests may be run by somebody who is permitted everything."""
    original: Callable[..., Any] = getattr(Path, name)
    before = tree(tmp_path)

    def refuse(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name == ".small.partial":
            raise PermissionError(13, "Permission denied", str(path))
        return original(path, *arguments, **options)

    monkeypatch.setattr(Path, name, refuse)
    expected = {
        "mkdir": "a folder to write to; choose another folder",
        "rename": "a folder that can be renamed; name one",
    }
    with pytest.raises(RunError, match=f"got Permission denied; expected {expected[name]}"):
        go(table("train.steps=1"), run_copy, overwrite=True)
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("settings", "named"),
    [(["train.seed=2"], "train.seed=2"), (["model.d_ff=64", "train.clip=3.0"], "train.clip=3.0")],
)
def test_a_run_goes_on_only_with_the_settings_that_it_began_with(run_copy, table, tree, settings, named):
    unfinish(run_copy)
    before = tree(run_copy)
    with pytest.raises(SettingError, match="expected the settings that the run began with; leave them out") as caught:
        go(table(*settings), run_copy, resume=True)
    assert named in str(caught.value)
    assert str(caught.value).startswith("--resume: got ")
    assert tree(run_copy) == before


def test_a_run_goes_on_with_the_size_that_it_began_with_and_with_no_other(run_copy):
    """A size's name is no setting of a written recipe: it stands for all of them."""
    unfinish(run_copy)
    with pytest.raises(SettingError, match=r"--resume: got .*model\.d_model=128.*; expected the settings that the run"):
        go({"model": {"size": "tiny"}}, run_copy, resume=True)
    kept = read_toml(run_copy / "recipe.toml")["model"]
    go({"model": {"size": "tiny", **kept}}, run_copy, resume=True)


def test_a_recipe_that_was_changed_by_hand_does_not_fit_its_checkpoints(run_copy):
    unfinish(run_copy)
    path = run_copy / "recipe.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("d_ff = 32", "d_ff = 64"), encoding="utf-8")
    with pytest.raises(
        CheckpointError, match=r"has shape .*; expected this model's weights; resume with the checkpoint's"
    ):
        go({}, run_copy, resume=True)


def test_the_training_text_is_not_needed_to_go_on(run_copy, monkeypatch, undisturbed):
    """A run holds its ids: files that have changed or gone since change nothing."""
    unfinish(run_copy)
    monkeypatch.setattr("regard.runs.finish.write_report", lambda *arguments, **options: None)
    monkeypatch.setattr("regard.runs.train.read_corpus", lambda recipe: pytest.fail("read the text again"))
    go({}, run_copy, resume=True)
    assert model_of(run_copy) == undisturbed


@pytest.mark.usefixtures("plainly")
def test_the_loss_falls_from_that_of_guessing(table, tmp_path):
    """At first about ln V: the fresh model spreads its guess over the vocabulary. Then well below."""
    onlooker = Onlooker()
    go(table("train.steps=120", "train.validate_every=40", "data.bleu_sentences=0"), tmp_path / "run", onlooker)
    records = [r for r in read_journal(tmp_path / "run" / "metrics.jsonl") if "loss" in r]
    uniform = math.log(load(tmp_path / "run").target_tokenizer.size - 1)
    assert records[0]["loss"] == pytest.approx(uniform, abs=1.0)
    assert onlooker.records[-1]["valid_loss"] < uniform - 1.5
    assert onlooker.records[-1]["valid_perplexity"] == pytest.approx(math.exp(onlooker.records[-1]["valid_loss"]))
    assert json.loads(json.dumps(onlooker.records[-1])) == onlooker.records[-1]
