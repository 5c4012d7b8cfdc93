"""``regard evaluate``: the numbers are sacreBLEU's on what ``regard translate`` writes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from sacrebleu.metrics import BLEU, CHRF, TER

from regard.looking.looks import alignments
from regard.runs.folder import load


@pytest.fixture
def test_set(toy: Path) -> tuple[object, ...]:
    return "--source", toy / "test.en", "--target", toy / "test.de"


@pytest.fixture
def references(toy: Path) -> list[str]:
    return (toy / "test.de").read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def other_run(tmp_path_factory: pytest.TempPathFactory, small_words: list[str], command: Callable[..., object]) -> Path:
    """A run that writes other translations."""
    folder = tmp_path_factory.mktemp("other") / "run"
    words = ["train.seed=9", "train.steps=12", "data.bleu_sentences=0"]
    assert command("train", *small_words, *words, "--out", folder).code == 0
    return folder


@pytest.mark.parametrize("search", [[], ["--beam", "1"], ["--beam", "3", "--length-penalty", "0"]], ids=" ".join)
def test_scores_are_sacrebleu_s_on_the_lines_of_translate(
    command, finished_run, test_set, references, toy, tmp_path, search
):
    lines = command("translate", finished_run, toy / "test.en", *search).out.splitlines()
    ended = command("evaluate", finished_run, *test_set, *search, "--json", "--out", tmp_path / "out.txt")
    assert ended.code == 0
    assert (tmp_path / "out.txt").read_text(encoding="utf-8").splitlines() == lines
    found = json.loads(ended.out)
    for name, metric in (("bleu", BLEU(force=True)), ("chrf", CHRF()), ("ter", TER())):
        assert found[name]["score"] == pytest.approx(metric.corpus_score(lines, [references]).score)
        told, ours = (
            dict(part.split(":") for part in str(one).split("|"))
            for one in (metric.get_signature(), found[name]["signature"])
        )
        assert told.items() <= ours.items()
        assert ours["bs"] == "1000"
    assert found["lines"] == 12
    assert found["perplexity"]["perplexity"] == pytest.approx(math.exp(found["perplexity"]["nats_per_token"]))


def test_fast_scores_the_lines_of_fast_translate_or_says_why_not(
    command, finished_run, test_set, toy, tmp_path, monkeypatch
):
    lines = command("translate", finished_run, toy / "test.en", "--fast").out.splitlines()
    assert command("evaluate", finished_run, *test_set, "--fast", "--out", tmp_path / "out.txt").code == 0
    assert (tmp_path / "out.txt").read_text(encoding="utf-8").splitlines() == lines
    monkeypatch.setenv("REGARD_NATIVE", "0")
    assert "--fast changes nothing: REGARD_NATIVE is 0" in command("evaluate", finished_run, *test_set, "--fast").err


def test_a_run_is_not_better_than_itself(command, finished_run, test_set):
    ended = command("evaluate", finished_run, *test_set, "--against", finished_run, "--json")
    against = json.loads(ended.out)["against"]
    for name in ("bleu", "chrf", "ter"):
        assert against[name]["delta"] == 0
        assert against[name]["p_value"] == 1
        assert against[name]["significant"] is False
        assert against[name]["first"] == against[name]["second"]


def test_against_another_run_the_difference_is_that_of_their_scores(command, finished_run, other_run, test_set):
    ended = command("evaluate", finished_run, *test_set, "--against", other_run, "--json")
    found = json.loads(ended.out)
    alone = json.loads(command("evaluate", other_run, *test_set, "--json").out)
    for name in ("bleu", "chrf", "ter"):
        difference = found["against"][name]
        assert difference["first"] == pytest.approx(alone[name]["score"])
        assert difference["second"] == pytest.approx(found[name]["score"])
        assert difference["delta"] == pytest.approx(found[name]["score"] - alone[name]["score"])
        assert 0 < difference["p_value"] <= 1
    assert found["chrf"]["score"] != alone["chrf"]["score"]


def test_people_see_tables_with_signatures_intervals_and_a_warning(
    command, finished_run, other_run, test_set, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "200")
    ended = command("evaluate", finished_run, *test_set, "--against", other_run)
    assert ended.code == 0
    for word in ("BLEU", "chrF2", "TER", "±", "nrefs:1|bs:1000", "perplexity", "Paired bootstrap", str(other_run)[:20]):
        assert word in ended.out
    assert "The test set has 12 lines: too few for reliable scores." in ended.err


def test_alignments_are_compared_with_true_ones(command, finished_run, tmp_path: Path):
    """True links that are those of the model itself: nothing is wrong; all of them elsewhere: everything is."""
    source, target, true = (tmp_path / name for name in ("a", "b", "true"))
    source.write_text("the dog\nthe cat sleeps\n", encoding="utf-8")
    target.write_text("der Hund\ndie Katze\n", encoding="utf-8")
    model = load(finished_run)
    written = model.target_tokenizer.encode_batch(["der Hund", "die Katze"])
    own = alignments(model, ["the dog", "the cat sleeps"], written)
    true.write_text("".join(f"{line}\n" for line in own), encoding="utf-8")
    words = ("evaluate", finished_run, "--source", source, "--target", target, "--alignments", true)
    ended = command(*words, "--json")
    assert ended.code == 0, ended.err
    (found,) = json.loads(ended.out)["alignment"].values()
    assert (found["error rate"]["value"], found["precision"]["value"], found["recall"]["value"]) == (0.0, 1.0, 1.0)
    true.write_text("\n0?0\n", encoding="utf-8")  # no sure link at all, and one possible one of the second pair
    shown = command(*words)
    assert "error rate" in shown.out
    refused = command(*words, "--beam", "2")
    assert refused.code == 2
    assert "--beam: got 2; expected none with --alignments, where it says nothing; leave it out" in refused.err
    true.write_text("0-0\n9-0\n", encoding="utf-8")
    assert f"{true}:2: got a link of source word 9; expected source words 0 to 2" in command(*words).err
