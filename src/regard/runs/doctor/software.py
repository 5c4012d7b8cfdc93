"""The software: Python, the packages against the ranges that regard asks for, how text is encoded."""

from __future__ import annotations

import importlib.metadata
import locale
import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from regard import __version__
from regard.runs.doctor.finding import Finding

TESTED = "3.11 to 3.13"
FIRST_PYTHON, LAST_PYTHON = (3, 11), (3, 13)
_REQUIREMENT = re.compile(r"([\w.-]+)(?:\[[^\]]*\])?\s*([^;]*?)\s*(?:;.*extra\s*==\s*[\"'](\w+)[\"'].*)?")
_BOUND = re.compile(r"(>=|<)\s*([\d.]+)")


@dataclass(frozen=True)
class Wanted:
    """A package, the range of versions that regard works with, and the extra that asks for it ("": always)."""

    name: str
    range: str
    extra: str = ""


def python() -> Iterator[Finding]:
    """The interpreter."""
    value = f"{platform.python_version()} ({platform.python_implementation()}), regard {__version__}"
    if FIRST_PYTHON <= sys.version_info[:2] <= LAST_PYTHON:
        yield Finding("Python", value)
    else:
        yield Finding("Python", value, f"{TESTED}, with which regard is tested", "make an environment with one of them")


def packages() -> Iterator[Finding]:
    """Each package that regard needs, and those of the extras that are installed."""
    try:
        wanted = wanted_packages(importlib.metadata.requires("regard") or [])
    except importlib.metadata.PackageNotFoundError:
        yield Finding("packages", "regard is not installed", "an installed package", "install it: pip install regard")
        return
    for one in wanted:
        yield from look_at(one)


def wanted_packages(requirements: list[str]) -> list[Wanted]:
    """The requirements of a distribution, as it tells them; those of developers are left out."""
    matches = (_REQUIREMENT.fullmatch(text) for text in requirements)
    found = [Wanted(match[1], match[2], match[3] or "") for match in matches if match]
    kept = [one for one in found if one.name != "regard" and one.extra not in ("dev", "release")]
    return list({one.name: one for one in reversed(kept)}.values())[::-1]  # extras share packages


def look_at(wanted: Wanted) -> Iterator[Finding]:
    """Its version against the range. What only an extra asks for may be missing."""
    install = f'install one: pip install "{wanted.name}{wanted.range}"'
    try:
        version = importlib.metadata.version(wanted.name)
    except importlib.metadata.PackageNotFoundError:
        if not wanted.extra:
            yield Finding(wanted.name, "not installed", wanted.range, install)
        return
    value = f"{version} (extra {wanted.extra})" if wanted.extra else version
    if is_inside(version, wanted.range):
        yield Finding(wanted.name, value)
    else:
        yield Finding(wanted.name, value, wanted.range, install)


def is_inside(version: str, bounds: str) -> bool:
    """Whether a version fits bounds such as ``>=2.11,<3``. What follows its numbers, such as ``+cpu``, is not read."""
    for kind, limit in _BOUND.findall(bounds):
        found, least = _numbers(version), _numbers(limit)
        width = max(len(found), len(least))
        found, least = (numbers + (0,) * (width - len(numbers)) for numbers in (found, least))
        if (found < least) if kind == ">=" else (found >= least):
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, match[0].split("."))) if match else ()


def encodings() -> Iterator[Finding]:
    """Of standard output and of file names. Files are always read and written as UTF-8."""
    found = {"output": sys.stdout.encoding or "none", "file names": sys.getfilesystemencoding()}
    value = ", ".join(f"{what} {name}" for what, name in found.items())
    value += f" ({locale.setlocale(locale.LC_CTYPE)})"
    if all(name.lower().replace("-", "").replace("_", "") == "utf8" for name in found.values()):
        yield Finding("text", value)
    else:
        yield Finding("text", value, "UTF-8", "set PYTHONUTF8=1, or LC_ALL=C.UTF-8")
