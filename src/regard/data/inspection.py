"""What is in a parallel corpus, and what is wrong with it: sizes, lengths, duplicates, leaks, lines out of step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from regard.data.corpus import Column, read_lines, read_pairs
from regard.data.divergence import Run, find_runs
from regard.data.faults import Fault, find_faults, leaked, line_counts
from regard.data.line_facts import Facts, SideReader, scripts

EXAMPLES = 5  # of each fault
SHOWN = 80  # characters of a line in an example


@dataclass(frozen=True)
class Example:
    """A faulty pair; ``line`` counts from 1, ``note`` says what else there is to know, such as an earlier line."""

    line: int
    source: str
    target: str
    note: str = ""


@dataclass(frozen=True)
class Finding:
    """One kind of fault: how many lines have it, the rule that they break, and the first of them."""

    name: str
    count: int
    rule: str
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True)
class Lengths:
    """How long the lines of a side are, in words (between white space) or characters."""

    mean: float
    median: float
    percentile_95: float
    longest: int


@dataclass(frozen=True)
class SideReport:
    """One side of the corpus: its lines, their lengths and the scripts of its characters (name → count)."""

    lines: int
    words: Lengths
    characters: Lengths
    scripts: dict[str, int]


@dataclass(frozen=True)
class CorpusReport:
    """What ``inspect_pairs`` found. ``findings`` has only what was found; ``runs`` the stretches out of step."""

    source: SideReport
    target: SideReport
    findings: list[Finding] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)

    def rows(self) -> list[tuple[str, str, str]]:
        """(what, source, target) for a table of the sizes."""
        rows = [("lines", f"{self.source.lines:,}", f"{self.target.lines:,}")]
        for unit in ("words", "characters"):
            for measure, title in (
                ("mean", "mean"),
                ("median", "median"),
                ("percentile_95", "95 %"),
                ("longest", "longest"),
            ):
                sides = (getattr(getattr(side, unit), measure) for side in (self.source, self.target))
                rows.append((f"{unit} a line, {title}", *(f"{value:,.4g}" for value in sides)))  # type: ignore[arg-type]
        return [*rows, ("characters by script", _shares(self.source.scripts), _shares(self.target.scripts))]

    def finding_rows(self) -> list[tuple[str, str, str]]:
        """(fault, lines that have it, where the first of them are) for a table; empty where nothing is wrong."""
        rows = []
        for finding in self.findings:
            lines = ", ".join(str(example.line) for example in finding.examples)
            more = ", …" if finding.examples and finding.count > len(finding.examples) else ""
            rows.append((finding.name, f"{finding.count:,}", f"{lines}{more}"))
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for JSON."""
        return asdict(self)


def inspect_pairs(
    source: Path,
    target: Path,
    test: tuple[Path, Path] | None = None,
    source_column: Column = None,
    target_column: Column = None,
) -> CorpusReport:
    """Read the corpus twice, once to measure it and once for the examples, and report what is in it.

    ``test`` names the two files of a test set, whose overlap with the corpus is reported. Files as for
    ``corpus.read_pairs``; different numbers of lines are a finding here and no error. About 50 bytes of memory a pair.
    Raises DataError where a file cannot be read.
    """
    readers = SideReader(), SideReader()
    for texts in _pairs(source, target, source_column, target_column):
        for reader, text in zip(readers, texts, strict=True):
            if text is not None:
                reader.add(text)
    sides = readers[0].facts(), readers[1].facts()
    runs = find_runs(*sides)
    damaged = sorted({*readers[0].damaged, *readers[1].damaged})
    faults = [*line_counts(*sides), *find_faults(*sides, runs, damaged)]
    findings = _with_texts(faults, _pairs(source, target, source_column, target_column))
    if test is not None:
        findings += _leaks(sides, test)
    left, right = (_side_report(facts, reader) for facts, reader in zip(sides, readers, strict=True))
    return CorpusReport(left, right, findings, runs)


def _pairs(
    source: Path, target: Path, source_column: Column, target_column: Column
) -> Iterator[tuple[str | None, str | None]]:
    if source == target:
        yield from read_pairs(source, target, source_column, target_column)
    else:
        yield from zip_longest(read_lines(source, source_column), read_lines(target, target_column))


def _leaks(sides: tuple[Facts, Facts], test: tuple[Path, Path]) -> list[Finding]:
    readers = SideReader(), SideReader()
    for texts in read_pairs(*test):
        for reader, text in zip(readers, texts, strict=True):
            reader.add(text)
    return _with_texts(leaked(sides, (readers[0].facts(), readers[1].facts())), read_pairs(*test))


def _with_texts(faults: list[Fault], pairs: Iterator[tuple[Any, Any]]) -> list[Finding]:
    """The faults as findings, with the texts of their first lines."""
    wanted = {row for fault in faults for row in fault.rows[:EXAMPLES].tolist()}
    texts: dict[int, tuple[str, str]] = {}
    for row, (left, right) in enumerate(pairs):
        if row in wanted:
            texts[row] = _shortened(left), _shortened(right)
            if len(texts) == len(wanted):
                break
    return [
        Finding(
            fault.name,
            fault.count,
            fault.rule,
            tuple(Example(row + 1, *texts[row], fault.note(row)) for row in fault.rows[:EXAMPLES].tolist()),
        )
        for fault in faults
    ]


def _shortened(text: str | None) -> str:
    text = text or ""
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _side_report(facts: Facts, reader: SideReader) -> SideReport:
    return SideReport(len(facts), _lengths(facts.words), _lengths(facts.characters), scripts(reader.letters))


def _lengths(values: Any) -> Lengths:
    return Lengths(float(values.mean()), float(np.median(values)), float(np.percentile(values, 95)), int(values.max()))


def _shares(counts: dict[str, int]) -> str:
    total = max(sum(counts.values()), 1)
    shares = [f"{name} {100 * count / total:.3g} %" for name, count in list(counts.items())[:4]]
    return ", ".join(shares) + (", …" if len(counts) > 4 else "")
