"""The inspection of a corpus: a clean one has no findings, and each planted fault is found where it was planted."""

from __future__ import annotations

import json
import random
import re
import tracemalloc
from pathlib import Path

import pytest

from regard.data.inspection import CorpusReport, Finding, inspect_pairs
from regard.errors import DataError

Lines = list[str]


def clean_pairs(count: int = 400, seed: int = 3) -> tuple[Lines, Lines]:
    """Sentences of invented words: the target word is the source word reversed with a vowel more, or one word less."""
    draw = random.Random(seed)
    vocabulary = ["".join(draw.choices("bdfgklmnprst", k=draw.randint(3, 9))) for _ in range(500)]
    source, target = [], []
    for _ in range(count):
        words = draw.choices(vocabulary, k=draw.randint(4, 25))
        mark = "?" if draw.random() < 0.2 else "."
        source.append(" ".join(words) + mark)
        target.append(" ".join(word[::-1] + "a" for word in words[draw.randint(0, 1) :]) + mark)
    return source, target


def report_on(folder: Path, source: Lines, target: Lines, test: tuple[Lines, Lines] | None = None) -> CorpusReport:
    def file(name: str, lines: Lines) -> Path:
        path = folder / name
        path.write_bytes("".join(line + "\n" for line in lines).encode())
        return path

    tests = (file("test.a", test[0]), file("test.b", test[1])) if test else None
    return inspect_pairs(file("train.a", source), file("train.b", target), tests)


def lines_of(finding: Finding) -> list[int]:
    return [example.line for example in finding.examples]


def test_a_clean_corpus_has_no_findings(tmp_path: Path) -> None:
    report = report_on(tmp_path, *clean_pairs(), test=clean_pairs(60, seed=4))
    assert report.findings == []
    assert report.finding_rows() == []
    assert report.runs == []


def with_source(row: int, text: str) -> tuple[Lines, Lines]:
    source, target = clean_pairs()
    source[row] = text
    return source, target


def with_target(row: int, text: str) -> tuple[Lines, Lines]:
    source, target = clean_pairs()
    target[row] = text
    return source, target


def with_pair(row: int, source_text: str, target_text: str) -> tuple[Lines, Lines]:
    source, target = clean_pairs()
    source[row], target[row] = source_text, target_text
    return source, target


SOURCE, TARGET = clean_pairs()
STATEMENT = next(row for row, text in enumerate(SOURCE) if text.endswith(".") and len(text) > 60)
QUESTION = next(row for row, text in enumerate(SOURCE) if text.endswith("?") and len(text) > 60)

PLANTED = [  # corpus, fault, line, note
    (with_target(6, ""), "empty side", 7, ""),
    (with_source(6, " \t\u00a0"), "empty side", 7, ""),
    (with_target(STATEMENT, SOURCE[STATEMENT].upper()), "target is the source", STATEMENT + 1, ""),
    (with_pair(200, SOURCE[2], "  " + TARGET[2].upper()), "duplicate pair", 201, "line 3 is the same pair"),
    (
        with_source(STATEMENT, SOURCE[STATEMENT].replace(SOURCE[STATEMENT][0], "\ufffd", 1)),
        "damaged characters",
        STATEMENT + 1,
        "",
    ),
    (with_target(STATEMENT, TARGET[STATEMENT].replace("a ", "Ã¤ ", 1)), "damaged characters", STATEMENT + 1, ""),
    (
        with_target(STATEMENT, TARGET[STATEMENT][: len(SOURCE[STATEMENT]) // 5] + "."),
        "lengths far apart",
        STATEMENT + 1,
        "",
    ),
    (with_target(STATEMENT, TARGET[STATEMENT] * 2), "length unusual", STATEMENT + 1, ""),
    (
        with_pair(9, SOURCE[9][:-1] + " 1,200.", TARGET[9][:-1] + " 1.300."),
        "numbers differ",
        10,
        "",
    ),
    (with_pair(9, SOURCE[9][:-1] + " 1914.", TARGET[9]), "numbers differ", 10, ""),
    (with_target(QUESTION, TARGET[QUESTION][:-1] + "!"), "final punctuation differs", QUESTION + 1, ""),
    (with_target(STATEMENT, TARGET[STATEMENT][:-1]), "final punctuation on one side only", STATEMENT + 1, ""),
]


@pytest.mark.parametrize(("corpus", "fault", "line", "note"), PLANTED)
def test_a_planted_fault_is_found_alone_and_in_its_line(
    tmp_path: Path, corpus: tuple[Lines, Lines], fault: str, line: int, note: str
) -> None:
    (finding,) = report_on(tmp_path, *corpus).findings
    assert finding.name == fault
    assert finding.count == 1
    (example,) = finding.examples
    assert (example.line, example.note) == (line, note)
    assert example.source[:30] == corpus[0][line - 1][:30]
    assert example.target[:30] == corpus[1][line - 1][:30]


@pytest.mark.parametrize(
    ("source_text", "target_text"),
    [
        (" 1,200.", " 1.200."),  # the separators of two languages
        (" 5.", "."),  # a small number may be a word
        (" 2016.", " ٢٠١٦."),  # the digits of another script
        (" 14 5.", " 5 14."),
    ],
)
def test_numbers_that_say_the_same_are_no_fault(tmp_path: Path, source_text: str, target_text: str) -> None:
    corpus = with_pair(9, SOURCE[9][:-1] + source_text, TARGET[9][:-1] + target_text)
    assert report_on(tmp_path, *corpus).findings == []


def test_a_number_may_be_its_own_translation(tmp_path: Path) -> None:
    assert report_on(tmp_path, *with_pair(9, "1,200.", "1,200.")).findings == []


def test_one_sided_repetitions_are_told_from_duplicate_pairs(tmp_path: Path) -> None:
    source, target = clean_pairs()
    length = len(source[10])
    fits = [row for row, text in enumerate(source) if abs(len(text) - length) < 5 and text[-1] == source[10][-1]]
    second, third = fits[fits.index(10) + 1 : fits.index(10) + 3]
    source[second] = source[10]
    target[third] = target[10]
    found = {finding.name: finding for finding in report_on(tmp_path, source, target).findings}
    assert set(found) == {"source repeated with another target", "target repeated with another source"}
    (repeated,) = found["source repeated with another target"].examples
    assert (repeated.line, repeated.note) == (second + 1, "line 11 has the same source")
    (repeated,) = found["target repeated with another source"].examples
    assert (repeated.line, repeated.note) == (third + 1, "line 11 has the same target")


def test_a_pair_and_the_same_pair_the_other_way_round_are_two(tmp_path: Path) -> None:
    corpus = ["ein Hund.", "a dog."], ["a dog.", "ein Hund."]
    assert report_on(tmp_path, *corpus).findings == []


def test_every_line_is_counted_and_five_are_shown(tmp_path: Path) -> None:
    source, target = clean_pairs()
    for row in range(20, 40, 2):
        target[row] = ""
    report = report_on(tmp_path, source, target)
    (finding,) = report.findings
    assert finding.count == 10
    assert lines_of(finding) == [21, 23, 25, 27, 29]
    assert report.finding_rows() == [("empty side", "10", "21, 23, 25, 27, 29, …")]


def test_long_lines_are_shown_shortened(tmp_path: Path) -> None:
    (finding,) = report_on(tmp_path, ["x" * 500], [""]).findings
    assert finding.examples[0].source == "x" * 79 + "…"


def test_a_test_set_that_overlaps_is_reported_by_its_own_lines(tmp_path: Path) -> None:
    test = clean_pairs(30, seed=9)
    test[0][4], test[1][4] = SOURCE[100].upper(), TARGET[100]
    test[0][8] = SOURCE[200]
    pair, source = report_on(tmp_path, SOURCE, TARGET, test).findings
    assert (pair.name, pair.count, lines_of(pair)) == ("test pair is in the corpus", 1, [5])
    assert pair.examples[0].source.startswith(SOURCE[100].upper()[:30])
    assert (source.name, source.count, lines_of(source)) == ("test source is in the corpus", 1, [9])


@pytest.mark.parametrize(("source_cut", "target_cut"), [(None, 150), (150, None), (None, 0), (None, 340)])
def test_a_missing_line_is_found_with_the_line_where_the_sides_part(
    tmp_path: Path, source_cut: int | None, target_cut: int | None
) -> None:
    source, target = clean_pairs()
    if source_cut is not None:
        del source[source_cut]
    if target_cut is not None:
        del target[target_cut]
    report = report_on(tmp_path, source, target)
    assert [finding.name for finding in report.findings] == ["one side is longer", "lines out of step"]
    (run,) = report.runs
    cut = target_cut if target_cut is not None else source_cut
    assert run.first == pytest.approx((cut or 0) + 1, abs=3)
    assert run.last == len(source)
    assert run.shift == (-1 if target_cut is not None else 1)
    lacking, way = ("target", "above") if target_cut is not None else ("source", "below")
    note = report.findings[1].examples[0].note
    assert re.search(rf"fit the target 1 line {way}; the {lacking} probably lacks 1 line near line {run.first}$", note)


def test_lines_missing_on_both_sides_part_and_rejoin(tmp_path: Path) -> None:
    source, target = clean_pairs()
    del source[120:123]
    del target[260:263]
    (run,) = report_on(tmp_path, source, target).runs
    assert run.shift == 3
    assert run.first == pytest.approx(121, abs=3)
    assert run.last == pytest.approx(257, abs=3)


def test_a_shuffled_block_fits_nowhere(tmp_path: Path) -> None:
    source, target = clean_pairs()
    target[100:180] = target[179:99:-1]
    report = report_on(tmp_path, source, target)
    (run,) = report.runs
    assert run.shift is None
    assert (run.first, run.last) == (pytest.approx(101, abs=8), pytest.approx(180, abs=8))
    (finding,) = [finding for finding in report.findings if finding.name == "lines out of step"]
    assert finding.examples[0].note.endswith("of the source fit no target line near them")


def test_a_corpus_whose_sides_have_nothing_to_do_with_each_other_is_out_of_step_throughout(tmp_path: Path) -> None:
    source, target = clean_pairs()
    random.Random(1).shuffle(target)
    (run,) = report_on(tmp_path, source, target).runs
    assert (run.first, run.last, run.shift) == (1, 400, None)


def test_different_numbers_of_lines_are_a_finding(tmp_path: Path) -> None:
    (finding,) = report_on(tmp_path, ["ein Hund.", "eine Katze.", "ein Huhn."], ["a dog."]).findings
    assert (finding.name, finding.count, lines_of(finding)) == ("one side is longer", 2, [2])
    assert finding.rule == "as many lines on both sides; the source has 3, the target 1"


def test_lengths_are_measured_in_words_and_characters(tmp_path: Path) -> None:
    report = report_on(tmp_path, ["a", "bb cc", "ddd ee f", " g  h ", "i j k l m"], ["é"] * 5)
    words, characters = report.source.words, report.source.characters
    assert report.source.lines == 5
    assert (words.mean, words.median, words.longest) == (pytest.approx((1 + 2 + 3 + 2 + 5) / 5), 2, 5)
    assert words.percentile_95 == pytest.approx(3 + (5 - 3) * 0.8)  # 95 % of the way along 1 2 2 3 5
    assert (characters.mean, characters.median, characters.longest) == (pytest.approx((1 + 5 + 8 + 4 + 9) / 5), 5, 9)
    assert report.target.characters.mean == 1
    rows = {name: (left, right) for name, left, right in report.rows()}
    assert rows["lines"] == ("5", "5")
    assert rows["words a line, mean"] == ("2.6", "1")
    assert rows["characters a line, longest"] == ("9", "1")


def test_characters_are_counted_by_script(tmp_path: Path) -> None:
    report = report_on(tmp_path, ["Привет, мир 12!", "ab 한국"], ["漢字かな€", "\u200b"])
    assert report.source.scripts == {"Cyrillic": 9, "spaces": 3, "punctuation": 2, "digits": 2, "Latin": 2, "Hangul": 2}
    assert report.target.scripts == {"CJK": 2, "Hiragana": 2, "symbols": 1, "control characters": 1}
    assert report.rows()[-1][1].startswith("Cyrillic 45 %, spaces 15 %, ")


def test_the_report_is_json(tmp_path: Path) -> None:
    report = report_on(tmp_path, *with_target(6, ""))
    table = json.loads(json.dumps(report.to_dict()))
    assert table["findings"][0]["examples"][0]["line"] == 7
    assert table["source"]["lines"] == 400


def test_both_sides_may_be_columns_of_one_file(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("ein Hund.\ta dog.\neine Katze.\t\n", encoding="utf-8")
    (finding,) = inspect_pairs(path, path).findings
    assert (finding.name, lines_of(finding)) == ("empty side", [2])


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"gut\n\xff\n")
    (tmp_path / "b").write_bytes(b"good\nbad\n")
    with pytest.raises(DataError, match=r"a:2: got .*; expected UTF-8"):
        inspect_pairs(tmp_path / "a", tmp_path / "b")


def test_memory_does_not_grow_with_the_length_of_the_lines(tmp_path: Path) -> None:
    source = [f"{number} " + "wort " * 1000 for number in range(100)]  # 0.5 MB a side
    for name in ("a", "b"):
        (tmp_path / name).write_text("\n".join(source) + "\n", encoding="utf-8")
    del source
    report_on(tmp_path, *clean_pairs(60))  # what is imported on first use is none of this
    tracemalloc.start()
    inspect_pairs(tmp_path / "a", tmp_path / "b")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 400_000
