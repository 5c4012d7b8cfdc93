"""Part B of the catalogue: texts that are broken, hostile or not what they seem. One test a row, named after it."""

from __future__ import annotations

import gzip
import os
import random
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from regard.data import in_step, lines
from regard.data.corpus import read_lines, read_pairs
from regard.data.in_step import InStep
from regard.data.leaks import Leaks
from regard.data.tokenizers.tokenizer import TokenizerSettings, train_tokenizer
from regard.data.tokenizers.tokenizer_kinds import KINDS
from regard.errors import DataError
from regard.runs.material import learn_tokenizers, prepare, read_corpus
from regard.runs.recipe import Recipe, recipe_from

SMALL = {"layers": 1, "d_model": 16, "d_ff": 32, "heads": 2}
SPELL_ALL = ("bpe", "unigram", "byte")


def pairs(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Sentences of changing lengths, and the same ones in another "language"."""
    draw = random.Random(seed)
    sources = [" ".join(draw.choice(WORDS) for _ in range(draw.randint(2, 16))) + "." for _ in range(count)]
    return [(source, source.translate(CIPHER) + " " + source[:2]) for source in sources]


WORDS = [
    f"{first}{second}{third}" for first in "bdgk" for second in ("a", "eo", "iru") for third in ("n", "stal", "lem")
]
CIPHER = str.maketrans("abdegiklmnorstu", "uzxvcyqpwfhjaei")


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[..., Recipe]:
    """Writes the sides of a corpus and says what trains on them; ``valid`` pairs are validation files."""

    def make(found: list[tuple[str, str]], valid: list[tuple[str, str]] | None = None, **sections) -> Recipe:
        data = dict(sections.pop("data", {}))
        for name, rows in (("", found), ("valid_", valid)):
            for side, key in enumerate(("source", "target")):
                if rows is not None:
                    path = tmp_path / f"{name}{key}.txt"
                    path.write_text("".join(f"{row[side]}\n" for row in rows), encoding="utf-8", newline="")
                    data[f"{name}{key}"] = str(path)
        return recipe_from({"model": SMALL, "data": data, "tokenizer": {"size": 400}, **sections}, size="tiny")

    return make


def train(command, out: Path, source: Path, target: Path, *more: object):
    return command("train", "model.layers=1", "--source", source, "--target", target, "--out", out, *more)


def test_b1_lines_that_are_missing_are_counted_and_placed_and_nothing_is_written(command, tmp_path, tree) -> None:
    found = pairs(300)
    (tmp_path / "a").write_text("".join(f"{source}\n" for source, _ in found), encoding="utf-8")
    missing = found[:120] + found[121:]
    (tmp_path / "b").write_text("".join(f"{target}\n" for _, target in missing), encoding="utf-8")
    before = tree(tmp_path)
    ended = train(command, tmp_path / "run", tmp_path / "a", tmp_path / "b")
    assert ended.code == 2
    assert f"a: got 300 lines, but {tmp_path / 'b'} has 299; expected line n of both" in ended.err
    near = int(ended.err.split("repair the shorter one, near line ")[1].split(" ")[0])
    assert abs(near - 121) <= 3
    assert tree(tmp_path) == before


def test_b1_only_line_feeds_end_lines(tmp_path) -> None:
    odd = "a\u2028b\x85c\x0bd\x0ce"
    (tmp_path / "a").write_text(f"{odd}\nx\n", encoding="utf-8")
    (tmp_path / "b").write_text("one\ntwo\n", encoding="utf-8")
    assert list(read_pairs(tmp_path / "a", tmp_path / "b")) == [(odd, "one"), ("x", "two")]


BROKEN = {
    "overlong": b"\xc0\xaf",
    "surrogate": b"\xed\xa0\x80",
    "cut off": b"\xe2\x82",
    "latin": "Größe".encode("latin-1"),
    "beyond": b"\xf4\x90\x80\x80",
}


@pytest.mark.parametrize("bad", BROKEN.values(), ids=BROKEN)
def test_b2_bytes_that_are_not_utf8_are_named_or_dropped_with_their_pair(recipe, tmp_path, bad: bytes) -> None:
    found = pairs(40)
    made = recipe(found, data={"bad_text": "fail"})
    path = tmp_path / "target.txt"
    rows = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([*rows[:6], b"x" + bad + b" y", *rows[7:]]))
    with pytest.raises(DataError, match=r"target\.txt:7: got the byte 0x.., which is not UTF-8, at byte \d of the"):
        read_corpus(made)
    with pytest.raises(DataError, match=r"target\.txt:7: got"):
        list(read_lines(path))
    corpus = read_corpus(replace(made, data=replace(made.data, bad_text="drop")))
    assert sorted([*corpus.train(), *corpus.valid]) == sorted(found[:6] + found[7:])
    assert "39 of 40 pairs are kept; left out: not UTF-8: 1, lines 7" in corpus.notes


def test_b2_a_file_of_utf16_is_named(tmp_path) -> None:
    (tmp_path / "a").write_bytes("one\ntwo\n".encode("utf-16"))
    with pytest.raises(DataError, match="got UTF-16"):
        list(read_lines(tmp_path / "a"))


@pytest.mark.parametrize("kind", ["next_token", "classification", "embedding"])
def test_b2_texts_that_are_not_utf8_are_left_out_of_every_task(tmp_path, kind: str) -> None:
    rows = [f"text number {number}\t{number % 2}".encode() for number in range(60)]
    rows[7] = b"text \xff\t1"
    table = tmp_path / "a.tsv"
    table.write_bytes(b"text\tlabel\n" + b"\n".join(rows) + b"\n")
    if kind == "embedding":
        table = tmp_path / "a.txt"
        table.write_bytes(b"\n".join(rows) + b"\n")
    data = {"text": str(table), "label_column": "label"}
    with pytest.raises(DataError, match="which is not UTF-8"):
        read_corpus(recipe_from({"task": {"kind": kind}, "data": data}))
    corpus = read_corpus(recipe_from({"task": {"kind": kind}, "data": {**data, "bad_text": "drop"}}))
    assert any("with bytes that are not UTF-8 left out" in note for note in corpus.notes)
    assert not any("\udcff" in str(row) for row in (corpus.train() if kind == "next_token" else corpus.train))


def test_b3_marks_line_ends_and_controls_neither_split_nor_cut_a_line(tmp_path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfone\r\ntw\x00o\x01\r\nth\rree\r\n")
    assert list(read_lines(tmp_path / "a")) == ["one", "tw\x00o\x01", "th\rree"]
    tokenizer = train_tokenizer(["one two"] * 20, TokenizerSettings(size=300))
    assert tokenizer.decode(tokenizer.encode("tw\x00o")) == "tw\x00o"


@pytest.mark.parametrize("packed", [False, True])
def test_b3_what_is_dropped_of_a_file_is_counted_and_told(tmp_path, monkeypatch, packed: bool) -> None:
    """Also where a block of the file ends between the two bytes of a line's end."""
    path = tmp_path / ("a.gz" if packed else "a")

    def told(data: bytes) -> str:
        path.write_bytes(gzip.compress(data) if packed else data)
        return lines.dropped_bytes(path)

    assert told(b"one\ntw\ro\n\xef\xbb\xbfthree\n") == ""
    assert told(b"\xef\xbb\xbfone\ntwo\n") == f"{path}: dropped a byte order mark"
    assert told(b"one\r\ntwo\n\r\n") == f"{path}: dropped the \\r of 2 line ends \\r\\n"
    long = b"\xef\xbb\xbf" + b"x" * ((1 << 20) - 4) + b"\r\nend\r\n"
    assert long[(1 << 20) - 1 : (1 << 20) + 1] == b"\r\n"
    assert told(long) == f"{path}: dropped a byte order mark and the \\r of 2 line ends \\r\\n"


def test_b3_training_tells_it(command, small_words, toy, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("regard.runs.finish.write_report", lambda *arguments, **options: None)
    text = (toy / "train.en").read_bytes()
    (tmp_path / "windows.en").write_bytes(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"))
    words = [word.replace(str(toy / "train.en"), str(tmp_path / "windows.en")) for word in small_words]
    ended = command("train", *words, "train.steps=1", "--out", tmp_path / "run")
    assert ended.code == 0
    assert "windows.en: dropped a byte order mark and the \\r of 200 line ends" in ended.err


@pytest.mark.parametrize("packed", [False, True])
def test_b3_a_file_of_carriage_returns_alone_is_refused(tmp_path, packed: bool) -> None:
    path = tmp_path / ("a.gz" if packed else "a")
    path.write_bytes(gzip.compress(b"one\rtwo\r") if packed else b"one\rtwo\r")
    for read in (lines.count_lines, lambda path: list(read_lines(path))):
        with pytest.raises(DataError, match="got carriage returns and not one line feed; expected lines that end"):
            read(path)
    path.write_bytes(gzip.compress(b"one\r") if packed else b"one\r")
    assert list(read_lines(path)) == ["one"]
    assert lines.count_lines(path) == 1


def test_b4_empty_sides_are_counted_in_training_and_stay_empty_lines_in_translation(
    recipe, command, finished_run
) -> None:
    found = pairs(40)
    corpus = read_corpus(recipe([*found, ("", "leer"), ("   ", "\t"), ("leer", "")]))
    assert "40 of 43 pairs are kept; left out: empty side: 3, lines 41, 42, 43" in corpus.notes
    ended = command("translate", finished_run, stdin="\n  \nA dog.\n\n\t\n")
    assert ended.code == 0
    out = ended.out.split("\n")
    assert len(out) == 6
    assert [bool(line) for line in out] == [False, False, True, False, False, False]


UNSPACED = ("a" * 200_000, "^" * 200_000, "가" * 66_666, "a" + "\u0301" * 100_000)


@pytest.mark.parametrize("kind", KINDS)
def test_b5_time_without_a_space_grows_as_the_text_and_needs_no_stack(kind: str) -> None:
    """Ten times as much text may take thirty times as long, not a hundred, whatever else the machine does.

    A megabyte takes 0.1 to 1.3 s on a quiet machine (LOG.md).
    """
    tokenizer = train_tokenizer(["a dog runs", "가나다 ^^ <"] * 20, TokenizerSettings(kind=kind))

    def least(text: str) -> float:
        """Of three times: a busy machine makes some of them longer, never shorter."""
        seconds = []
        for _ in range(3):
            began = time.process_time()
            tokenizer.encode(text)
            seconds.append(time.process_time() - began)
        return min(seconds)

    for text in UNSPACED:
        assert least(text) < 30 * least(text[: len(text) // 10]) + 0.5


def test_b5_a_vocabulary_is_learnt_from_text_without_spaces_in_time() -> None:
    """Words of 10,000 letters would take four times as long as those of 100, and with more merges more than that."""
    draw = random.Random(0)
    rows = ["".join(draw.choices("abcdefgh", k=10_000)) for _ in range(20)]
    spaced = [" ".join(row[place : place + 100] for place in range(0, 10_000, 100)) for row in rows]
    seconds = []
    for some in (spaced, rows):
        began = time.process_time()
        found = train_tokenizer(some, TokenizerSettings(size=3000))
        seconds.append(time.process_time() - began)
    assert found.size == 3000
    assert seconds[1] < 2 * seconds[0] + 0.2


def test_b5_a_line_beyond_a_megabyte_is_refused_before_it_is_held(command, finished_run) -> None:
    ended = command("translate", finished_run, stdin="x" * 1_000_001)
    assert ended.code == 2
    assert "standard input:1: got more than 1000000 characters; expected at most 1000000 in a line" in ended.err


def test_b6_lengths_far_apart_are_counted_in_training_and_refused_in_translation(recipe, command, finished_run) -> None:
    found = [*pairs(40), ("word", "wort " * 100), ("word " * 300, "wort " * 300)]
    corpus = read_corpus(recipe(found))
    (note,) = corpus.notes
    assert "40 of 42 pairs are kept; left out: " in note
    assert "lengths differ by more than 6 times: 1, lines 41" in note
    ended = command("translate", finished_run, stdin="a b " * 3000)
    assert ended.code == 2
    assert "expected at most max_source (1000); split the line into sentences" in ended.err


def test_b6_pairs_with_too_many_tokens_are_told(recipe, tmp_path) -> None:
    corpus = read_corpus(recipe(pairs(60), data={"max_tokens": 12}))
    source, target = learn_tokenizers(corpus)
    notes = prepare(corpus, tmp_path / "run", source, target)
    longer = sum(max(len(source.encode(one)), len(target.encode(other))) > 12 for one, other in corpus.train())
    assert longer
    assert f"{longer} pairs with more than 12 tokens left out (data.max_tokens)" in notes


SAME = ["안녕하세요", "각", "é", "Å", "ự"]


@pytest.mark.parametrize("kind", KINDS)
def test_b7_composed_and_decomposed_text_have_the_same_ids(kind: str) -> None:
    tokenizer = train_tokenizer(["안녕하세요 세계", "été", "Å"] * 20, TokenizerSettings(kind=kind))
    for text in SAME:
        assert tokenizer.encode(unicodedata.normalize("NFD", text)) == tokenizer.encode(text)
    for text in ("👩\u200d👩\u200d👧", "a" + "\u0301" * 500, "\u202eabc", "🏴\U000e0067\U000e007f", "ｱﾞ", "ㅎㅏㄴ"):
        if kind in SPELL_ALL:
            assert tokenizer.decode(tokenizer.encode(text)) == unicodedata.normalize("NFC", text)


def test_b8_half_a_surrogate_pair_out_of_json_is_named(tmp_path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "fine"}\n{"text": "\\ud800"}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.jsonl:2: got the lone surrogate U\+D800 in a text; expected Unicode text"):
        list(read_lines(tmp_path / "a.jsonl"))


@pytest.mark.parametrize("kind", KINDS)
def test_b9_specials_in_a_text_are_text(kind: str) -> None:
    tokenizer = train_tokenizer(["</s> <pad> <mask> <2de> a"] * 20, TokenizerSettings(kind=kind))
    for text in ("</s>", "a <pad> b", "<unk>", "<mask>", "<2de>", "<0x41>", "</s></s>"):
        assert not tokenizer.specials & set(tokenizer.encode(text)) - {tokenizer.unk}


def test_b10_much_that_is_unknown_is_a_warning(recipe, tmp_path) -> None:
    settings = {"kind": "word", "size": 6}
    corpus = read_corpus(recipe(pairs(60), tokenizer=settings))
    notes = prepare(corpus, tmp_path / "run", *learn_tokenizers(corpus))
    assert any("of the source tokens are unknown to a vocabulary of 6; raise tokenizer.size" in note for note in notes)
    corpus = read_corpus(recipe(pairs(60)))
    assert not any("unknown" in note for note in prepare(corpus, tmp_path / "run2", *learn_tokenizers(corpus)))


def test_b11_a_bomb_is_refused_in_little_memory(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(lines, "NEVER_SUSPICIOUS", 2**20)
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"nothing\n" * 10**6))
    for read in (lines.count_lines, lambda path: sum(1 for _ in read_lines(path))):
        with pytest.raises(DataError, match=r"a\.gz: got more than \d+ bytes out of \d+; expected at most 100 times"):
            read(path)
    monkeypatch.setattr(lines, "NEVER_SUSPICIOUS", 2**30)
    assert lines.count_lines(path) == 10**6
    monkeypatch.setattr(lines, "MOST_UNPACKED", 2**20)
    with pytest.raises(DataError, match="unpack it yourself, if it is meant to be so"):
        lines.count_lines(path)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.gz", gzip.compress(b"one\ntwo\n")[:-9], "got a damaged or truncated .gz file"),
        ("a.gz", b"one\ntwo\n", "got a damaged or truncated .gz file"),
        ("a.gz", gzip.compress(gzip.compress(b"one\n")), "got a file packed by gzip"),
        ("a.txt", gzip.compress(b"one\n"), "got a file packed by gzip .by its first bytes.; expected plain text, or"),
        ("a.txt", b"\xfd7zXZ\x00\x00", "got a file packed by xz"),
        ("a.zst", b"\x28\xb5\x2f\xfd\x00", "got a file packed by zstd"),
        ("a.zip", b"PK\x03\x04", "got a file packed by zip"),
    ],
    ids=["cut", "never packed", "packed twice", "packed under another name", "xz", "zstd", "zip"],
)
def test_b11_what_is_packed_otherwise_or_damaged_is_named(tmp_path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    for read in (lines.count_lines, lambda path: list(read_lines(path))):
        with pytest.raises(DataError, match=says):
            read(tmp_path / name)


def test_b11_members_one_after_the_other_are_one_file(tmp_path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"one\n") + gzip.compress(b"two\n"))
    assert list(read_lines(tmp_path / "a.gz")) == ["one", "two"]


def test_b12_too_little_to_train_on_says_which_filter_took_how_much(recipe) -> None:
    with pytest.raises(
        DataError, match=r"got one pair to train on and none to measure on \(there is but one\); expected"
    ):
        read_corpus(recipe([("one", "eins")]))
    with pytest.raises(DataError, match=r"1 of 50 pairs are kept; left out: duplicate: 49, lines 2, 3, 4, …"):
        read_corpus(recipe([("one", "eins")] * 50))
    with pytest.raises(DataError, match=r"got 2 pairs, none of which was kept \(empty side: 2\)"):
        read_corpus(recipe([("", "eins"), ("zwei", "")]))
    assert len(list(read_corpus(recipe(pairs(2))).train())) == 1


def test_b12_a_limit_that_leaves_nothing_is_named(recipe, tmp_path) -> None:
    corpus = read_corpus(recipe(pairs(40), data={"max_tokens": 1}))
    with pytest.raises(
        DataError, match=r"max_tokens: got 38 pairs, all with more than 1 tokens; .*\(data.max_tokens\)"
    ):
        prepare(corpus, tmp_path / "run", *learn_tokenizers(corpus))


def test_b13_validation_pairs_that_are_trained_on_are_counted_with_an_example(recipe, tmp_path) -> None:
    found, fresh = pairs(200), pairs(20, seed=1)
    (note,) = read_corpus(recipe(found, [*fresh, found[49], found[10]])).notes
    assert note.startswith("Warning: 2 of the 22 pairs for validation are also trained on: the first is line 21 of ")
    assert f"line 50 of {tmp_path / 'source.txt'}. The scores will be too good." in note
    assert read_corpus(recipe(found, fresh)).notes == ()


def test_b13_hardly_any_leak_is_no_matter_and_case_hides_none() -> None:
    for copies, noted in ((1, False), (2, True)):
        valid = [(number, (f"text {number}",)) for number in range(1, 101)]
        leaks = Leaks(valid)
        for number in range(1, copies + 1):
            leaks.see(1000 + number, (f"TEXT  {number} ",))
        assert (leaks.note("texts", "v", "t") is not None) == noted
        assert leaks.found == {number: 1000 + number for number in range(1, copies + 1)}


@pytest.mark.parametrize("kind", ["next_token", "classification", "embedding"])
def test_b13_every_task_tells_of_leaks(tmp_path, kind: str) -> None:
    rows = [f"text number {number}\t{number % 2}" for number in range(60)]
    for name, some in (("train.tsv", rows), ("valid.tsv", rows[30:40])):
        (tmp_path / name).write_text("".join(f"{row}\n" for row in ["text\tlabel", *some]), encoding="utf-8")
    data = {"text": str(tmp_path / "train.tsv"), "valid_text": str(tmp_path / "valid.tsv"), "label_column": "label"}
    notes = read_corpus(recipe_from({"task": {"kind": kind}, "data": data})).notes
    count = 11 if kind == "embedding" else 10  # for which a table is lines, and the first one is the same
    assert any(f"{count} of the {count} " in note and "are also trained on" in note for note in notes)


@pytest.mark.parametrize("damage", ["shifted", "half shifted", "shuffled", "half shuffled"])
def test_b13_pairs_out_of_step_are_a_warning_before_training(recipe, damage: str) -> None:
    found = pairs(600)
    sources, targets = [one for one, _ in found], [other for _, other in found]
    half = len(found) // 2
    shuffled = random.Random(1).sample(targets[half:], half)
    damaged = {
        "shifted": zip(sources[:-1], targets[1:], strict=True),
        "half shifted": zip(sources[:half] + sources[half + 1 :], targets[:-1], strict=True),
        "shuffled": zip(sources, random.Random(1).sample(targets, len(targets)), strict=True),
        "half shuffled": zip(sources, targets[:half] + shuffled, strict=True),
    }
    notes = read_corpus(recipe(list(damaged[damage]))).notes
    (warning,) = (note for note in notes if note.startswith("Warning"))
    share = "50%" if "half" in damage else "100%"
    assert warning.startswith(f"Warning: {share} of the lines of ")
    assert "seem out of step: lines " in warning
    assert ("1 line" in warning) == ("shifted" in damage)
    assert read_corpus(recipe(found)).notes == ()


def test_b13_answers_of_any_length_are_in_step_as_long_as_their_words_have_to_do_with_the_question() -> None:
    draw = random.Random(3)
    found = [(source, " ".join(target.split()[: draw.randint(1, 9)])) for source, target in pairs(600)]
    lengthened = [(source, f"{target} {'na ' * draw.randint(0, 40)}") for source, target in found]
    for noted, some in ((False, lengthened), (True, list(zip(*shuffled_sides(lengthened), strict=True)))):
        watcher = InStep()
        assert list(watcher.watch(some)) == some
        assert (watcher.note("a", "b") is not None) == noted


def shuffled_sides(found: list[tuple[str, str]]) -> tuple[list[str], list[str]]:
    targets = [target for _, target in found]
    return [source for source, _ in found], random.Random(4).sample(targets, len(targets))


def test_b13_of_a_large_corpus_blocks_are_looked_at_and_lines_keep_their_numbers(monkeypatch) -> None:
    monkeypatch.setattr(in_step, "ALL_OF", 200)
    monkeypatch.setattr(in_step, "BLOCK", 100)
    monkeypatch.setattr(in_step, "EVERY", 400)
    found = pairs(4000)
    sources, targets = [one for one, _ in found], [other for _, other in found]
    watcher = InStep()
    some = list(zip(sources[:2000] + sources[2001:], targets[:-1], strict=True))
    assert list(watcher.watch(some)) == some
    note = watcher.note("a", "b")
    assert note is not None
    first = int(note.split("seem out of step: lines ")[1].split()[0])
    assert 1990 <= first <= 2100
    assert len(watcher._lines) < 1300


@pytest.mark.parametrize("change", ["longer", "shorter", "touched"])
def test_b14_a_file_that_changes_while_it_is_read_is_refused(recipe, tmp_path, change: str) -> None:
    corpus = read_corpus(recipe(pairs(60)))
    path = tmp_path / "target.txt"
    if change == "longer":
        path.write_text(path.read_text(encoding="utf-8") + "one more\n", encoding="utf-8")
    elif change == "shorter":
        path.write_text("only this\n", encoding="utf-8")
    else:
        os.utime(path, (1, 1))
    with pytest.raises(
        DataError, match=r"target\.txt: got a file that was changed while it was read; expected it to stay"
    ):
        list(corpus.train())


def test_b14_a_file_that_is_cut_between_two_lines_is_refused(tmp_path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text("one line\n" * 100_000, encoding="utf-8")
    found = read_pairs(tmp_path / "a", tmp_path / "b")
    next(found)
    os.truncate(tmp_path / "b", 9 * 50_000)
    with pytest.raises(
        DataError, match="got files that had as many lines when they were counted; expected them to stay"
    ):
        list(found)


def test_b15_a_vocabulary_that_the_text_cannot_fill_is_told_with_its_size(recipe, tmp_path) -> None:
    corpus = read_corpus(recipe(pairs(60), tokenizer={"size": 100_000}))
    source, target = learn_tokenizers(corpus)
    notes = prepare(corpus, tmp_path / "run", source, target)
    told = f"tokenizer.size: 100000 asked for; the training text has pieces for {source.size} only, which it is"
    assert notes.count(told) == 1
    assert source.size < 100_000


def test_b17_a_class_that_training_lacks_is_named_with_its_row(tmp_path) -> None:
    for name, labels in (("train.tsv", "0101" * 10), ("valid.tsv", "012")):
        rows = [f"text {number}\t{label}\n" for number, label in enumerate(labels)]
        (tmp_path / name).write_text("text\tlabel\n" + "".join(rows), encoding="utf-8")
    data = {"text": str(tmp_path / "train.tsv"), "label_column": "label"}
    with pytest.raises(DataError, match=r"valid\.tsv, row 3 with text, label: got '2'; expected one that was learnt"):
        read_corpus(recipe_from({"data": {**data, "valid_text": str(tmp_path / "valid.tsv")}}))
    (tmp_path / "train.tsv").write_text("text\tlabel\nrare\t9\n" + "a text\t0\nanother\t1\n" * 20, encoding="utf-8")
    assert read_corpus(recipe_from({"data": data})).notes == (
        "Warning: no training row has 9, which cannot be learnt; name a validation file, or add rows",
    )


@pytest.mark.parametrize("label", ["NaN", "1.5", "null", '{"a": 1}', "Infinity"])
def test_b17_what_is_no_label_is_named_with_its_line(tmp_path, label: str) -> None:
    lines = ['{"text": "a", "label": 0}', f'{{"text": "b", "label": {label}}}']
    (tmp_path / "a.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    data = {"text": str(tmp_path / "a.jsonl"), "label_column": "label"}
    with pytest.raises(
        DataError, match=r"a\.jsonl:2: got an object with text, label; expected an object with the text"
    ):
        read_corpus(recipe_from({"data": data}))


@pytest.mark.parametrize("verb", ["translate", "classify"])
def test_b18_a_closed_standard_input_is_a_message(command, finished_run, monkeypatch, verb: str) -> None:
    from regard.cli.windows import typed_lines

    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(DataError, match=r"standard input: got closed \(<&-\); expected texts, one a line; give a file"):
        typed_lines()


def test_b18_bytes_on_standard_input_are_no_text(command, finished_run) -> None:
    ended = command("translate", finished_run, stdin=b"\x7fELF\x02\x01\xd0\x00\n")
    assert ended.code == 2
    assert "standard input:1: got the byte 0xD0, which is not UTF-8" in ended.err
    assert ended.out == ""


def test_b18_a_reader_that_leaves_ends_the_command_quietly() -> None:
    """As `regard … | head -1`: 141 is what a shell calls SIGPIPE."""
    code = """
import sys
from regard.cli import main as cli
@cli.app.command()
def write():
    for line in range(100_000):
        print(line)
cli.main()
"""
    writer = f'"{sys.executable}" -c "$1" write | head -1; exit "${{PIPESTATUS[0]}}"'
    ended = subprocess.run(["bash", "-c", writer, "bash", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (141, "0\n", "")
