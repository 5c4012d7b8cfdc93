"""Bad input on the command line: the message, exit code 2, no traceback, and every file as it was."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

GOOD = "A dog.\nA cat.\nA bird.\n"
TRANSLATE = ["translate", "{run}", "{files}/good.en"]
TEST = ["--source", "{files}/good.en", "--target", "{files}/good.de"]
SHORT = ["--source", "{files}/good.en", "--target", "{files}/short.de"]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Texts, good and bad."""
    folder = tmp_path / "texts"
    folder.mkdir()
    contents: dict[str, str | bytes] = {
        "good.en": GOOD,
        "good.de": GOOD,
        "short.de": "A dog.\nA cat.\n",
        "empty.de": "",
        "latin.de": "Ein Hund.\nEine Größe.\nEin Vogel.\n".encode("latin-1"),
        "utf16.de": GOOD.encode("utf-16"),
        "cut.de.gz": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
        "blank.de": "\n \n\t\n",
        "fields.jsonl": '{"text": "a"}\n{"txt": "b"}\n{"text": "c"}\n',
        "columns.tsv": "a\tb\nc\nd\te\n",
        "recipe.toml": "[train]\nsteps = 1\n",
        "broken.toml": "[train\nsteps = 1\n",
        "latin.toml": "# Größe\n".encode("latin-1"),
        "deep.toml": "a = " + "[" * 100_000,
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe.de")
    return folder


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (
            "short.de",
            "good.en: got 3 lines, but {files}/short.de has 2; expected line n of both to be the same",
        ),
        ("empty.de", "empty.de: got an empty file; expected one sentence a line"),
        ("folder", "folder: got a directory; expected a file; name a file in it."),
        ("latin.de", "latin.de:2: got the byte 0xF6, which is not UTF-8, at byte 8 of the line (byte 18 of the file)"),
        ("utf16.de", "utf16.de: got UTF-16 (by its first two bytes); expected UTF-8"),
        ("cut.de.gz", "cut.de.gz:1: got a damaged or truncated .gz file; expected a whole one"),
        ("blank.de", "cleaning: got 3 pairs, none of which was kept (empty side: 3)"),
        ("fields.jsonl", "fields.jsonl:2: got an object with txt; expected an object with the text 'text'"),
        ("pipe.de", "pipe.de: got a pipe or device; expected a regular file"),
        ("nothing.de", "nothing.de: got no such file; expected a text file; check the path."),
        ("good.en", "good.en: got the same file as source and target; expected one file a language; name two files."),
        ("x" * 300, "expected a readable file; check the path and its permissions."),
    ],
)
def test_a_text_that_cannot_be_trained_on_is_refused(refuses, files, tmp_path, target, says):
    words = ("--source", files / "good.en", "--target", files / target, "--out", tmp_path / "new" / "run")
    refuses("train", *words, says=says.format(files=files))
    words = ("--valid-source", files / "good.en", "--valid-target", files / target, "--out", tmp_path / "run")
    if target != "blank.de":
        refuses(
            "train", "--source", files / "good.en", "--target", files / "good.de", *words, says=says.format(files=files)
        )


def test_validation_without_any_text_is_refused(refuses, files, tmp_path):
    """Lines that are all blank leave nothing to validate on."""
    words = ("--source", files / "good.en", "--target", files / "good.de", "--out", tmp_path / "run")
    blank = files / "blank.de"
    refuses(
        "train",
        *words,
        "--valid-source",
        blank,
        "--valid-target",
        files / "good.de",
        says="blank.de: got no pair with text on both sides; expected validation pairs",
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["train.step=3"], "train.step: got an unknown key; expected a known one; did you mean train.steps."),
        (["model.d_modle=3"], "model.d_modle: got an unknown key; expected a known one; did you mean model.d_model."),
        (["d_model=3"], "d_model: got an unknown key; expected a known one; "),
        (["trian.steps=3"], "trian: got an unknown key; expected a known one; did you mean train."),
        (["train.steps=many"], "train.steps: got 'many'; expected a whole number; change it"),
        (["train.steps=2.5"], "train.steps: got 2.5; expected a whole number"),
        (["train.steps=true"], "train.steps: got True; expected a whole number"),
        (["train.steps=0"], "train.steps: got 0; expected at least 1"),
        (["model.dropout=1.5"], "model.dropout: got 1.5; expected less than 1.0"),
        (["train.learning_rate=nan"], "train.learning_rate: got nan; expected a finite number"),
        (["train.learning_rate=1e999"], "train.learning_rate: got inf; expected a finite number"),
        (["train.label_smoothing=1.0"], "train.label_smoothing: got 1.0; expected less than 1.0"),
        (["model.activation=relo"], "model.activation: got 'relo'; expected one of relu"),
        (
            ["model.heads=7", "model.d_model=512"],
            "heads: got 7 with d_model 512; expected a divisor of d_model; use 8.",
        ),
        (["model.heads=0"], "model.heads: got 0; expected at least 1"),
        (["model.d_model=15", "model.heads=3"], "d_model: got 15; expected an even number with sinusoids; use 16"),
        (["decode.beam=0"], "decode.beam: got 0; expected at least 1"),
        (["decode.n_best=9", "decode.beam=2"], "decode.n_best: got 9; expected at most beam (2)"),
        (["tokenizer.size=200"], "tokenizer.size: got 200; expected 0 or at least"),
        (["model.size=huge"], "model.size: got 'huge'; expected one of"),
        (["family=mamba"], "family: got 'mamba'; expected one of"),
        (["train=3"], "train: got 3; expected a table; write [train] or train.key=value."),
        (["=3"], "=3: got no key=value; expected a setting such as train.steps=1000"),
        (["--budget", "soon"], "budget: got 'soon'; expected a time such as 90s, 20m or 1h30m; write it so."),
        (["--budget", "0s"], "budget: got '0s'; expected a time"),
        (["a.toml", "b.toml"], "recipe: got a.toml and b.toml; expected at most one; write settings as key=value."),
        (["{files}/nothing.toml"], "nothing.toml: got No such file or directory; expected a readable TOML file"),
        (["{files}/folder"], "folder: got Is a directory; expected a readable TOML file"),
        (["{files}/broken.toml"], "broken.toml: got Expected ']' at the end of a table declaration (at line 1"),
        (["{files}/latin.toml"], "latin.toml: got bytes that are not UTF-8; expected a TOML file; save it as UTF-8."),
        (["{files}/deep.toml"], "deep.toml: got"),
        (["--resume", "--overwrite"], "--resume: got --overwrite as well; expected one of them; leave one out."),
        (
            ["--valid-source", "{files}/good.en"],
            "data.valid_source: got one file of two; expected a source and a",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_recipe_that_is_wrong_is_refused(refuses, files, tmp_path, words, says):
    words = [word.format(files=files) for word in words]
    texts = ("--source", files / "good.en", "--target", files / "good.de")
    refuses("train", *words, *texts, "--out", tmp_path / "run", says=says)


def test_every_mistake_of_a_recipe_is_told_at_once(refuses, files, tmp_path):
    words = ("train.step=3", "model.dropout=2", "decode.beam=0", "--source", files / "good.en")
    said = refuses("train", *words, "--target", files / "good.de", "--out", tmp_path / "run", says="train.step:")
    assert [line.split(":")[0] for line in said.splitlines() if ": got" in line] == [
        "train.step", "decode.beam", "model.dropout"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["--source", "good.en", "--target", "good.de"],
            "--out: got nothing; expected the folder of the run; give",
        ),
        (
            ["--source", "good.en", "--out", "run"],
            "data.source: got one file of two; expected a source and a target",
        ),
        (["--target", "good.de", "--out", "run"], "data.source: got one file of two"),
        (["--out", "run"], "data.source: got nothing; expected two text files; give --source FILE --target FILE."),
        (["--resume", "--out", "run"], "data.source: got nothing; expected two text files"),
    ],
    ids=" ".join,
)
def test_what_is_missing_is_named(refuses, files, monkeypatch, words, says):
    monkeypatch.chdir(files)
    refuses("train", *words, says=says)


# The folder ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "more", "says"),
    [
        (
            "run",
            [],
            "{out}, which already holds a run; expected a new or empty folder; add --resume to go on, or",
        ),
        (
            "files",
            [],
            "{out}, which already holds files; expected a new or empty folder; choose another folder.",
        ),
        (
            "files",
            ["--overwrite"],
            "--overwrite: got {out}, which holds files that are not a run; expected a run;",
        ),
        ("files", ["--resume"], "--out: got {out}, which already holds files"),
        ("file", [], "--out: got {out}, a file; expected a folder; choose another name."),
        ("file", ["--overwrite"], "--out: got {out}, a file; expected a folder"),
        ("file", ["--resume"], "--out: got {out}, a file; expected a folder"),
        ("below a file", [], "got Not a directory; expected a folder to write to; choose another folder."),
        ("a name that is too long", [], "File name too long"),
    ],
)
def test_a_folder_that_cannot_become_the_run_is_left_as_it_is(refuses, files, finished_run, tmp_path, make, more, says):
    out = tmp_path / "out"
    if make == "run":
        shutil.copytree(finished_run, out)
    elif make == "files":
        (out / "thesis").mkdir(parents=True)
        (out / "thesis" / "chapter1.txt").write_text("dear to me")
    elif make == "file":
        out.write_text("dear to me")
    elif make == "below a file":
        (tmp_path / "file").write_text("dear to me")
        out = tmp_path / "file" / "out"
    else:
        out = tmp_path / ("x" * 300)
    texts = ("--source", files / "good.en", "--target", files / "good.de")
    refuses("train", *texts, "--out", out, *more, says=says.format(out=out))


def test_a_finished_run_is_not_gone_on_with(command, run_copy, tree):
    before = tree(run_copy)
    ended = command("train", "--out", run_copy, "--resume")
    assert ended.code == 0
    assert f"{run_copy} is finished: 30 steps. Nothing to do." in ended.err
    assert tree(run_copy) == before


def test_a_run_is_not_gone_on_with_under_other_settings(refuses, run_copy):
    words = ("train", "train.steps=60", "--out", run_copy, "--resume")
    refuses(*words, says="--resume: got train.steps=60; expected the settings that the run began with; leave them out")


# Runs ----------------------------------------------------------------------------------------------------------------


def change(run: Path, name: str, **values: Any) -> None:
    table = json.loads((run / name).read_text(encoding="utf-8"))
    (run / name).write_text(json.dumps({**table, **values}), encoding="utf-8")


def larger_vocabulary(run: Path) -> None:
    table = json.loads((run / "tokenizer.json").read_text(encoding="utf-8"))
    pad = next(token for token in table["added_tokens"] if token["content"] == "<pad>")
    table["model"]["vocab"]["extra"] = pad["id"]
    table["model"]["vocab"]["<pad>"] = pad["id"] = pad["id"] + 1
    (run / "tokenizer.json").write_text(json.dumps(table), encoding="utf-8")


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "there is none": (
        shutil.rmtree,
        "small: got no folder there; expected a folder, or a public model's name such as",
    ),
    "weights cut short": (
        lambda run: os.truncate(run / "model.safetensors", 4000),
        "model.safetensors: got ",
    ),
    "no weights": (
        lambda run: (run / "model.safetensors").unlink(),
        "expected model.safetensors or pytorch_model.bin, whole or in shards with an index;",
    ),
    "a tokenizer of another size": (larger_vocabulary, "ids with a model of "),
    "a damaged tokenizer": (
        lambda run: os.truncate(run / "tokenizer.json", 500),
        "tokenizer.json: got damaged JSON; expected a whole tokenizer.json; restore the file.",
    ),
    "no tokenizer": (
        lambda run: (run / "tokenizer.json").unlink(),
        "small: got no tokenizer file; expected one of tokenizer.json",
    ),
    "a damaged config": (
        lambda run: os.truncate(run / "config.json", 100),
        "expected a JSON object; use a whole copy of the file.",
    ),
    "an unknown kind of model": (
        lambda run: change(run, "config.json", model_type="mamba", family=None),
        "config.json: got model_type 'mamba'; expected one of albert",
    ),
    "a config of another size": (
        lambda run: change(run, "config.json", d_model=8),
        "weights: got ",
    ),
    "a damaged recipe": (
        lambda run: (run / "recipe.toml").write_text("[decode]\nbeem = 1\n"),
        "decode.beem: got an unknown key; expected a known one; did you mean decode.beam.",
    ),
}


@pytest.mark.parametrize("verb", ["translate", "evaluate", "compare", "export", "inspect"])
@pytest.mark.parametrize(("spoil", "says"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_run_is_refused_by_every_command(refuses, run_copy, files, tmp_path, verb, spoil, says):
    spoil(run_copy)
    test = ("--source", files / "good.en", "--target", files / "good.de")
    words = {
        "translate": (run_copy, files / "good.en"),
        "evaluate": (run_copy, *test, "--out", tmp_path / "out.txt"),
        "compare": (run_copy, *test, "--out", tmp_path / "out.png"),
        "export": (run_copy, tmp_path / "exported", "--to", "huggingface"),
        "inspect": (run_copy,),
    }
    if verb == "export" and "decode.beem" in says:  # what is exported does not depend on it
        says = "decode.beem"
    refuses(verb, *words[verb], says=says)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["translate", "{run}", "{files}/latin.de"], "latin.de:2: got the byte 0xF6, which is not UTF-8, at byte 8"),
        (["translate", "{run}", "{files}/nothing"], "nothing: got no such file"),
        (["translate", "{run}", "{files}/folder"], "folder: got a directory; expected a file"),
        ([*TRANSLATE, "--beam", "0"], "beam: got 0; expected at least 1"),
        ([*TRANSLATE, "--n-best", "0"], "n_best: got 0; expected at least 1"),
        (
            [*TRANSLATE, "--n-best", "5", "--beam", "2"],
            "n_best: got 5; expected at most beam (2)",
        ),
        (
            [*TRANSLATE, "--top-p", "1.5", "--sample"],
            "top_p: got 1.5; expected more than 0",
        ),
        (
            [*TRANSLATE, "--temperature", "-1"],
            "temperature: got -1.0; expected at least 0",
        ),
        (
            [*TRANSLATE, "--length-penalty", "nan"],
            "length_penalty: got nan; expected a finite",
        ),
        (
            ["evaluate", "{run}", *SHORT],
            "good.en: got 3 lines, but",
        ),
        (
            ["evaluate", "{run}", *TEST, "--beam", "0"],
            "beam: got 0",
        ),
        (
            ["evaluate", "{run}", *TEST, "--against", "{files}/no"],
            "/no: got no folder there; expected a folder, or a public model's name such as",
        ),
        (
            ["compare", "{run}", *TEST, "--beam", "0"],
            "beam: got 0",
        ),
        (
            ["compare", "{run}", "{run}", *TEST],
            "expected every run once; leave the repeated one out.",
        ),
        (
            [
                "compare",
                "{run}",
                "--source",
                "{files}/good.en",
                "--target",
                "{files}/good.de",
                "--out",
                "{files}/x.jpg",
            ],
            "x.jpg: got suffix '.jpg'; expected a picture's .png, .svg or .pdf; rename it.",
        ),
        (
            ["inspect", "{run}", "--source", "{files}/good.en"],
            "inspect: got both; expected a run or a corpus;",
        ),
        (["inspect"], "inspect: got neither; expected a run or a corpus"),
        (
            ["inspect", "--source", "{files}/good.en"],
            "--source: got one file of two; expected a source and",
        ),
        (
            ["export", "{run}", "{files}/out", "--to", "onnx"],
            "--to: got 'onnx'; expected one of huggingface,",
        ),
        (["export", "{run}", "{files}/folder"], "folder, which exists; expected a new folder; choose another name."),
        (["export", "{run}", "{files}/good.en/out"], "Not a directory"),
        (["demo", "--data-only", "{files}/good.en"], "good.en"),
        (["demo", "--out", "{files}/good.en"], "good.en"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_words_that_do_not_fit_are_refused(refuses, finished_run, files, words, says):
    refuses(*(word.format(run=finished_run, files=files) for word in words), says=says)


def test_a_damaged_journal_is_named_by_compare(refuses, run_copy, files):
    (run_copy / "metrics.jsonl").write_text('{"step": 1, "seconds": 2.0}\n{"st', encoding="utf-8")
    words = ("compare", run_copy, "--source", files / "good.en", "--target", files / "good.de")
    refuses(*words, says="metrics.jsonl:2: got ")


def test_what_the_system_refuses_is_a_message_too(refuses, finished_run, files, monkeypatch):
    """A full disk, a file without permission: named, without a traceback, as a failure underway."""

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device", "out.txt")

    monkeypatch.setattr("regard.storage.write_file", full)
    words = ("evaluate", finished_run, "--source", files / "good.en", "--target", files / "good.de", "--out", "out.txt")
    says = "out.txt: got No space left on device; expected a file that can be read and written; "
    refuses(*words, says=says, code=1)
