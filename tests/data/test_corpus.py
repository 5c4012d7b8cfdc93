from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path

import pytest

from regard.data.corpus import read_lines, read_pairs
from regard.errors import DataError, SettingError

PAIRS = [("Ein Hund.", "A dog."), ("Zwei \u2028 Hunde.", "Two dogs."), ("Käse", "cheese")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The same pairs in every format."""
    sources, targets = zip(*PAIRS, strict=True)
    files = {
        "two.de": "".join(f"{text}\n" for text in sources),
        "two.en": "\r\n".join(targets),
        "pairs.tsv": "".join(f"{source}\t{target}\n" for source, target in PAIRS),
        "named.tsv": "id\tde\ten\n" + "".join(f"{i}\t{s}\t{t}\n" for i, (s, t) in enumerate(PAIRS)),
        "pairs.jsonl": "".join(json.dumps({"target": t, "source": s, "id": 1}) + "\n" for s, t in PAIRS),
        "other.ndjson": "".join(json.dumps({"de": s, "text": t}, ensure_ascii=False) + "\n" for s, t in PAIRS),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content.encode())
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content.encode()))
    return tmp_path


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize(
    ("source", "target", "columns"),
    [
        ("two.de", "two.en", (None, None)),
        ("pairs.tsv", "pairs.tsv", (None, None)),
        ("pairs.tsv", "pairs.tsv", (1, 2)),
        ("pairs.tsv", "two.en", (1, None)),
        ("pairs.tsv", "two.en", (None, None)),
        ("named.tsv", "named.tsv", ("de", "en")),
        ("named.tsv", "two.en", ("de", None)),
        ("two.de", "pairs.tsv", (None, "2")),
        ("pairs.jsonl", "pairs.jsonl", (None, None)),
        ("other.ndjson", "other.ndjson", ("de", "text")),
        ("two.de", "other.ndjson", (None, None)),
    ],
)
def test_the_same_pairs_come_out_of_every_format(folder: Path, packed: str, source: str, target: str, columns) -> None:
    assert list(read_pairs(folder / (source + packed), folder / (target + packed), *columns)) == PAIRS


def test_a_column_of_a_file_is_a_text_of_its_own(folder: Path) -> None:
    assert list(read_lines(folder / "pairs.tsv", 2)) == [target for _, target in PAIRS]
    assert list(read_lines(folder / "pairs.jsonl", "source")) == [source for source, _ in PAIRS]


@pytest.mark.parametrize(("first", "second"), [(5, 3), (3, 5), (1, 2)])
def test_different_line_counts_are_both_named_before_any_pair(tmp_path: Path, first: int, second: int) -> None:
    (tmp_path / "a").write_text("x\n" * first, encoding="utf-8")
    (tmp_path / "b").write_text("x\n" * (second - 1) + "x", encoding="utf-8")
    with pytest.raises(DataError, match=rf"a: got {first} lines, but .*b has {second}; expected line n of both"):
        read_pairs(tmp_path / "a", tmp_path / "b")


def test_a_header_is_no_line_of_text(folder: Path) -> None:
    (folder / "short").write_text("one\ntwo\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"got 3 lines, but .*short has 2"):
        read_pairs(folder / "named.tsv", folder / "short", "de")


def test_files_are_never_held_in_memory(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(f"{'a sentence of some words ' * 9}\n" * 10_000, encoding="utf-8")
    (tmp_path / "b").write_text(f"{'ein Satz mit einigen Wörtern ' * 9}\n" * 10_001, encoding="utf-8")
    tracemalloc.start()
    with pytest.raises(DataError, match=r"got 10000 lines, but .* has 10001"):
        read_pairs(tmp_path / "a", tmp_path / "b")
    assert tracemalloc.get_traced_memory()[1] < 2_300_000  # two blocks of 1 MiB; the files have 4.9 MB
    (tmp_path / "b").write_text("kurz\n" * 10_000, encoding="utf-8")
    pairs = read_pairs(tmp_path / "a", tmp_path / "b")
    tracemalloc.reset_peak()
    assert sum(1 for _ in pairs) == 10_000
    assert tracemalloc.get_traced_memory()[1] < 500_000
    tracemalloc.stop()


def test_one_plain_file_cannot_be_both_languages(folder: Path) -> None:
    with pytest.raises(DataError, match="got the same file as source and target; expected one file a language"):
        read_pairs(folder / "two.de", folder / "two.de")


def test_what_is_wrong_with_a_path_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="got no such file"):
        read_lines(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    ("name", "column", "message"),
    [
        ("pairs.tsv", 3, r"pairs\.tsv:1: got 2 columns; expected at least 3; repair the line or name another column"),
        ("named.tsv", "fr", r"named\.tsv:1: got columns id, de, en; expected one called fr; name one of these"),
        ("pairs.jsonl", "de", r"pairs\.jsonl:1: got an object with target, source, id; expected an object with the"),
        ("pairs.jsonl", "id", r"pairs\.jsonl:1: got an object with .*expected an object with the text 'id'"),
    ],
)
def test_a_column_that_is_not_there_is_named(folder: Path, name: str, column, message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(read_lines(folder / name, column))


@pytest.mark.parametrize(
    ("name", "column", "message"),
    [
        ("two.de", 2, r"column: got 2 for the plain text .*two.de; expected none, or a \.tsv or \.jsonl file"),
        ("pairs.tsv", 0, "column: got 0; expected a number from 1, or a name; count columns from 1"),
    ],
)
def test_a_column_that_cannot_be_is_refused(folder: Path, name: str, column: int, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        list(read_lines(folder / name, column))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"bad\.jsonl:2: got no JSON \(.*\); expected an object a line; repair the line"),
        ("", r"bad\.jsonl:2: got no JSON"),
        ("[" * 100_000, r"bad\.jsonl:2: got no JSON"),
        ('{"text": ' + "9" * 5000 + "}", r"bad\.jsonl:2: got no JSON"),
        ('["text"]', r"bad\.jsonl:2: got no object; expected an object with the text 'text'; name another column"),
        ('{"text": "\\ud800"}', r"bad\.jsonl:2: got the lone surrogate U\+D800 in a text; expected Unicode text"),
    ],
)
def test_a_line_that_is_no_json_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "bad.jsonl").write_text(f'{{"text": "good"}}\n{line}\n', encoding="utf-8")
    with pytest.raises(DataError, match=message):
        list(read_lines(tmp_path / "bad.jsonl"))


def test_a_text_in_json_is_normalised_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a\\u0308"}\n', encoding="utf-8")
    assert list(read_lines(tmp_path / "a.jsonl")) == ["ä"]
