"""The demo on a handful of pairs and steps: all its files, and numbers that can be found again from the saved run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sacrebleu.metrics import BLEU

from regard.data.builtin import sample
from regard.data.builtin.sample import Pair, twins
from regard.looking.replay import attention_of
from regard.runs import demo as demos
from regard.runs.demo import CLASSIC, RECIPE
from regard.runs.folder import load
from regard.runs.train import Outcome

SMALL = {
    "model": {"layers": 2, "d_model": 16, "d_ff": 32, "heads": 4, "dropout": 0.1},
    "tokenizer": {"kind": "word"},
    "train": {
        "steps": 6,
        "save_every": 3,
        "validate_every": 3,
        "batch_tokens": 512,
        "precision": "float32",
        "threads": 1,
    },
    "data": {"bleu_sentences": 2},
    "decode": {"max_extra": 3, "beam": 2},
}


@pytest.fixture(scope="module")
def few() -> dict[str, list[Pair]]:
    """Some of the built-in pairs; among those for testing are the shortest twins."""
    pairs = sample.splits()
    others = [one for one in pairs["test"] if one not in twins(pairs["test"])]
    return {"train": pairs["train"][:600], "valid": pairs["valid"][:16], "test": [*others[:14], *twins(pairs["test"])]}


@pytest.fixture(scope="module")
def told(
    few: dict[str, list[Pair]], tmp_path_factory: pytest.TempPathFactory, command: Callable[..., Any]
) -> Iterator[tuple[Path, Any]]:
    """The folder of a small demo, and how the command ended."""
    folder = tmp_path_factory.mktemp("demo") / "story"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sample, "splits", lambda seed=1: few)
        patch.setattr(demos, "RECIPE", SMALL)
        patch.setenv("COLUMNS", "200")
        yield folder, command("demo", "--out", folder)


def test_every_file_of_the_story_is_there(told, few):
    folder, ended = told
    assert ended.code == 0
    pictures = {"learning.png", "positions.png", "alignment.png", "it.png", "adjective.png"}
    assert {path.name for path in folder.iterdir()} == {"data", "run", "scores.json", "look.html", *pictures}
    for name in pictures:
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
        assert (folder / name).stat().st_size > 5000
    assert (folder / "run" / "report.html").exists()
    english = (folder / "data" / "train.en").read_text(encoding="utf-8").splitlines()
    assert english == [pair.english for pair in few["train"]]


def test_the_scores_are_found_again_from_the_saved_run(told, few):
    folder, _ = told
    found = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    assert set(found) == {"bleu", "pronoun_accuracy", "seconds", "heads", "scores", "examples"}
    model = load(folder / "run")
    translations = model.translate([pair.english for pair in few["test"]])
    references = [pair.german for pair in few["test"]]
    assert found["bleu"] == pytest.approx(BLEU(force=True).corpus_score(translations, [references]).score)
    assert found["scores"]["bleu"]["signature"].startswith("nrefs:1|bs:1000|seed:12345|")
    assert found["scores"]["lines"] == len(few["test"])
    right = puzzles = 0
    for pair, text in zip(few["test"], translations, strict=True):
        if pair.puzzle:
            puzzles += 1
            after = re.findall(r"\bweil (\w+)", text)
            right += len(re.findall(r"\bweil\b", text)) == 1 and after[:1] == [pair.puzzle.pronoun]
    assert puzzles > 2
    assert found["pronoun_accuracy"] == pytest.approx(100 * right / puzzles)
    examples = [*CLASSIC, *(pair.english for pair in twins(few["test"]))]
    assert found["examples"] == dict(zip(examples, model.translate(examples), strict=True))
    assert found["seconds"] > 0


def shares(model: Any, pairs: list[Pair], word: str) -> dict[tuple[int, int], float]:
    """For each head, how often it looks from the word more at the right noun: words counted by hand."""
    counts: dict[tuple[int, int], list[bool]] = {}
    for pair in pairs:
        if pair.puzzle is None:
            continue
        tokens = re.findall(r"\w+|[^\w\s]", pair.english)
        ids = model.source_tokenizer.encode(pair.english)
        assert len(ids) == len(tokens)
        weights = attention_of(model.module, [*ids, 0], [5, 0]).encoder
        looking = tokens.index("it") if word == "it" else len(tokens) - 2  # before the full stop
        row = weights[:, :, looking]
        right, wrong = (row[:, :, tokens.index(noun)] for noun in (pair.puzzle.right, pair.puzzle.wrong))
        for layer in range(row.shape[0]):
            for head in range(row.shape[1]):
                counts.setdefault((layer, head), []).append(bool(right[layer, head] > wrong[layer, head]))
    return {head: sum(found) / len(found) for head, found in counts.items()}


@pytest.mark.parametrize("word", ["it", "adjective"])
def test_the_head_is_chosen_on_the_validation_puzzles_and_reported_on_the_test(told, few, word):
    folder, _ = told
    found = json.loads((folder / "scores.json").read_text(encoding="utf-8"))["heads"][word]
    model = load(folder / "run")
    valid, test = (shares(model, few[split], word) for split in ("valid", "test"))
    chosen = found["layer"] - 1, found["head"] - 1
    assert valid[chosen] == max(valid.values()) == found["right_noun_preferred_when_chosen"]
    assert found["right_noun_preferred_on_test"] == test[chosen]
    assert found["chosen_on"] == "the validation puzzles"


def test_what_is_printed_names_files_that_are_there(told):
    folder, ended = told
    found = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    names = re.findall(r"[\w.]+\.(?:png|html)\b", ended.out)
    assert len(names) == 7
    for name in names:
        assert (folder / name).exists() or (folder / "run" / name).exists(), name
    assert f"{found['pronoun_accuracy']:.1f} % of the test puzzles" in ended.out
    for english, german in found["examples"].items():
        assert english in ended.out
        assert german.strip() in ended.out
    assert f"regard translate {folder}/run" in ended.out


def test_a_demo_that_is_there_is_replaced_only_when_told_so(told, few, command, tree):
    folder, _ = told
    before = tree(folder)
    ended = command("demo", "--out", folder)
    assert ended.code == 2
    assert "run, which already holds a run; expected a new or empty folder" in ended.err
    assert tree(folder) == before


def test_a_demo_that_is_stopped_says_so_as_a_shell_expects(command, few, tmp_path, monkeypatch):
    monkeypatch.setattr(sample, "splits", lambda seed=1: few)
    monkeypatch.setattr(demos, "train", lambda table, run, *rest, **options: Outcome(run, 3, None))
    ended = command("demo", "--out", tmp_path / "story")
    assert ended.code == 130
    assert not (tmp_path / "story" / "scores.json").exists()


def test_the_twins_are_the_shortest_two_sentences_about_the_same_nouns(few):
    everything = sample.splits()["test"]
    animal, place = twins(everything)
    assert animal.puzzle is not None
    assert place.puzzle is not None
    assert (animal.puzzle.antecedent, place.puzzle.antecedent) == ("animal", "place")
    assert (animal.puzzle.right, animal.puzzle.wrong) == (place.puzzle.wrong, place.puzzle.right)
    assert twins(few["test"]) == (animal, place)


def test_the_demo_s_recipe_is_one_that_regard_knows():
    from regard.runs.recipe import recipe_from

    recipe = recipe_from(dict(RECIPE), size="tiny")
    assert recipe.tokenizer.kind == "word"  # so that pictures show words
    assert recipe.train.steps
