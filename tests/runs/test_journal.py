"""metrics.jsonl: means by hand, a line each, cut back to the checkpoint that a run goes on from."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from regard.errors import CheckpointError, SettingError
from regard.runs.journal import Journal, read_journal
from regard.training.loop import Step


def step(number: int, loss: float, tokens: int = 100, seconds: float = 0.5) -> Step:
    return Step(number, number // 3, loss, loss, tokens, 0.25 * number, 0.001 * number, seconds)


def test_every_so_many_steps_there_is_a_line_with_the_mean_since_the_last(tmp_path):
    path = tmp_path / "metrics.jsonl"
    with Journal(path, 0) as journal:
        for number, loss in enumerate([4.0, 2.0, 3.0, 1.0, 9.0], start=1):
            journal.step(step(number, loss, tokens=100 * number), seconds=number / 8, every=2)
    first, second = read_journal(path)
    assert first.pop("memory_mib") > 10
    assert first == {
        "step": 2,
        "epoch": 0,
        "seconds": 0.25,
        "loss": 3.0,
        "learning_rate": 0.002,
        "tokens_per_second": 300.0,
        "gradient_norm": 0.5,
    }
    assert (second["step"], second["loss"], second["tokens_per_second"]) == (4, 2.0, 700.0)


def test_a_line_is_there_as_soon_as_it_is_written(tmp_path):
    path = tmp_path / "metrics.jsonl"
    with Journal(path, 0) as journal:
        journal.write({"step": 1, "note": "Größe"})
        assert read_journal(path) == [{"step": 1, "note": "Größe"}]
        assert journal.flush() == path.stat().st_size


def test_what_json_has_no_word_for_is_left_out(tmp_path):
    with Journal(tmp_path / "metrics.jsonl", 0) as journal:
        journal.write({"step": 1, "valid_loss": 800.0, "valid_perplexity": math.inf, "other": math.nan})
    assert (tmp_path / "metrics.jsonl").read_text(encoding="utf-8") == '{"step": 1, "valid_loss": 800.0}\n'


def test_what_came_after_the_checkpoint_goes(tmp_path):
    path = tmp_path / "metrics.jsonl"
    with Journal(path, 0) as journal:
        journal.write({"step": 1})
        kept = journal.flush()
        journal.write({"step": 2})
    with path.open("a") as file:
        file.write('{"step": 3, "lo')  # a kill in the middle of a line
    with Journal(path, kept) as journal:
        journal.write({"step": 2, "again": True})
    assert read_journal(path) == [{"step": 1}, {"step": 2, "again": True}]


def test_a_journal_that_lost_its_end_is_not_filled_up_with_nothing(tmp_path):
    """After a power failure the file may be shorter than the checkpoint says, or not there at all."""
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n', encoding="utf-8")
    with Journal(path, 1000) as journal:
        journal.write({"step": 3})
    assert read_journal(path) == [{"step": 1}, {"step": 3}]
    path.unlink()
    with Journal(path, 1000) as journal:
        journal.write({"step": 3})
    assert read_journal(path) == [{"step": 3}]


@pytest.mark.parametrize(
    ("text", "line"), [('{"step": 1}\n{"st', 2), ("no json\n", 1), ("{}\n[1]\n", 2), ("\x00\x00\n", 1)]
)
def test_a_damaged_journal_is_named_with_its_line(tmp_path, text, line):
    path = tmp_path / "metrics.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match=rf"metrics\.jsonl:{line}: got .*; expected an object a line"):
        read_journal(path)


def test_without_tensorboard_it_is_said_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(
        SettingError, match=r"train\.tensorboard: got true; expected the tensorboard package; pip install"
    ):
        Journal(tmp_path / "metrics.jsonl", 0, events=tmp_path)


def test_tensorboard_gets_the_same_numbers(tmp_path, monkeypatch):
    told: list[tuple[str, float, int]] = []
    closed: list[bool] = []

    class Writer:
        def __init__(self, folder: str) -> None:
            assert folder == str(tmp_path / "tensorboard")

        def add_scalar(self, name: str, value: float, step: int) -> None:
            told.append((name, value, step))

        def close(self) -> None:
            closed.append(True)

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=Writer))
    with Journal(tmp_path / "metrics.jsonl", 0, events=tmp_path) as journal:
        journal.write({"step": 5, "epoch": 1, "loss": 2.5, "valid_bleu": 7.0})
    assert told == [("loss", 2.5, 5), ("valid_bleu", 7.0, 5)]
    assert closed == [True]


def test_a_run_s_journal_tells_its_story(finished_run: Path):
    records = [json.loads(line) for line in (finished_run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert records == read_journal(finished_run / "metrics.jsonl")
    training = [record for record in records if "loss" in record]
    validation = [record for record in records if "valid_loss" in record]
    assert [record["step"] for record in training] == [5, 10, 15, 20, 25, 30]
    assert [record["step"] for record in validation] == [15, 30]
    assert all({"learning_rate", "tokens_per_second", "memory_mib", "epoch"} <= record.keys() for record in training)
    assert all({"valid_perplexity", "valid_bleu", "seconds"} <= record.keys() for record in validation)
    times = [record["seconds"] for record in records]
    assert times == sorted(times)
