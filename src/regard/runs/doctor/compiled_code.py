"""The C++ of the package: which compiler there is, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from regard.compiling import COMPILERS, Compiled, cache_folder, find_compiler
from regard.decoding.native.choice import compiled_engine
from regard.layers.kernels.library import compiled_kernels
from regard.runs.doctor.finding import Finding

WITHOUT = "everything works without it, only slower"


def compiler() -> Iterator[Finding]:
    """The first that is found."""
    found = find_compiler()
    if found is not None:
        yield Finding("C++ compiler", " ".join(found))
        return
    action = f"install one of {', '.join(COMPILERS)} (Debian, Ubuntu: apt install g++); {WITHOUT}"
    yield Finding("C++ compiler", "none", "one on the path, or named by $CXX", action)


def kernels() -> Iterator[Finding]:
    """Those that training uses; they are made now where they are not in the cache."""
    yield from _state("kernels of training", compiled_kernels)


def engine() -> Iterator[Finding]:
    """The one that translates."""
    yield from _state("engine of translation", compiled_engine)


def _state(name: str, make: Callable[[], Compiled]) -> Iterator[Finding]:
    folder = _folder()
    before = set(folder.glob("*.so")) if folder is not None else set()
    made = make()
    if made.path is None:
        action = "see the C++ compiler and the cache folder; unset REGARD_NATIVE where it is 0"
        yield Finding(name, made.reason, "a compiled file", f"{action}; {WITHOUT}")
        return
    known = "from the cache" if made.path in before else "compiled just now"
    yield Finding(name, f"{known}: {made.path.name}")


def _folder() -> Path | None:
    with suppress(OSError, RuntimeError):
        return cache_folder()
    return None
