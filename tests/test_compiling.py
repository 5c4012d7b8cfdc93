"""C++ on the user's machine: made once, kept, and never an error where it cannot be."""

from __future__ import annotations

import logging
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from regard.compiling import cache_folder, compiled, find_compiler

ROOT = Path(__file__).resolve().parents[1]
ANSWER = '#include "number.h"\nextern "C" int answer() { return NUMBER; }\n'

needs_compiler = pytest.mark.skipif(find_compiler() is None, reason="no C++ compiler")


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small source with a header, and a cache and a compiler of its own, which notes each time that it is called."""
    monkeypatch.setenv("REGARD_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("REGARD_NATIVE", raising=False)
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "number.h").write_text("#define NUMBER 42\n")
    path = tmp_path / "source" / "answer.cpp"
    path.write_text(ANSWER)
    return path


@pytest.fixture
def counted(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which the compiler leaves a line for each time that it is called."""
    calls = tmp_path / "calls"
    calls.touch()
    found = find_compiler()
    assert found is not None
    write_compiler(tmp_path / "counting", f'echo called >> "{calls}"\nexec "{shutil.which(found[0])}" "$@"')
    monkeypatch.setenv("CXX", str(tmp_path / "counting"))
    return calls


def write_compiler(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def times(calls: Path) -> int:
    return len(calls.read_text().splitlines())


@needs_compiler
def test_a_source_is_compiled_once_and_found_again(
    source: Path, counted: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        found = compiled(source)
    assert found.library is not None
    assert found.library.answer() == 42
    assert len(caplog.records) == 1
    before = times(counted)
    again = compiled(source)
    assert again.library is not None
    assert again.library.answer() == 42
    assert (again.path, times(counted)) == (found.path, before)
    assert len(caplog.records) == 1


@needs_compiler
def test_a_changed_header_is_compiled_anew(source: Path) -> None:
    first = compiled(source)
    (source.parent / "number.h").write_text("#define NUMBER 43\n")
    second = compiled(source)
    assert first.library is not None
    assert second.library is not None
    assert (first.library.answer(), second.library.answer()) == (42, 43)


@needs_compiler
def test_two_processes_may_compile_at_once(source: Path, tmp_path: Path) -> None:
    code = "import sys, pathlib, regard.compiling as c; print(c.compiled(pathlib.Path(sys.argv[1])).library.answer())"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    both = [
        subprocess.Popen([sys.executable, "-c", code, str(source)], stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    assert [process.communicate()[0] for process in both] == ["42\n", "42\n"]
    assert len(list((tmp_path / "cache").iterdir())) == 1, "nothing is left beside what was made"


def test_the_cache_is_its_owners_alone(source: Path, tmp_path: Path) -> None:
    compiled(source)
    if find_compiler():
        assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700


def test_without_a_compiler_there_is_a_reason(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    found = compiled(source)
    assert found.library is None
    assert found.reason == "no C++ compiler ($CXX, c++, g++, clang++)"
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert compiled(source).reason == "no C++ compiler ($CXX, c++, g++, clang++)"


def test_a_compiler_that_fails_is_asked_once(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = tmp_path / "calls"
    broken = write_compiler(tmp_path / "broken", f'echo called >> "{calls}"\necho "it is broken" >&2\nexit 1')
    monkeypatch.setenv("CXX", str(broken))
    found = compiled(source)
    assert found.library is None
    assert found.reason == f"{broken} failed: it is broken"
    before = times(calls)
    assert compiled(source).reason == found.reason
    assert times(calls) == before


@pytest.mark.parametrize("end", ["kill -9 $$", 'echo "fatal error: Killed signal terminated program" >&2; exit 1'])
def test_a_compiler_that_was_killed_is_asked_again(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    calls = tmp_path / "calls"
    killed = write_compiler(tmp_path / "killed", f'echo called >> "{calls}"\n{end}')
    monkeypatch.setenv("CXX", str(killed))
    assert compiled(source).reason == f"{killed} was killed"
    assert compiled(source).reason == f"{killed} was killed"
    assert times(calls) == 2


def test_a_cache_that_cannot_be_written_is_a_reason(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("REGARD_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setenv("CXX", "true")
    assert "Not a directory" in compiled(source).reason


@needs_compiler
def test_a_damaged_library_is_a_reason(source: Path) -> None:
    found = compiled(source)
    assert found.path is not None
    damaged = found.path
    code = "import sys, pathlib, regard.compiling as c; print(c.compiled(pathlib.Path(sys.argv[1])).reason)"
    damaged.unlink()  # what is loaded from it stays as it was: to write into that would end this process
    damaged.write_bytes(b"no library")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", code, str(source)]
    said = subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout
    assert damaged.name in said


def test_it_can_be_switched_off(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGARD_NATIVE", "0")
    assert compiled(source).reason == "REGARD_NATIVE is 0"


def test_the_cache_is_where_caches_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REGARD_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/some/caches")
    assert cache_folder() == Path("/some/caches/regard")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "regard"


def test_d19_a_user_without_a_home_gets_the_reason_and_no_error(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that is run as some user of its host's."""

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("REGARD_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.setattr("regard.compiling.find_compiler", lambda: ["c++"])
    assert compiled(source).reason == "Could not determine home directory."
