"""C++ files of the package, compiled on the user's machine where a compiler is found, once, and kept.

A compiled file lies in ``$REGARD_CACHE``, else ``$XDG_CACHE_HOME/regard``, else ``~/.cache/regard``. Its name is a hash
of all that it was made from: the sources, the flags, the compiler and the processor. ``REGARD_NATIVE=0`` switches all
of this off. Nothing here raises: who asks for a library gets it, or the reason why there is none.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

COMPILERS = ("c++", "g++", "clang++")  # after $CXX
FLAGS = ("-O3", "-std=c++17", "-ffp-contract=fast", "-fPIC", "-shared", "-w")
NATIVE = ("-march=native", "-mcpu=native")  # the compilers' names for the processor that they run on; one will do
PATIENCE = 300.0  # seconds that a compiler may take

_lock = threading.Lock()
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Compiled:
    """A loaded library, or the reason why there is none. ``path``: where it lies."""

    library: ctypes.CDLL | None
    path: Path | None
    reason: str = ""


def compiled(source: Path, wished: tuple[str, ...] = (), shared: Path | None = None) -> Compiled:
    """The library that ``source``, with the headers beside it, is compiled to: from the cache, or made now.

    ``wished``: further flags, where the compiler takes them. ``shared``: a folder of further headers. Making takes
    seconds, and says so, through ``logging``, before it begins.
    """
    if os.environ.get("REGARD_NATIVE") == "0":
        return Compiled(None, None, "REGARD_NATIVE is 0")
    with _lock:  # threads of this process wait for each other; other processes make a file of their own and rename it
        try:
            return _compiled(_Task(source, wished, shared))
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:  # RuntimeError: a user without a home
            return Compiled(None, None, f"{error}")


def cache_folder() -> Path:
    """Where compiled files are kept."""
    if named := os.environ.get("REGARD_CACHE"):
        return Path(named)
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "regard"


@dataclass(frozen=True)
class _Task:
    source: Path
    wished: tuple[str, ...]
    shared: Path | None

    def headers(self) -> list[Path]:
        folders = (self.source.parent, self.shared) if self.shared else (self.source.parent,)
        return [path for folder in folders for path in sorted(folder.glob("*.h"))]

    def attempts(self) -> list[tuple[str, ...]]:
        """Further flags, the most wished for first, none of them last."""
        return [
            (*native, *wish) for wish in dict.fromkeys((self.wished, ())) for native in (*((n,) for n in NATIVE), ())
        ]

    def command(self, compiler: list[str], extra: tuple[str, ...], made: Path) -> list[str]:
        found = ["-I", str(self.shared)] if self.shared else []
        return [*compiler, *FLAGS, *extra, *found, str(self.source), "-o", str(made)]


def _compiled(task: _Task) -> Compiled:
    compiler = find_compiler()
    if compiler is None:
        return Compiled(None, None, "no C++ compiler ($CXX, " + ", ".join(COMPILERS) + ")")
    folder = cache_folder()
    path = folder / f"{task.source.stem}-{_fingerprint(task, compiler)}.so"
    failure = path.with_suffix(".failed")  # what this compiler cannot compile, it need not try at every start
    if not path.exists():
        if failure.exists():
            return Compiled(None, None, failure.read_text(encoding="utf-8"))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if reason := _make(task, compiler, path):
            failure.write_text(reason, encoding="utf-8")
            return Compiled(None, None, reason)
    return Compiled(ctypes.CDLL(str(path)), path)


def find_compiler() -> list[str] | None:
    """The command that ``$CXX`` names, or the first known compiler on the path."""
    named = shlex.split(os.environ.get("CXX", ""))
    if named:
        return named if shutil.which(named[0]) else None
    return next(([path] for path in map(shutil.which, COMPILERS) if path), None)


def _make(task: _Task, compiler: list[str], path: Path) -> str:
    """Compile to ``path``, whole or not at all; "" or what went wrong."""
    _log.warning("compiling %s for this machine, once (some seconds) …", task.source.stem)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".making-") as beside:
        made, said = Path(beside) / path.name, ""
        for extra in task.attempts():
            command = task.command(compiler, extra, made)
            run = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=PATIENCE)
            if run.returncode == 0 and made.exists():
                made.replace(path)
                return ""
            if run.returncode < 0 or "Killed" in run.stderr:  # for want of memory, perhaps: another day it may do
                raise subprocess.SubprocessError(f"{compiler[0]} was killed")
            said = said or next(iter(run.stderr.strip().splitlines()), f"exit code {run.returncode}")
    return f"{compiler[0]} failed: {said}"


def _fingerprint(task: _Task, compiler: list[str]) -> str:
    digest = hashlib.sha256()
    for path in (task.source, *task.headers()):
        digest.update(path.read_bytes())
    for part in (*FLAGS, *NATIVE, *task.wished, *_facts_of(compiler), *_processor()):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:20]


def _facts_of(compiler: list[str]) -> Iterator[str]:
    """What tells one compiler from another without running it, which would take longer than to load the library."""
    yield from compiler
    found = Path(shutil.which(compiler[0]) or compiler[0]).resolve()
    yield str(found)
    with suppress(OSError):
        facts = found.stat()
        yield f"{facts.st_size} {facts.st_mtime_ns}"


def _processor() -> Iterator[str]:
    """Its name and abilities, as the system tells them."""
    yield from (platform.system(), platform.machine(), platform.processor())
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        for wanted in ("model name", "flags", "Features", "CPU part"):
            yield next((line for line in lines if line.startswith(wanted)), "")
