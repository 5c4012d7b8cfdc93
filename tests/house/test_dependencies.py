"""What pyproject.toml asks for, constraints.txt fixes."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LINES = [
    line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if line and line[0] != "#"
]
PINS = {canonicalize_name(pin.name): pin for pin in map(Requirement, LINES)}


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
GROUPS = {"runtime": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}


def named(groups: Iterable[str]) -> list[Requirement]:
    requirements = (Requirement(text) for group in groups for text in GROUPS[group])
    return [requirement for requirement in requirements if requirement.name != "regard"]


NAMED = named(GROUPS)
RUNTIME = named(GROUPS.keys() - {"dev"})
BROWSER = {requirement.name for requirement in named(["browser"])}
each_named = pytest.mark.parametrize("requirement", NAMED, ids=str)


@each_named
def test_a_dependency_has_a_pin_inside_its_range(requirement: Requirement) -> None:
    pin = PINS[canonicalize_name(requirement.name)]
    (version,) = pin.specifier
    assert requirement.specifier.contains(version.version)


@each_named
def test_a_dependency_says_from_which_version_and_up_to_which(requirement: Requirement) -> None:
    bounds = {bound.operator for bound in requirement.specifier}
    assert bounds == {">=", "<"}


@pytest.mark.parametrize("line", LINES)
def test_a_pin_is_a_name_and_an_exact_version_and_no_address(line: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][0-9A-Za-z.]*", line), "no +cpu, no URL, no option"


def needs_of(name: str) -> list[str]:
    try:
        return importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        assert name in BROWSER, f"{name} is not installed"  # `make test` does without, `make browser` installs it
        return []


def test_what_the_dependencies_need_is_pinned_too() -> None:
    """Walks what is installed here; a requirement that is itself exact (``==``) needs no pin of ours."""
    waiting, seen, unpinned = [(r.name, frozenset(r.extras)) for r in NAMED], set(), set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for text in needs_of(name):
            requirement = Requirement(text)
            exact = any(bound.operator == "==" for bound in requirement.specifier)
            wanted = [requirement.marker is None or requirement.marker.evaluate({"extra": e}) for e in (*extras, "")]
            if exact or not any(wanted):
                continue
            waiting.append((requirement.name, frozenset(requirement.extras)))
            if canonicalize_name(requirement.name) not in PINS:
                unpinned.add(requirement.name)
    assert unpinned == set()
    assert len(seen) > len(NAMED)


def imported_by(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                found |= {name.name.partition(".")[0] for name in names}
            case ast.ImportFrom(module=str(module), level=0):
                found.add(module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"regard"}


def test_whatever_the_package_imports_it_asks_for() -> None:
    imported = set().union(*map(imported_by, (ROOT / "src").rglob("*.py")))
    owners = importlib.metadata.packages_distributions()
    asked_for = {canonicalize_name(requirement.name) for requirement in RUNTIME}
    assert {name for name in imported if asked_for.isdisjoint(map(canonicalize_name, owners[name]))} == set()
    assert "torch" in imported
