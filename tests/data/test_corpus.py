from __future__ import annotations

import csv
import gzip
import json
import tracemalloc
from pathlib import Path

import pytest

from regard.data.corpus import prefixed, read_documents, read_lines, read_pairs, read_table, unquoted
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


# --- tables

QUOTED = [
    ("plain", "plain"),
    ('"He said ""no""."', 'He said "no".'),
    ('"""all of it"""', '"all of it"'),
    ('"Yes."', '"Yes."'),
    ('"Yes," he said. "No."', '"Yes," he said. "No."'),
    ('"', '"'),
    ('""', '""'),
    ('"begins', '"begins'),
    ('ends"', 'ends"'),
    ('"one " inside "" two"', '"one " inside "" two"'),
]


@pytest.mark.parametrize(("field", "text"), QUOTED)
def test_only_what_a_writer_of_csv_quoted_is_unquoted(tmp_path: Path, field: str, text: str) -> None:
    assert unquoted(field) == text
    (tmp_path / "a.tsv").write_text(f"text\tlabel\n{field}\t1\n", encoding="utf-8")
    assert list(read_table(tmp_path / "a.tsv", ["label", "text"])) == [("1", text)]
    assert list(read_lines(tmp_path / "a.tsv", "text")) == [text]


def test_a_table_that_python_s_csv_wrote_comes_back(tmp_path: Path) -> None:
    """With quotes where they are needed, everywhere, and around all that is no number."""
    texts = ["plain", 'He said "no".', '"No."', '"', '""', "it's", '"a" or "b"']
    for number, quoting in enumerate((csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC)):
        path = tmp_path / f"{number}.tsv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter="\t", quoting=quoting).writerows([("id", "text"), *enumerate(texts)])
        assert list(read_table(path, ["text", "id"])) == [(text, str(number)) for number, text in enumerate(texts)]


def test_a_table_may_have_any_suffix_where_its_columns_are_named(tmp_path: Path) -> None:
    path = tmp_path / "ratings.txt"
    path.write_text("id\tdocument\tlabel\n1\tschön\t1\n2\t\t0\n", encoding="utf-8")
    assert list(read_table(path, ["document", "label"])) == [("schön", "1"), ("", "0")]
    assert list(read_lines(path, "document")) == ["schön", ""]
    assert next(read_table(path, [2, 3])) == ("document", "label")
    assert list(read_lines(path))[1] == "1\tschön\t1"  # without a column it is text


def test_a_table_of_json_lines_may_have_numbers_and_lists_of_words(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [{"text": "gut", "label": 1}, {"text": ["Ein", "Hund"], "label": ["A", 0]}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    assert list(read_table(path, ["text", "label"])) == [("gut", "1"), ("Ein Hund", "A 0")]


@pytest.mark.parametrize("label", [None, 1.5, True, {"a": 1}, ["two words", "b"], [""], [["a"]]])
def test_what_is_neither_text_nor_number_is_no_field(tmp_path: Path, label) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "gut", "label": label}) + "\n", encoding="utf-8")
    with pytest.raises(
        DataError, match=r"a\.jsonl:1: got an object with text, label; expected an object with the text"
    ):
        list(read_table(tmp_path / "a.jsonl", ["text", "label"]))


def test_a_json_line_that_is_no_object_has_no_fields(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("[1]\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.jsonl:1: got no object; expected an object with the text 'text'"):
        list(read_table(tmp_path / "a.jsonl", ["text"]))


@pytest.mark.parametrize(
    ("content", "columns", "message"),
    [
        (
            "text\tlabel\na\tb\tc\n",
            ["text"],
            r"a\.tsv:2: got 3 columns; expected the 2 of the first line; take the tabs",
        ),
        ("text\tlabel\na\n", ["text", "label"], r"a\.tsv:2: got 1 columns; expected at least 2; repair the line"),
        ("text\tlabel\na\tb\n", ["text", "class"], r"a\.tsv:1: got columns text, label; expected one called class"),
    ],
)
def test_a_row_that_does_not_fit_its_table_is_named(tmp_path: Path, content: str, columns, message: str) -> None:
    (tmp_path / "a.tsv").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        list(read_table(tmp_path / "a.tsv", columns))


def test_a_plain_text_is_no_table(folder: Path) -> None:
    with pytest.raises(SettingError, match=r"two\.de; expected a \.jsonl file or columns with tabs between; check the"):
        read_table(folder / "two.de", ["text"])


def test_a_prefix_tells_a_model_what_to_do() -> None:
    assert list(prefixed([("Hund", "dog")], "translate")) == [("translate: Hund", "dog")]
    assert list(prefixed([("Hund", "dog")], "")) == [("Hund", "dog")]


# --- documents

PROSE = "one\r\ntwo  \n\n \t\nthree\n\n\n four\nfive"


@pytest.mark.parametrize(
    ("unit", "documents"),
    [
        ("line", ["one", "two  ", "three", " four", "five"]),
        ("paragraph", ["one\ntwo  ", "three", " four\nfive"]),
        ("file", ["one\ntwo  \n\n \t\nthree\n\n\n four\nfive"]),
    ],
)
def test_a_text_is_cut_into_documents(tmp_path: Path, unit: str, documents: list[str]) -> None:
    for end in ("", "\n"):
        (tmp_path / "a.txt").write_bytes((PROSE + end).encode())
        assert list(read_documents(tmp_path / "a.txt", unit)) == documents


@pytest.mark.parametrize("unit", ["line", "paragraph", "file"])
def test_a_text_of_white_space_has_no_documents(tmp_path: Path, unit: str) -> None:
    (tmp_path / "a.txt").write_text(" \n\n\t\n", encoding="utf-8")
    with pytest.raises(DataError, match="got nothing but white space; expected some text; check how it was made"):
        list(read_documents(tmp_path / "a.txt", unit))


def test_a_document_has_an_end(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1234\n678\n\n1234\n6789\n", encoding="utf-8")
    assert len(list(read_documents(tmp_path / "a.txt", "paragraph", longest=9))) == 2
    with pytest.raises(
        DataError, match=r"a\.txt:5: got a paragraph of more than 8 characters; expected a document that"
    ):
        list(read_documents(tmp_path / "a.txt", "paragraph", longest=8))
    with pytest.raises(DataError, match="a file of more than 17 characters"):
        list(read_documents(tmp_path / "a.txt", "file", longest=17))


def test_documents_are_lines_paragraphs_or_a_file(folder: Path) -> None:
    with pytest.raises(
        SettingError, match="unit: got 'page'; expected one of line, paragraph, file; name one of these"
    ):
        read_documents(folder / "two.de", "page")
