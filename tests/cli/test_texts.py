"""The commands for models other than translators, on small runs of each task, as a user calls them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from regard.runs.folder import load

SMALL = (
    "model.layers=1 model.d_model=16 model.heads=2 tokenizer.size=400 train.steps=6 train.batch_tokens=512 "
    "train.validate_every=6 train.save_every=6 train.precision=float32 train.threads=1"
).split()


@pytest.fixture(scope="session")
def table(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table: a text, a second one, how long the first is, and for each word whether it begins with a capital."""
    rows = ["text\tother\tsize\tcapitals"]
    german = (toy / "train.de").read_text(encoding="utf-8").splitlines()
    for line, other in zip((toy / "train.en").read_text(encoding="utf-8").splitlines(), german, strict=True):
        words = line.split()
        capitals = " ".join("B-X" if word[0].isupper() else "O" for word in words)
        rows.append(f"{line}\t{other}\t{'long' if len(words) > 8 else 'short'}\t{capitals}")
    path = tmp_path_factory.mktemp("tables") / "train.tsv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def trained(command: Callable[..., object], table: Path, toy: Path, tmp_path_factory: pytest.TempPathFactory):
    """Trains a model of a kind, once; ``trained(kind).err`` is in the file ``told`` beside it."""
    words = {
        "writer": ("--text", toy / "train.en"),
        "filler": ("--text", toy / "train.en", "task.kind=masked_token"),
        "classifier": ("--text", table, "--label", "size"),
        "pairs": ("--text", table, "--label", "size", "data.second_column=other"),
        "tagger": ("--text", table, "--label", "capitals", "task.kind=token_classification"),
        "vectors": ("--source", toy / "train.en", "--target", toy / "train.de", "task.kind=embedding"),
    }
    made: dict[str, Path] = {}

    def make(kind: str) -> Path:
        if kind not in made:
            out = tmp_path_factory.mktemp("texts") / kind
            ended = command("train", *SMALL, *words[kind], "--out", out)
            assert ended.code == 0, ended.err
            (out.parent / "told").write_text(ended.err + ended.out, encoding="utf-8")
            made[kind] = out
        return made[kind]

    return make


@pytest.fixture
def lines(toy: Path) -> list[str]:
    return (toy / "test.en").read_text(encoding="utf-8").splitlines()


# train ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "unit", "use"),
    [
        ("writer", "tokens/s", "regard complete"),
        ("filler", "hidden tokens/s", "regard fill"),
        ("classifier", "texts/s", "regard classify"),
        ("tagger", "words/s", "regard classify"),
        ("vectors", "couples/s", "regard search"),
    ],
)
def test_training_tells_what_it_counts_and_what_the_model_is_for(trained, kind, unit, use):
    told = (trained(kind).parent / "told").read_text(encoding="utf-8")
    assert f" {unit}\n" in told
    assert use in told
    assert ("perplexity" in told.partition("finishing")[0]) == unit.endswith("tokens/s")


def test_a_classifier_begins_with_what_another_learnt(command, trained, table, tmp_path):
    words = ("--init", trained("filler"), "--text", table, "--label", "size")
    small = [word for word in SMALL if not word.startswith(("model.", "tokenizer."))]
    ended = command("train", *words, *small, "--out", tmp_path / "run")
    assert ended.code == 0, ended.err
    model = load(tmp_path / "run")
    assert model.head.labels == ("long", "short")
    assert model.config == load(trained("filler")).config


def test_a_validation_file_may_be_named(command, toy, tmp_path):
    words = ("--text", toy / "train.en", "--valid-text", toy / "test.en")
    assert command("train", *SMALL, *words, "--out", tmp_path / "run").code == 0
    facts = json.loads((tmp_path / "run" / "data" / "facts.json").read_text(encoding="utf-8"))
    assert facts["valid_words"] == len((toy / "test.en").read_text(encoding="utf-8").split())


@pytest.mark.parametrize(
    ("words", "family"), [([], "transformer"), (["family=llama"], "llama"), (["task.kind=masked_token"], "bert")]
)
def test_settings_are_those_of_the_family(command, words, family, monkeypatch):
    from dataclasses import fields

    from regard import families

    monkeypatch.setenv("COLUMNS", "200")
    ended = command("train", *words, "--settings")
    assert ended.code == 0
    assert f"family={family}" in ended.out
    for field in fields(families.get(family).Config):
        assert f"model.{field.name} " in ended.out
    assert "train.steps" in ended.out


# complete ------------------------------------------------------------------------------------------------------------


def test_the_stream_is_the_text_of_json(command, trained):
    for words in (["--greedy"], ["--seed", "3"], ["--seed", "3", "--temperature", "1.5", "--top-k", "9"]):
        words = [*words, "--max-new", "12"]
        stream = command("complete", trained("writer"), "The dog", *words)
        (line,) = command("complete", trained("writer"), "The dog", *words, "--json").out.splitlines()
        found = json.loads(line)
        assert stream.out == "The dog" + found["text"] + "\n"
        assert found["prompt"] == "The dog"
        assert found["log_probability"] < 0
        assert stream.err == ""


def test_a_seed_repeats_and_another_differs(command, trained):
    def text(*words: object) -> str:
        return command("complete", trained("writer"), "The dog", "--max-new", 20, *words).out

    assert text("--seed", 1) == text("--seed", 1)
    assert text("--seed", 1) != text("--seed", 2)
    assert text("--greedy") == text("--greedy", "--seed", 2)
    assert text("--greedy") == text("--top-k", 1)


@pytest.mark.parametrize(
    "words",
    [
        ["--min-p", "0.999"],
        ["--top-p", "0.0001"],
        ["--temperature", "0.001"],
    ],
    ids=" ".join,
)
def test_what_narrows_the_draws_enough_is_greedy(command, trained, words):
    greedy = command("complete", trained("writer"), "The dog", "--greedy", "--max-new", 8).out
    assert command("complete", trained("writer"), "The dog", "--max-new", 8, "--seed", 5, *words).out == greedy


def test_penalties_reach_the_model(command, trained):
    model = load(trained("writer"))
    for words, changes in (
        (["--repetition-penalty", "3.0"], {"repetition_penalty": 3.0}),
        (["--no-repeat-ngram", "1"], {"no_repeat_ngram": 1}),
    ):
        found = json.loads(
            command("complete", trained("writer"), "The dog", "--greedy", "--max-new", 9, "--json", *words).out
        )
        (expected,) = model.complete(["The dog"], max_new=9, **changes)
        assert found["text"] == expected.text
        assert found["text"] != model.complete(["The dog"], max_new=9)[0].text


def test_several_continuations_are_as_many_lines(command, trained):
    ended = command("complete", trained("writer"), "A", "--beam", 3, "--n-best", 3, "--max-new", 4, "--json")
    scores = [json.loads(line)["log_probability"] for line in ended.out.splitlines()]
    assert len(scores) == 3


def test_a_prompt_may_come_from_standard_input(command, trained):
    words = ("--greedy", "--max-new", 4)
    assert (
        command("complete", trained("writer"), *words, stdin="The dog\n").out
        == command("complete", trained("writer"), "The dog", *words).out
    )


# fill ----------------------------------------------------------------------------------------------------------------


def test_gaps_are_filled_with_the_models_guesses(command, trained):
    text = "The [MASK] runs to the [MASK]."
    found = json.loads(command("fill", trained("filler"), text, "--top", 3, "--json").out)
    expected = load(trained("filler")).fill(text, 3)
    assert found["text"] == text
    assert [[one["piece"] for one in gap] for gap in found["gaps"]] == [[one.piece for one in gap] for gap in expected]
    assert found["gaps"][0][0]["probability"] == pytest.approx(expected[0][0].probability)
    shown = command("fill", trained("filler"), text, "--top", 3).out
    assert "gap 2" in shown
    assert f"{100 * expected[0][0].probability:.1f} %" in shown


def test_texts_with_gaps_may_come_from_standard_input(command, trained):
    ended = command("fill", trained("filler"), "--json", stdin="A [MASK] runs.\nThe [MASK].\n")
    assert [json.loads(line)["text"] for line in ended.out.splitlines()] == ["A [MASK] runs.", "The [MASK]."]


# classify ------------------------------------------------------------------------------------------------------------


def test_each_text_gets_its_label(command, trained, toy, lines):
    expected = load(trained("classifier")).classify(lines)
    plain = command("classify", trained("classifier"), toy / "test.en").out.splitlines()
    assert plain == [f"{one.label}\t{one.probability:.4f}" for one in expected]
    stdin = command("classify", trained("classifier"), "--json", stdin="\n".join(lines) + "\n").out.splitlines()
    for line, text, one in zip(stdin, lines, expected, strict=True):
        found = json.loads(line)
        assert (found["text"], found["label"]) == (text, one.label)
        assert found["probabilities"] == pytest.approx(dict(one.probabilities))


def test_pairs_are_read_line_by_line(command, trained, toy, lines):
    german = (toy / "test.de").read_text(encoding="utf-8").splitlines()
    expected = load(trained("pairs")).classify(list(zip(lines, german, strict=True)))
    ended = command("classify", trained("pairs"), toy / "test.en", "--second", toy / "test.de")
    assert ended.out.splitlines() == [f"{one.label}\t{one.probability:.4f}" for one in expected]


def test_each_word_gets_its_label(command, trained, toy, lines):
    ended = command("classify", trained("tagger"), toy / "test.en")
    assert [len(line.split()) for line in ended.out.splitlines()] == [len(line.split()) for line in lines]
    found = [
        json.loads(one) for one in command("classify", trained("tagger"), toy / "test.en", "--json").out.splitlines()
    ]
    assert [[word["word"] for word in one["words"]] for one in found] == [line.split() for line in lines]
    assert [" ".join(word["label"] for word in one["words"]) for one in found] == ended.out.splitlines()


def test_what_is_longer_than_the_positions_is_cut(command, trained):
    ended = command("classify", trained("classifier"), stdin="a dog " * 2000 + "\n")
    assert ended.code == 0
    assert len(ended.out.splitlines()) == 1


# embed and search ----------------------------------------------------------------------------------------------------


def test_vectors_are_lines_or_an_array(command, trained, toy, lines, tmp_path):
    expected = load(trained("vectors")).embed(lines)
    printed = command("embed", trained("vectors"), toy / "test.en").out.splitlines()
    assert np.allclose([json.loads(line) for line in printed], expected, atol=1e-6)
    assert command("embed", trained("vectors"), toy / "test.en", "--out", tmp_path / "v.npy").out == ""
    kept = np.load(tmp_path / "v.npy", allow_pickle=False)
    assert np.array_equal(kept, expected)
    assert np.allclose(np.linalg.norm(kept, axis=1), 1, atol=1e-5)
    first = command("embed", trained("vectors"), toy / "test.en", "--pooling", "first").out
    assert first.splitlines() != printed


def test_search_finds_a_text_by_itself_and_counts_lines_of_the_file(command, trained, lines, tmp_path):
    (tmp_path / "texts.txt").write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    ended = command("search", trained("vectors"), tmp_path / "texts.txt", lines[4], lines[0], "--top", 2, "--json")
    found = [json.loads(line) for line in ended.out.splitlines()]
    assert [one["query"] for one in found] == [lines[4], lines[0]]
    assert [one["found"][0]["text"] for one in found] == [lines[4], lines[0]]
    assert [one["found"][0]["line"] for one in found] == [9, 1]
    assert found[0]["found"][0]["similarity"] == pytest.approx(1)
    assert len(found[0]["found"]) == 2
    shown = command("search", trained("vectors"), tmp_path / "texts.txt", lines[4], "--top", 50).out
    assert "1.0000" in shown


# summarize -----------------------------------------------------------------------------------------------------------


def test_summaries_are_what_the_model_writes_with_its_prefix(command, finished_run, toy, lines):
    ended = command("summarize", finished_run, toy / "test.en", "--prefix", "A dog: ", "--beam", 1)
    assert ended.out.splitlines() == load(finished_run).translate([f"A dog: {line}" for line in lines], beam=1)
    blank = command("summarize", finished_run, "--prefix", "A dog: ", stdin="\n")
    assert blank.out == "\n"


# evaluate ------------------------------------------------------------------------------------------------------------


def test_a_classifier_is_scored_and_compared(command, trained, table, tmp_path):
    words = ("evaluate", trained("classifier"), "--text", table, "--allow-leak")
    found = json.loads(command(*words, "--json", "--out", tmp_path / "labels.txt").out)
    labels = (tmp_path / "labels.txt").read_text(encoding="utf-8").splitlines()
    gold = [line.split("\t")[2] for line in table.read_text(encoding="utf-8").splitlines()[1:]]
    right = sum(one == two for one, two in zip(labels, gold, strict=True))
    assert found["accuracy"]["value"] == pytest.approx(right / len(gold))
    assert sum(map(sum, found["confusion"])) == len(gold)
    shown = command(*words, "--against", trained("pairs")).out
    for told in ("accuracy", "macro F1", "Each class", "What was taken for what", "McNemar"):
        assert told in shown
    same = json.loads(command(*words, "--against", trained("classifier"), "--json").out)["against"]
    assert (same["delta"], same["p_value"]) == (0, 1)


def test_other_columns_may_be_named(command, trained, table):
    words = ("evaluate", trained("tagger"), "--text", table, "--allow-leak", "--json")
    as_trained = command(*words)
    named = command(*words, "--label", "capitals", "--text-column", "text")
    assert json.loads(named.out) == json.loads(as_trained.out)
    assert "accuracy of words" in command(*words[:-1]).out


@pytest.mark.parametrize(("kind", "told"), [("writer", "bits per byte"), ("filler", "masked token")])
def test_a_text_is_measured(command, trained, toy, kind, told):
    words = ("evaluate", trained(kind), "--text", toy / "test.en")
    assert told in command(*words).out
    first, second = (json.loads(command(*words, "--json").out) for _ in range(2))
    assert first == second
    assert first["perplexity"] == pytest.approx(np.exp(first["nats_per_token"]))


def test_vectors_are_scored_by_what_they_find(command, trained, toy):
    words = ("evaluate", trained("vectors"), "--source", toy / "test.en", "--target", toy / "test.de")
    assert "recall@10" in command(*words).out
    assert json.loads(command(*words, "--json").out)["queries"] == 12


def test_rouge_stands_beside_bleu(command, finished_run, toy):
    words = ("evaluate", finished_run, "--source", toy / "test.en", "--target", toy / "test.de", "--rouge")
    shown = command(*words).out
    for told in ("BLEU", "ROUGE-1", "ROUGE-L"):
        assert told in shown
    found = json.loads(command(*words, "--json").out)
    assert set(found["rouge"]) >= {"rouge1", "rouge2", "rougel"}
    assert "rouge" not in json.loads(command(*words[:-1], "--json").out)


# What a model cannot do ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["complete", "filler", "A dog"], "got a bert model with the head 'language'; expected one that can complete"),
        (["fill", "writer", "A [MASK]"], "got a gpt2 model with the head 'language'; expected one that can fill"),
        (["fill", "classifier", "A [MASK]"], "expected one that can fill; use another run, or fine-tune this one."),
        (["classify", "writer", "{en}"], "expected one that can classify; use another run"),
        (["classify", "tagger", "{en}", "--second", "{de}"], "expected single texts, whose words are classified"),
        (["classify", "classifier", "--second", "{de}"], "--second: got no FILE of first texts; expected a file for"),
        (["translate", "filler", "{en}"], "expected one that can translate;"),
        (["translate", "writer", "{en}"], "expected one that can translate;"),
        (["summarize", "vectors", "{en}"], "expected one that can translate;"),
        (["complete", "writer", "dog " * 5000], "prompt 1: got"),
        (["complete", "writer", "A", "--beam", "0"], "beam: got 0; expected at least 1"),
        (["complete", "writer", "A", "--min-p", "2"], "min_p: got 2.0; expected"),
        (["complete", "writer", "A", "--repetition-penalty", "0"], "repetition_penalty: got 0.0; expected"),
        (["fill", "filler", "no gap"], "text: got no gap; expected [MASK] where a piece is to be guessed"),
        (["fill", "filler", "A [MASK]", "--top", "0"], "top: got 0; expected at least 1"),
        (["fill", "filler", "[MASK] " * 5000], "expected at most 512, the model's positions; shorten it."),
        (["embed", "vectors", "{en}", "--pooling", "sum"], "pooling: got 'sum'; expected one of mean, first, last"),
        (["embed", "vectors", "{blank}", "--out", "{blank}.npy"], "got an empty file; expected"),
        (["search", "vectors", "{blank}", "A dog"], "got an empty file; expected"),
        (["search", "vectors", "{spaces}", "A dog"], "no line with text; expected texts to search in"),
        (["search", "vectors", "{en}", " "], "QUERY: got an empty query; expected some words to look for"),
        (["search", "vectors", "{en}", "A dog", "--top", "0"], "--top: got 0; expected at least 1"),
        (["evaluate", "classifier"], "evaluate: got neither --source nor --text; expected one kind of test set"),
        (["evaluate", "classifier", "--source", "{en}"], "--source: got one file of two"),
        (
            ["evaluate", "classifier", "--source", "{en}", "--target", "{de}"],
            "expected a model that is scored by pairs",
        ),
        (["evaluate", "vectors", "--text", "{en}"], "expected a classifier or a language model"),
        (["evaluate", "filler", "--source", "{en}", "--target", "{de}"], "expected one that can translate"),
        (["evaluate", "classifier", "--text", "{table}", "--label", "mood"], "mood"),
        (["evaluate", "classifier", "--text", "{en}"], "got the plain text"),
        (["evaluate", "classifier", "--text", "{blank}"], "got an empty file"),
        (
            ["evaluate", "classifier", "--text", "{table}", "--label", "capitals", "--allow-leak"],
            "expected one of long, short; correct it or name it too.",
        ),
        (
            ["evaluate", "writer", "--text", "{en}", "--against", "{other}"],
            "of a kind without a paired test; expected two translators or two classifiers;",
        ),
        (
            ["evaluate", "classifier", "--text", "{table}", "--against", "{other}"],
            "which learnt something else; expected two translators or two classifiers; score each by itself.",
        ),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_refused_in_a_sentence(refuses, trained, toy, table, tmp_path, words, says):
    (tmp_path / "blank").touch()
    (tmp_path / "spaces").write_text(" \n\n", encoding="utf-8")
    names = {
        **{"en": toy / "test.en", "de": toy / "test.de", "table": table, "blank": tmp_path / "blank"},
        **{"spaces": tmp_path / "spaces", "other": trained("writer")},
    }
    run = trained(words[1])
    rest = [word.format(**names) if "{" in word else word for word in words[2:]]
    refuses(words[0], run, *rest, says=says)


@pytest.mark.parametrize("label", ["mood", "9"])
def test_a_column_of_labels_that_is_not_there_is_named_before_training(refuses, table, tmp_path, label):
    words = ("train", *SMALL, "--text", table, "--label", label, "--out", tmp_path / "run")
    refuses(*words, says=label)
