"""``regard train``: what is seen, and how it is stopped and gone on with."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from regard.config import read_toml
from regard.runs.folder import load
from regard.runs.recipe import describe, recipe_from

ROOT = Path(__file__).resolve().parents[2]


def done(folder: Path, step: int) -> bool:
    return (folder / "checkpoints" / f"step-{step}").exists()


@pytest.fixture
def long_words(small_words: list[str]) -> list[str]:
    """A run that does not end before it is stopped."""
    return [*small_words, "train.steps=100000", "train.save_every=10", "data.bleu_sentences=0"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_after_the_step_with_a_checkpoint_and_says_how_to_go_on(start, long_words, tmp_path, number):
    out = tmp_path / "a run"
    process = start("train", *long_words, "--out", out)
    process.wait_for(lambda: done(out, 10))
    process.send(number)
    ended = process.end()
    assert ended.code == 75
    said = re.search(r"stopped after step (\d+), saved; go on with: (.*)", ended.err)
    assert said, ended.err
    assert said[2] == f"regard train --out '{out}' --resume"
    assert done(out, int(said[1]))
    assert not (out / "model.safetensors").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_a_second_signal_ends_it_at_once(start, small_words, tmp_path, number, code):
    """In a step that takes for ever, the first signal is only noted."""
    out = tmp_path / "run"
    process = start("train", *small_words, "train.accumulate=1000000", "--out", out)
    process.wait_for((out / "metrics.jsonl").exists)
    time.sleep(0.3)  # from there into the step
    process.send(number)
    time.sleep(0.3)
    os.kill(process.pid, 0)  # it is there
    process.send(number)
    began = time.monotonic()
    assert process.end().code == code
    assert time.monotonic() - began < 10
    assert not (out / "checkpoints").exists()


def test_a_command_of_its_own_trains_from_two_files(toy, tmp_path):
    """The installed way: a new process, its working directory elsewhere, and a path with a space."""
    for ending in ("en", "de"):
        (tmp_path / f"my text.{ending}").write_bytes((toy / f"train.{ending}").read_bytes())
    words = "model.layers=1 model.d_model=16 model.heads=2 model.d_ff=32 tokenizer.size=400 train.steps=2".split()
    files = ["--source", "my text.en", "--target", "my text.de", "--out", "runs/a run"]
    found = subprocess.run(
        [sys.executable, "-m", "regard", "train", *words, *files],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "LANG": "C", "COLUMNS": "150"},
    )
    assert found.returncode == 0, found.stderr
    run = tmp_path / "runs" / "a run"
    assert "on the validation data" in found.stdout
    assert "perplexity" in found.stderr
    for metric in ("BLEU", "chrF2", "TER"):
        assert metric in found.stdout
    assert re.search(r"step +2 .*validation loss", found.stderr)
    told = re.search(r"^regard translate (.*) FILE +report: (.*)$", found.stdout, re.MULTILINE)
    assert told
    assert told[1] == "'runs/a run'"
    assert (tmp_path / told[2]).exists()
    assert len(load(run).translate(["A dog."], max_extra=2)) == 1
    assert read_toml(run / "recipe.toml")["data"]["source"] == "my text.en"


def test_options_settings_and_recipe_are_laid_over_one_another(command, toy, tmp_path, monkeypatch, small_words):
    """The recipe first, then key=value, then options."""
    monkeypatch.setattr("regard.runs.finish.write_report", lambda *arguments, **options: None)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("[train]\nsteps = 3\nseed = 5\nclip = 2.5\n[data]\nsource = 'nowhere'\n", encoding="utf-8")
    words = [word for word in small_words if not word.startswith(("train.steps", "train.seed", "train.clip"))]
    ended = command("train", recipe, *words, "train.seed=7", "--out", tmp_path / "run", "--budget", "1h")
    assert ended.code == 0
    found = read_toml(tmp_path / "run" / "recipe.toml")
    assert {key: found["train"][key] for key in ("steps", "seed", "clip", "budget")} == {
        "steps": 3,
        "seed": 7,
        "clip": 2.5,
        "budget": "1h",
    }
    assert found["data"]["source"] == str(toy / "train.en")


@pytest.mark.parametrize("form", ["tsv", "jsonl", "gz"])
def test_other_formats_train_to_the_same_bytes(command, toy, tmp_path, monkeypatch, form, small_words):
    monkeypatch.setattr("regard.runs.finish.write_report", lambda *arguments, **options: None)
    english, german = ((toy / f"train.{ending}").read_text(encoding="utf-8").splitlines() for ending in ("en", "de"))
    pairs = list(zip(english, german, strict=True))
    if form == "tsv":
        source = target = tmp_path / "train.tsv"
        source.write_text("".join(f"{one}\t{other}\n" for one, other in pairs), encoding="utf-8")
    elif form == "jsonl":
        source = target = tmp_path / "train.jsonl"
        records = [json.dumps({"source": one, "target": other}) for one, other in pairs]
        source.write_text("\n".join(records), encoding="utf-8")
    else:
        source, target = tmp_path / "en.gz", tmp_path / "de.gz"
        for path, lines in ((source, english), (target, german)):
            with gzip.open(path, "wt", encoding="utf-8") as file:
                file.write("\n".join(lines))
    words = [word for word in small_words if "=" in word] + ["train.steps=2", "data.bleu_sentences=0"]
    plain = ("--source", toy / "train.en", "--target", toy / "train.de")
    for out, texts in (("plain", plain), (form, ("--source", source, "--target", target))):
        assert command("train", *words, *texts, "--out", tmp_path / out).code == 0
    first, second = ((tmp_path / out / "model.safetensors").read_bytes() for out in ("plain", form))
    assert first == second


def test_every_setting_is_listed(command):
    ended = command("train", "--settings")
    assert ended.code == 0
    for name, text, default in describe(recipe_from({})):
        (line,) = (line for line in ended.out.splitlines() if line.split("│")[0].strip() == name)
        assert text[:60] in line  # the rest may stand on the next line
        assert default is None or str(default) in line


def test_the_help_has_an_example(command):
    ended = command("train", "--help")
    assert ended.code == 0
    assert "regard train --source train.de --target train.en --out runs/de-en --budget 20m" in " ".join(
        ended.out.split()
    )
