"""Small runs of every task, as tables of a recipe, and a way to train them without pictures."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.runs.pictures import describe, draw, draw_objects

from regard.config import merge, parse_overrides
from regard.runs.train import Outcome, train
from regard.runs.watcher import Watcher
from regard.training.loop import Step

SMALL = (
    "model.layers=1 model.d_model=16 model.heads=2 model.d_ff=32 model.dropout=0.1 tokenizer.size=400 train.steps=6 "
    "train.save_every=3 train.validate_every=3 train.log_every=1 train.batch_tokens=256 train.learning_rate=0.01 "
    "train.precision=float32 train.threads=1 decode.beam=1 decode.max_extra=3 data.bleu_sentences=2 task.block=24 "
    "data.max_tokens=40"
).split()


class Watching(Watcher):
    """Sees a run go on, and asks it to stop after the steps ``stops``."""

    def __init__(self, *stops: int) -> None:
        self.stops, self.notes, self.losses = stops, list[str](), list[float]()

    def step(self, step: Step, memory: float) -> None:
        self.losses.append(step.loss)
        if step.number in self.stops:
            os.kill(os.getpid(), signal.SIGTERM)

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="session")
def tables(toy: Path) -> Path:
    """``texts``, ``labelled.tsv`` (text, second, label) and ``words.tsv`` (text, label) of the built-in data.

    And ``pictures`` of two classes with captions, and others with ``boxes``.
    """
    describe(draw(toy / "pictures", 60))
    (toy / "boxes").mkdir()
    draw_objects(toy / "boxes", 40)
    lines = (toy / "train.en").read_text(encoding="utf-8").splitlines()
    (toy / "texts").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    rows = [f"{line}\t{lines[-n]}\t{'many' if len(line) > 40 else 'few'}\n" for n, line in enumerate(lines)]
    (toy / "labelled.tsv").write_text("text\tsecond\tlabel\n" + "".join(rows), encoding="utf-8")
    tagged = [f"{line}\t{' '.join('B-A' if 'a' in word else 'O' for word in line.split())}\n" for line in lines]
    (toy / "words.tsv").write_text("text\tlabel\n" + "".join(tagged), encoding="utf-8")
    return toy


@pytest.fixture(scope="session")
def given(tables: Path) -> Callable[..., dict[str, Any]]:
    """The table of a small run: its data by name, and settings such as ``train.seed=2`` over it."""
    data = {
        "pairs": {"source": str(tables / "train.en"), "target": str(tables / "train.de")},
        "texts": {"text": str(tables / "texts")},
        "labelled": {"text": str(tables / "labelled.tsv"), "label_column": "label"},
        "words": {"text": str(tables / "words.tsv"), "label_column": "label"},
        "pictures": {"images": str(tables / "pictures")},
        "boxes": {"images": str(tables / "boxes" / "boxes.json")},
        "captions": {"images": str(tables / "pictures" / "captions.jsonl"), "language_column": "language"},
    }

    def make(name: str, *more: str) -> dict[str, Any]:
        return merge({"data": data[name]}, parse_overrides([*SMALL, *more]))

    return make


@pytest.fixture
def plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    """No report: its pictures take longer than all the rest of such a run."""
    monkeypatch.setattr("regard.runs.finish.write_report", lambda *arguments, **options: None)


@pytest.fixture
def trained(plainly: None) -> Callable[..., Outcome]:
    """Trains the run of a table in a folder, and stops it after some steps; without a table, goes on with it."""

    def run(folder: Path, table: Mapping[str, Any] | None = None, *stops: int, resume: bool = False) -> Outcome:
        return train(table or {}, folder, Watching(*stops), resume=resume or table is None, overwrite=False)

    return run
