"""``regard compare``: a row a run, tested against the first; the numbers are those of ``regard evaluate``."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sacrebleu.metrics import BLEU
from scipy.stats import binomtest

from regard.cli import compared
from regard.data.tokenizers.tokenizer import TokenizerSettings, train_tokenizer
from regard.errors import SettingError
from regard.runs.folder import load
from regard.runs.measure import same_pieces, training_speed

SMALL = (
    "model.layers=1 model.d_model=16 model.heads=2 tokenizer.size=400 train.batch_tokens=512 train.validate_every=6 "
    "train.save_every=6 train.log_every=3 train.precision=float32 train.threads=1 train.learning_rate=0.01"
).split()


@pytest.fixture
def files(toy: Path) -> tuple[object, ...]:
    return "--source", toy / "test.en", "--target", toy / "test.de"


@pytest.fixture
def test_set(files: tuple[object, ...]) -> tuple[object, ...]:
    return *files, "--beam", "1"


@pytest.fixture
def twin(finished_run: Path, tmp_path: Path) -> Path:
    """The same model, of which nobody knows how long it was trained."""
    folder = Path(shutil.copytree(finished_run, tmp_path / "twin"))
    (folder / "metrics.jsonl").unlink()
    return folder


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory, small_words: list[str], command: Callable[..., object]) -> Path:
    """A run with another tokenizer and another beam, which writes other translations."""
    folder = tmp_path_factory.mktemp("others") / "a-run"
    words = ["train.seed=9", "train.steps=12", "data.bleu_sentences=0", "tokenizer.size=300", "decode.beam=1"]
    assert command("train", *small_words, *words, "--out", folder).code == 0
    return folder


@pytest.fixture(scope="module")
def trained(command: Callable[..., object], toy: Path, tmp_path_factory: pytest.TempPathFactory):
    """``trained(kind, steps)``: a model of a kind, trained once; ``table`` is labelled by length and by place."""
    folder = tmp_path_factory.mktemp("kinds")
    lines = (toy / "train.en").read_text(encoding="utf-8").splitlines()
    rows = [
        f"{line}\t{'long' if len(line.split()) > 8 else 'short'}\t{number % 2}" for number, line in enumerate(lines)
    ]
    (folder / "table.tsv").write_text("\n".join(["text\tsize\tplace", *rows]) + "\n", encoding="utf-8")
    words = {
        "size": ("--text", folder / "table.tsv", "--label", "size"),
        "place": ("--text", folder / "table.tsv", "--label", "place"),
        "writer": ("--text", toy / "train.en"),
        "characters": ("--text", toy / "train.en", "tokenizer.kind=character"),
        "filler": ("--text", toy / "train.en", "task.kind=masked_token"),
        "vectors": ("--source", toy / "train.en", "--target", toy / "train.de", "task.kind=embedding"),
    }

    def make(kind: str, steps: int = 6) -> Path:
        out = folder / f"{kind}-{steps}"
        if not out.exists():
            ended = command("train", *SMALL, *words[kind], f"train.steps={steps}", "--out", out)
            assert ended.code == 0, ended.err
        return out

    make.table = folder / "table.tsv"
    return make


def test_rows_have_the_scores_of_evaluate_and_a_twin_is_no_better(command, finished_run, twin, test_set):
    ended = command("compare", finished_run, twin, *test_set, "--json")
    assert ended.code == 0
    first, second = json.loads(ended.out)
    alone = json.loads(command("evaluate", finished_run, *test_set, "--json").out)
    for row in (first, second):
        assert row["bleu"] == alone["bleu"]
        assert row["chrf"]["signature"] == alone["chrf"]["signature"]
        assert row["perplexity"] == pytest.approx(alone["perplexity"]["perplexity"])
        assert row["nats_per_word"] == pytest.approx(alone["perplexity"]["nats_per_word"])
        assert row["parameters"] > 1000
        assert row["family"] == "transformer"
    assert (first["name"], second["name"]) == (str(finished_run), str(twin))
    assert (first["delta"], first["p_value"]) == (None, None)
    assert (second["delta"], second["p_value"]) == (0, 1)
    assert first["seconds"] > 0
    assert first["speed"] > 0
    assert (second["seconds"], second["speed"]) == (None, None)
    assert "do not compare" not in ended.err


def test_each_decodes_as_it_was_set_and_buckets_are_sacrebleu_s(command, finished_run, other, files, toy):
    ended = command("compare", other, finished_run, *files, "--lengths", "7,9", "--tokenize", "char", "--json")
    rows = json.loads(ended.out)
    assert [row["name"] for row in rows] == [str(other), str(finished_run)]
    sources, references = ((toy / f"test.{end}").read_text(encoding="utf-8").splitlines() for end in ("en", "de"))
    buckets = [range(1, 8), range(8, 10), range(10, 1000)]
    bleu = BLEU(tokenize="char", force=True)
    for run, row in zip((other, finished_run), rows, strict=True):
        lines = command("translate", run, toy / "test.en").out.splitlines()
        assert row["bleu"]["score"] == pytest.approx(bleu.corpus_score(lines, [references]).score)
        expected = []
        for bucket in buckets:
            held = [place for place, source in enumerate(sources) if len(source.split()) in bucket]
            if held:
                of = bleu.corpus_score([lines[place] for place in held], [[references[place] for place in held]])
                expected.append((len(held), pytest.approx(of.score)))
        assert [(one["lines"], one["bleu"]) for one in row["by_length"]] == expected
        assert len(expected) > 1
    assert "perplexities per token do not compare; nats per reference word do." in ended.err
    assert re.search(
        r"Each run decoded as it was set, with a beam of: \S+/a-run 1 \(α 0.6\), \S+/small 2 \(α ", ended.err
    )
    assert "with a beam" not in command("compare", other, finished_run, *files, "--beam", "1", "--json").err


def test_people_see_tables_and_a_chart(command, finished_run, twin, test_set, tmp_path):
    for name in ("chart.png", "new/chart.pdf"):
        ended = command("compare", finished_run, twin, *test_set, "--out", tmp_path / name)
        assert ended.code == 0
        assert (tmp_path / name).stat().st_size > 2000
        if name == "chart.png":
            assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    for word in ("/twin", "±", "tokens/s", "BLEU by length", "sentences", "BLEU  nrefs:1|bs:1000", "chrF2  nrefs:1"):
        assert word in ended.out
    assert "The test set has 12 lines: too few" in ended.err


def test_a_folder_gets_the_picture_the_numbers_and_the_translations(
    command, finished_run, other, test_set, tmp_path, toy
):
    ended = command("compare", finished_run, other, *test_set, "--json", "--out", tmp_path / "out")
    assert json.loads((tmp_path / "out" / "comparison.json").read_text(encoding="utf-8")) == json.loads(ended.out)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"comparison.svg", "comparison.json"} < names
    (first,) = (tmp_path / "out").glob("1-*.txt")
    expected = command("translate", finished_run, toy / "test.en", "--beam", "1").out
    assert first.read_text(encoding="utf-8") == expected


def test_a_narrow_terminal_gets_two_tables(monkeypatch):
    from regard.evaluation.compare import Entry, Facts, compare

    rows = compare(
        [Entry(Facts(name, "rnn", 10), ["a b c d"]) for name in ("a/one", "a/two")], ["a b c d"], bootstrap=0
    )
    found = compared.Found("title", rows, "tokens", "words", (), (), {})
    ((_, wide, lines),) = found.tables()
    assert wide == ("run", "family", "parameters", "BLEU", "chrF", "Δ BLEU", "p")
    assert [line[0] for line in lines] == ["one", "two"]
    monkeypatch.setattr(compared, "_columns", lambda: 50)
    assert [headings for _, headings, _ in found.tables()] == [wide[:3], (wide[0], *wide[3:])]


# Classifiers and language models -------------------------------------------------------------------------------------


def test_classifiers_have_the_scores_of_evaluate_and_mcnemar_s_test(command, trained, tmp_path):
    contrary = Path(shutil.copytree(trained("size"), tmp_path / "contrary"))  # says "short" where the other says "long"
    config = json.loads((contrary / "config.json").read_text(encoding="utf-8"))
    config["id2label"] = dict(zip(config["id2label"], reversed(config["id2label"].values()), strict=True))
    (contrary / "config.json").write_text(json.dumps(config), encoding="utf-8")
    runs, table = (trained("size"), contrary), ("--text", trained.table)
    first, second = json.loads(command("compare", *runs, *table, "--json", "--out", tmp_path / "c.svg").out)
    found = []
    for run, row in zip(runs, (first, second), strict=True):
        command("evaluate", run, *table, "--allow-leak", "--out", tmp_path / "labels")
        alone = json.loads(command("evaluate", run, *table, "--allow-leak", "--json").out)
        assert row["accuracy"] == alone["accuracy"]
        assert row["macro_f1"]["value"] == pytest.approx(alone["macro_f1"])
        found.append((tmp_path / "labels").read_text(encoding="utf-8").splitlines())
    gold = [line.split("\t")[1] for line in trained.table.read_text(encoding="utf-8").splitlines()[1:]]
    rights = [(one == true, two == true) for one, two, true in zip(*found, gold, strict=True)]
    alone = rights.count((True, False)), rights.count((False, True))
    assert sum(alone) == len(gold)
    assert second["p_value"] == pytest.approx(binomtest(alone[0], sum(alone)).pvalue)
    assert second["delta"] == pytest.approx((alone[1] - alone[0]) / len(gold))
    assert (tmp_path / "c.svg").exists()
    shown = command("compare", *runs, *table).out
    for word in ("contrary", "texts/s", "macro F1, %", "Δ accuracy"):
        assert word in shown


def test_language_models_have_the_numbers_of_evaluate(command, trained, toy):
    runs, text = (trained("writer"), trained("characters")), ("--text", toy / "test.en")
    ended = command("compare", *runs, *text, "--json")
    for run, row in zip(runs, json.loads(ended.out), strict=True):
        alone = json.loads(command("evaluate", run, *text, "--json").out)
        assert {key: row[key] for key in alone} == pytest.approx(alone)
    assert "perplexities per token do not compare; nats per word and byte do." in ended.err
    shown = command("compare", trained("writer"), trained("writer", 7), *text)
    assert "nats/byte" in shown.out
    assert "do not compare" not in shown.err


# Refusals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["{run}", "{run}/", "{pairs}"], "expected every run once; leave the repeated one out."),
        (
            ["{run}", "{size}", "{pairs}"],
            "which learnt different things; expected translators only, classifiers only or",
        ),
        (["{size}", "{run}", "--text", "{table}"], "which learnt different things; expected translators only"),
        (["{size}", "{writer}", "--text", "{table}"], "which learnt different things; expected translators only"),
        (
            ["{size}", "{place}", "--text", "{table}"],
            "whose rows differ; expected the same labelled texts for all; name the columns.",
        ),
        (["{writer}", "{filler}", "--text", "{en}"], "task.kind: got next token for "),
        (["{vectors}", "{pairs}"], "a model of vectors; expected translators, classifiers or language models;"),
        (["{size}", "{pairs}"], "expected a model that is scored by pairs"),
        (["{run}", "{run}/no", "{pairs}"], "/no: got "),
        (["{run}"], "compare: got neither --source nor --text; expected one kind of test set"),
        (
            ["{run}", "{pairs}", "--text", "{en}"],
            "compare: got both --source and --text; expected one kind of test set",
        ),
        (["{run}", "--source", "{en}"], "--source: got one file of two; expected a source and a target; name both."),
        (["{run}", "{pairs}", "--label", "size"], "--label: got size; expected none with --source and --target"),
        (["{run}", "--text", "{en}", "--beam", "2"], "--beam: got 2; expected none with --text, where it says nothing"),
        (["{run}", "{pairs}", "--tokenize", "spaces"], "tokenize: got 'spaces'; expected one of 13a, intl,"),
        (["{run}", "{pairs}", "--lengths", "9,5"], "--lengths: got '9,5'; expected rising whole numbers from 1 on;"),
        (["{run}", "{pairs}", "--lengths", ""], "--lengths: got ''; expected rising whole numbers from 1 on;"),
        (["{run}", "{pairs}", "--lengths", "0,5"], "--lengths: got '0,5'; expected rising whole numbers from 1 on;"),
        (["{run}", "{pairs}", "--out", "x.jpg"], "x.jpg: got suffix '.jpg'; expected a picture's .png, .svg or .pdf;"),
        (["{run}", "{pairs}", "--out", "{run}/LICENSE"], "LICENSE: got a file; expected a folder, or a picture's"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_what_cannot_be_compared_is_refused_before_the_work(
    refuses, trained, run_copy, toy, files, words, says, monkeypatch
):
    (run_copy / "LICENSE").touch()
    monkeypatch.setattr("regard.runs.measure.translated", lambda *_: pytest.fail("work was begun"))
    kinds = {kind: trained(kind) for kind in ("size", "place", "writer", "filler", "vectors") if f"{{{kind}}}" in words}
    names = {**kinds, "run": run_copy, "en": toy / "test.en", "table": trained.table}
    places = [files if word == "{pairs}" else (word.format(**names),) for word in words]
    refuses("compare", *(word for place in places for word in place), says=says)


# Parts ---------------------------------------------------------------------------------------------------------------


def test_the_speed_of_training_is_all_tokens_by_all_seconds(tmp_path):
    """100 tokens in 1 s, then 100 in 4 s: 200 in 5 s."""
    assert training_speed(tmp_path) is None
    records = [{"tokens_per_second": 100.0}, {"valid_loss": 1.0}, {"tokens_per_second": 25}, {"tokens_per_second": 0}]
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    assert training_speed(tmp_path) == pytest.approx(40)
    path.write_text('{"valid_loss": 1.0}\n', encoding="utf-8")
    assert training_speed(tmp_path) is None


def test_pieces_are_the_same_only_with_one_vocabulary_and_one_way_to_cut(finished_run, twin, toy):
    texts = (toy / "train.de").read_text(encoding="utf-8").splitlines()
    one, again = load(finished_run).target_tokenizer, load(twin).target_tokenizer
    other = train_tokenizer(texts, TokenizerSettings(size=300))
    assert same_pieces([one], texts)
    assert same_pieces([one, again, one], texts)
    assert not same_pieces([one, again, other], texts)


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["runs/small", "runs/large"], ["small", "large"]),
        (["/a/x/run", "/a/y/run"], ["x/run", "y/run"]),
        (["a/x", "x"], ["a/x", "x"]),
        (["runs/de-en"], ["de-en"]),
        (["run", "running"], ["run", "running"]),
    ],
)
def test_names_lose_the_folders_that_all_share(names, short):
    assert compared.short_names(names) == short


def test_sources_without_spaces_are_counted_in_characters():
    assert compared.source_lengths(["a b c", "d", ""]) == ([3, 1, 0], "words")
    assert compared.source_lengths(["没有空格的句子" * 4, "一二三"]) == ([28, 3], "characters")
    assert compared.source_lengths(["short", "words"]) == ([1, 1], "words")


def test_edges_are_read_as_numbers():
    assert compared.edges_of("5, 10,20") == (5, 10, 20)
    with pytest.raises(SettingError, match=re.escape("--lengths: got '5,x'; expected rising whole numbers from 1 on")):
        compared.edges_of("5,x")
