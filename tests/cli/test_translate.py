"""``regard translate``: one line in, one line out, in order."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from regard.looking.align import merge_groups, pharaoh
from regard.looking.replay import attention_of
from regard.models.heads import LANGUAGE
from regard.runs.folder import Model, load, read_recipe, write_model

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def run(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run with noise on its weights: every line has an output of its own, and no two beams agree."""

    folder = Path(shutil.copytree(finished_run, tmp_path_factory.mktemp("lively") / "run"))
    module = load(folder).module
    torch.manual_seed(3)
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(torch.randn_like(weight) * (0.2 if weight.ndim == 1 else 0.5))
        module.decoder.blocks[-1].around_feed_forward.norm.weight.normal_()
        module.encoder.embed.tokens.weight[module.pad].zero_()
    write_model(folder, read_recipe(folder), module, LANGUAGE)
    return folder


@pytest.fixture(scope="module")
def model(run: Path) -> Model:
    return load(run)


@pytest.fixture
def texts(toy: Path) -> list[str]:
    return (toy / "test.en").read_text(encoding="utf-8").splitlines()[:6]


def test_a_file_and_standard_input_give_a_line_for_each_line_in_order(command, run, model, texts, tmp_path):
    lines = [texts[0], "", texts[1], "   ", *texts[2:], ""]
    text = "".join(f"{line}\n" for line in lines)
    (tmp_path / "in.txt").write_text(text, encoding="utf-8")
    expected = "".join(f"{line}\n" for line in model.translate(lines))
    assert command("translate", run, tmp_path / "in.txt").out == expected
    assert command("translate", run, stdin=text).out == expected
    assert len(set(expected.splitlines())) == len(texts) + 1


@pytest.mark.parametrize(
    ("raw", "texts_in"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"a dog", ["a dog"]),
        (b"\xef\xbb\xbfa dog\r\na cat\r\n", ["a dog", "a cat"]),
        ("a\u2028dog\x0b\x85\n".encode(), ["a\u2028dog\x0b\x85"]),
        (b"a\x00dog\n", ["a\x00dog"]),
        ("cafe\u0301\n".encode(), ["caf\u00e9"]),
    ],
)
def test_a_line_ends_where_a_line_ends(command, run, model, raw, texts_in):
    ended = command("translate", run, stdin=raw)
    assert ended.code == 0
    assert ended.out == "".join(f"{line}\n" for line in model.translate(texts_in))


def test_settings_reach_the_search(command, run, model, texts):
    text = "\n".join(texts)
    for words, changes in (
        (["--beam", "1"], {"beam": 1}),
        (["--beam", "3", "--length-penalty", "2"], {"beam": 3, "length_penalty": 2.0}),
        (["--no-repeat-ngram", "1"], {"no_repeat_ngram": 1}),
        (["--sample", "--seed", "3", "--top-k", "5"], {"sample": True, "seed": 3, "top_k": 5}),
        (["--sample", "--temperature", "0.5", "--top-p", "0.8"], {"sample": True, "temperature": 0.5, "top_p": 0.8}),
    ):
        assert command("translate", run, *words, stdin=text).out.splitlines() == model.translate(texts, **changes)


def test_n_best_are_so_many_lines_a_line_with_falling_scores(command, run, model, texts):
    ended = command("translate", run, "--n-best", "3", stdin="\n".join(texts[:2]))
    lines = [line.split("\t") for line in ended.out.splitlines()]
    found = model.translations(texts[:2], model.settings(beam=3, n_best=3))
    assert [text for _, text in lines] == [one.text for translation in found for one in translation.n_best]
    assert [score for score, _ in lines] == [f"{one.score:.4f}" for translation in found for one in translation.n_best]
    for first in (0, 3):
        scores = [float(score) for score, _ in lines[first : first + 3]]
        assert scores == sorted(scores, reverse=True)


def test_json_has_an_object_a_line_with_scores(command, run, model, texts):
    ended = command("translate", run, "--json", "--n-best", "2", "--align", stdin="\n".join([*texts[:2], "", ""]))
    records = [json.loads(line) for line in ended.out.splitlines()]
    assert [record["source"] for record in records] == [*texts[:2], ""]
    found = model.translations([*texts[:2], ""], model.settings(beam=2, n_best=2))
    for record, translation in zip(records, found, strict=True):
        assert [one["text"] for one in record["translations"]] == [one.text for one in translation.n_best]
        assert [one["score"] for one in record["translations"]] == [one.score for one in translation.n_best]
        assert all(one["log_probability"] <= 0 for one in record["translations"])
    assert records[2]["alignment"] == ""


def test_an_alignment_names_words_of_both_lines(command, run, model, texts):
    ended = command("translate", run, "--align", stdin="\n".join([*texts, "", ""]))
    *lines, empty = ended.out.splitlines()
    assert empty == "\t"
    for source, line, found in zip(texts, lines, model.translations(texts), strict=True):
        text, alignment = line.split("\t")
        assert text == found.text
        ids = model.source_tokenizer.encode(source)
        pieces = model.source_tokenizer.pieces_of(ids), model.target_tokenizer.pieces_of(found.ids)
        cross = attention_of(model.module, [*ids, 0], [*found.ids, 0]).cross
        matrix = cross[max(0, len(cross) - 2)].mean(0)[: len(found.ids), : len(ids)]
        sides = [re.split(r" (?=▁)", " ".join(side)) for side in pieces]  # a word begins at "▁"
        ends = [np.cumsum([len(word.split()) for word in words]) for words in sides]
        groups = [[list(range(start, end)) for start, end in pairwise([0, *side])] for side in ends]
        assert alignment == pharaoh(merge_groups(matrix, *groups))
        links = [tuple(map(int, link.split("-"))) for link in alignment.split()]
        assert {s for s, _ in links} <= set(range(len(source.split())))
        assert len({t for _, t in links}) == len(links) > 0, "one link a target word"


def test_nothing_but_translations_stands_on_standard_output(command, run, texts):
    ended = command("translate", run, stdin="\n".join(texts))
    assert ended.err == ""
    assert len(ended.out.splitlines()) == len(texts)


def test_bytes_go_in_and_out_as_utf8_whatever_the_locale(run, model):
    """In a process of its own, with the locale C."""
    text = "Größe 안녕 👩‍👩‍👧\n"
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "LANG", "PYTHONUTF8"))}
    found = subprocess.run(
        [sys.executable, "-m", "regard", "translate", str(run)],
        input=text.encode(),
        capture_output=True,
        env={**environment, "LC_ALL": "C", "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"},
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.decode("utf-8") == model.translate([text.strip()])[0] + "\n"
    assert not re.search(rb"Traceback", found.stderr)


def test_fast_changes_the_products_or_says_why_not(run: Path, command, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f"{line}\n" for line in ("the dog sees a cat", "a red car"))
    choice = load(run).translator.engines.choose(load(run).settings(products="int8"))
    ended = command("translate", run, "--fast", "--json", stdin=text)
    assert ended.code == 0
    assert len(ended.out.splitlines()) == 2
    if choice.reason:
        assert f"--fast changes nothing: {choice.reason}" in ended.err
    else:
        assert ended.err == ""
        assert ended.out != command("translate", run, "--json", stdin=text).out
    monkeypatch.setenv("REGARD_NATIVE", "0")
    without = command("translate", run, "--fast", "--json", stdin=text)
    assert "--fast changes nothing: REGARD_NATIVE is 0" in without.err
    assert [json.loads(line)["source"] for line in without.out.splitlines()] == text.splitlines()


def test_a_model_opens_without_the_compiler_of_torch(run: Path) -> None:
    """It takes longer to load than torch itself, and opening a model draws and compiles nothing."""
    code = "import sys, regard; regard.load(sys.argv[1]); print(*{'torch._dynamo', 'sympy'} & set(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", code, str(run)]
    assert subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout == "\n"
