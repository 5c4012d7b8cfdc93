"""Measuring what a model says of texts: the same numbers as its training's own validation, and as the libraries'."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score
from tests.runs import public_models

from regard.errors import DataError, RunError, SettingError
from regard.runs.folder import load
from regard.runs.journal import read_journal
from regard.runs.measure_texts import Columns, measure_couples, measure_labels, measure_text, predicts_text
from regard.runs.model import Model

SMALL = (
    "model.layers=1 model.d_model=16 model.heads=2 tokenizer.size=400 train.steps=6 train.batch_tokens=512 "
    "train.validate_every=6 train.save_every=6 train.learning_rate=0.01 train.precision=float32 train.threads=1 "
    "train.average=last train.average_count=1"
).split()


@pytest.fixture(scope="module")
def folder(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``train.tsv`` and ``test.tsv``: text, whether it is long, and for each word whether it begins with a capital."""
    folder = tmp_path_factory.mktemp("tables")
    for split in ("train", "test"):
        rows = ["text\tsize\tcapitals"]
        for line in (toy / f"{split}.en").read_text(encoding="utf-8").splitlines():
            words = line.split()
            capitals = " ".join("yes" if word[0].isupper() else "no" for word in words)
            rows.append(f"{line}\t{'long' if len(words) > 8 else 'short'}\t{capitals}")
        (folder / f"{split}.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def trained(command: Callable[..., object], folder: Path, toy: Path, tmp_path_factory: pytest.TempPathFactory):
    """Trains a model of a kind, once."""
    made: dict[str, Path] = {}
    table = ("--text", folder / "train.tsv", "--valid-text", folder / "test.tsv")
    text = ("--text", toy / "train.en", "--valid-text", toy / "test.en")
    pairs = ("--source", toy / "train.en", "--target", toy / "train.de")
    pairs += ("--valid-source", toy / "test.en", "--valid-target", toy / "test.de")
    words = {
        "classes": (*table, "--label", "size"),
        "tags": (*table, "--label", "capitals", "task.kind=token_classification"),
        "text": text,
        "packed": (*text, "task.packed=true"),
        "hidden": (*text, "task.kind=masked_token"),
        "spans": (*text, "task.kind=span_corruption", "model.d_k=8", "model.d_ff=24"),
        "vectors": (*pairs, "task.kind=embedding"),
    }

    def make(kind: str) -> Path:
        if kind not in made:
            out = tmp_path_factory.mktemp("measured") / kind
            assert command("train", *SMALL, *words[kind], "--out", out).code == 0
            made[kind] = out
        return made[kind]

    return make


def last_record(run: Path) -> dict[str, float]:
    return [record for record in read_journal(run / "metrics.jsonl") if "valid_loss" in record][-1]


@pytest.mark.parametrize("kind", ["text", "packed", "hidden", "spans"])
def test_a_text_is_measured_as_validation_was(trained, toy, kind):
    run = trained(kind)
    found = measure_text(load(run), toy / "test.en").perplexity
    assert found.nats_per_token == pytest.approx(last_record(run)["valid_loss"], rel=1e-5)
    text = (toy / "test.en").read_text(encoding="utf-8")
    if kind in ("text", "packed"):
        assert found.words == len(text.split())
        assert found.bits_per_byte == pytest.approx(
            found.nats_per_token * found.tokens / len(text.replace("\n", "").encode()) / math.log(2)
        )
    else:
        assert found.words is None


def test_a_public_language_model_is_measured_on_the_whole_file(tmp_path, toy):
    """By hand: 49 tokens at a time, each predicted from those before it in its block."""
    model = load(public_models.gpt2(tmp_path / "gpt2"))
    text = (toy / "test.en").read_text(encoding="utf-8").rstrip("\n")
    ids = [model.module.ids.eos, *model.source_tokenizer.encode(text)]
    nats = 0.0
    for begin in range(0, len(ids) - 1, 48):
        block = torch.tensor([ids[begin : begin + 49]])
        with torch.no_grad():
            logits = model.module.logits(model.module(block[:, :-1])).double().log_softmax(-1)
        nats -= float(logits.gather(2, block[:, 1:, None]).sum())
    found = measure_text(model, _file(tmp_path, text), None).perplexity
    assert found.tokens == len(ids) - 1
    assert found.nats_per_token == pytest.approx(nats / (len(ids) - 1), rel=1e-5)


def _file(folder: Path, text: str) -> Path:
    (folder / "text.txt").write_text(text + "\n", encoding="utf-8")
    return folder / "text.txt"


def test_classes_are_scored_as_scikit_learn_does(trained, folder):
    model = load(trained("classes"))
    found = measure_labels(model, folder / "test.tsv", Columns())
    rows = [line.split("\t") for line in (folder / "test.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    assert found.gold == [row[1] for row in rows]
    assert found.predicted == [one.label for one in model.classify([row[0] for row in rows])]
    assert found.scores.accuracy.value == pytest.approx(accuracy_score(found.gold, found.predicted))
    labels = ["long", "short"]
    expected = f1_score(found.gold, found.predicted, labels=labels, average="macro", zero_division=0.0)
    assert found.scores.macro_f1 == pytest.approx(expected)
    assert found.scores.accuracy.value == pytest.approx(last_record(trained("classes"))["valid_accuracy"])


def test_tags_of_words_are_scored_as_validation_was(trained, folder):
    run = trained("tags")
    found = measure_labels(load(run), folder / "test.tsv", Columns())
    assert found.scores.accuracy.value == pytest.approx(last_record(run)["valid_accuracy"])
    predicted, gold = found.flat
    assert len(predicted) == len(gold) == found.scores.words
    assert found.scores.accuracy.value == pytest.approx(accuracy_score(gold, predicted))


def test_couples_are_found_as_in_validation(trained, toy):
    run = trained("vectors")
    found = measure_couples(load(run), toy / "test.en", toy / "test.de")
    assert found.queries == 12
    assert found.recall[1].value == pytest.approx(last_record(run)["valid_recall"])


def test_a_label_that_was_not_learnt_is_named(trained, folder, tmp_path):
    (tmp_path / "odd.tsv").write_text("text\tsize\nA dog runs.\ttiny\n", encoding="utf-8")
    with pytest.raises(DataError, match="label: got 'tiny'; expected one of long, short"):
        measure_labels(load(trained("classes")), tmp_path / "odd.tsv", Columns())


def test_a_column_that_is_not_there_is_named(trained, folder):
    with pytest.raises((SettingError, DataError), match="sentiment"):
        measure_labels(load(trained("classes")), folder / "test.tsv", Columns(label="sentiment"))


def test_a_table_without_text_is_refused(trained, tmp_path):
    (tmp_path / "blank.tsv").write_text("text\tsize\n \tlong\n", encoding="utf-8")
    with pytest.raises(DataError, match="no row with text; expected labelled texts to measure on"):
        measure_labels(load(trained("classes")), tmp_path / "blank.tsv", Columns())


def test_couples_without_text_are_refused(trained, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(" \n", encoding="utf-8")
    with pytest.raises(DataError, match="no couple with text on both sides"):
        measure_couples(load(trained("vectors")), tmp_path / "a", tmp_path / "b")


def test_who_learnt_no_text_by_itself_is_not_measured_on_it(finished_run, trained, toy):
    model: Model = load(finished_run)
    assert not predicts_text(model)
    assert predicts_text(load(trained("hidden")))
    with pytest.raises(RunError, match="expected one that learnt to predict text; give --source FILE --target FILE"):
        measure_text(model, toy / "test.en")
