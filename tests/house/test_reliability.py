"""docs/reliability.md names every fault, and for each one a test that is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
FAULTS = {"A": 18, "B": 18, "C": 8, "D": 20, "G": 5}  # how many there are of each part
LATER = {"D10", "D11", "D12"}  # several processes: nothing that could fail is there yet
ROW = re.compile(r"^\| ([A-G])(\d+)(?:–[A-G](\d+))? \|(.*)\|$", re.MULTILINE)
TEST = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


def rows() -> dict[str, str]:
    """Each fault with its line."""
    found = {}
    for part, first, last, text in ROW.findall(PAGE.read_text(encoding="utf-8")):
        for number in range(int(first), int(last or first) + 1):
            found[f"{part}{number}"] = text
    return found


@cache
def names_in(name: str) -> set[str]:
    """The tests of every file of that name."""
    return {
        node.name
        for path in (ROOT / "tests").rglob(name)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }


def test_every_fault_has_a_row() -> None:
    wanted = {f"{part}{number}" for part, count in FAULTS.items() for number in range(1, count + 1)}
    assert sorted(wanted - rows().keys()) == []


@pytest.mark.parametrize("fault", sorted(f"{part}{n}" for part, count in FAULTS.items() for n in range(1, count + 1)))
def test_every_fault_has_a_test_that_is_there(fault: str) -> None:
    named = TEST.findall(rows()[fault])
    assert named or fault in LATER, "no test is named"
    for file, test in named:
        assert test in names_in(file), f"{file} has no {test}"


def test_every_test_that_bears_a_number_is_of_a_fault_there_is() -> None:
    for path in (ROOT / "tests" / "reliability").glob("test_*.py"):
        for name in names_in(path.name):
            if match := re.match(r"test_([a-g])(\d+)_", name):
                assert f"{match[1].upper()}{match[2]}" in rows(), name
