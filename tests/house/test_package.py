"""Laws of the source itself: what it must not contain, how long a file is, what it may be called."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src" / "regard").rglob("*.py"))
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager", "managers"}
LONGEST = 300

# Whatever runs code that a file contains, or switches off what forbids it.
FORBIDDEN_IMPORTS = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "yaml"}
FORBIDDEN_CALLS = {"eval", "exec", "compile"}
FORBIDDEN_NAMES = {"allow_pickle", "trust_remote_code"}
ARRAYS = {f"{module}.{verb}" for module in ("np", "numpy") for verb in ("load", "save", "savez")}
FORBIDDEN_ATTRIBUTES = {"torch.load", "torch.save", "torch.jit.load", "yaml.load", "pandas.read_pickle"}

PERSONAL = re.compile(r"(?<![\w.~$}/])/(?:home|root|Users|work|mnt)/\w|[A-Z]:\\Users\\")
REGISTRY = re.compile(
    "|".join(["pypi" + r"\.org", "python" + "hosted", r"download\.py" + "torch", "--(?:extra-)?index" + "-url"])
)


def sources_where(wrong: Callable[[Path], object]) -> list[str]:
    """The source files of which something is wrong: one test a law, as there are hundreds of files."""
    return [str(path.relative_to(ROOT)) for path in SOURCES if wrong(path)]


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def written_files() -> Iterator[Path]:
    """The files of the project that people write."""
    yield from (path for path in ROOT.iterdir() if path.is_file() and path.name not in {"LICENSE", ".git"})
    for folder in ("src", "tests", "recipes", "benchmarks", ".ci"):
        yield from (p for p in (ROOT / folder).rglob("*") if p.is_file() and "__pycache__" not in p.parts)


def dangers(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (n.name for n in names if n.name.partition(".")[0] in FORBIDDEN_IMPORTS)
            case ast.ImportFrom(module=str(module), names=names):
                if module.partition(".")[0] in FORBIDDEN_IMPORTS:
                    yield module
                yield from (f"{module}.{n.name}" for n in names if f"{module}.{n.name}" in FORBIDDEN_ATTRIBUTES)
            case ast.Call(func=ast.Name(id=name)) if name in FORBIDDEN_CALLS:
                yield f"{name}()"
            case ast.Call(func=ast.Attribute() as called, keywords=words) if ast.unparse(called) in ARRAYS:
                if all(word.arg != "allow_pickle" for word in words):
                    yield f"{ast.unparse(called)} without allow_pickle=False"
            case ast.Attribute() if (dotted := ast.unparse(node)) in FORBIDDEN_ATTRIBUTES:
                yield dotted
            case ast.keyword(arg=str(name)) | ast.Constant(value=str(name)) if name in FORBIDDEN_NAMES:
                if not is_refusal(node):
                    yield name


def is_refusal(node: ast.AST) -> bool:
    """``allow_pickle=False``, written out."""
    match node:
        case ast.keyword(arg="allow_pickle", value=ast.Constant(value=False)):
            return True
    return False


def test_a_source_file_runs_no_code_that_it_reads() -> None:
    assert sources_where(lambda path: list(dangers(parsed(path)))) == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "import yaml.constructor",
        "from pickle import loads",
        "from torch import load",
        "torch.load('x')",
        "torch.jit.load('x')",
        "eval('1')",
        "exec('1')",
        "np.load('x', allow_pickle=some)",
        "np.save('x', array)",
        "numpy.load('x')",
        "load_array('x', allow_pickle=True)",
        "options = {'trust_remote_code': True}",
    ],
)
def test_each_danger_is_seen(code: str) -> None:
    assert len(list(dangers(ast.parse(code)))) == 1


def test_what_only_looks_dangerous_is_allowed() -> None:
    assert (
        list(
            dangers(
                ast.parse(
                    "model.eval(); re.compile('x'); safetensors.torch.load_file('x'); np.save(f, a, allow_pickle=False)"
                )
            )
        )
        == []
    )


def test_a_source_file_is_short() -> None:
    assert sources_where(lambda path: len(path.read_text(encoding="utf-8").splitlines()) > LONGEST) == []


def test_a_file_or_folder_says_what_it_is_for() -> None:
    def is_vague(path: Path) -> bool:
        parts = path.relative_to(ROOT / "src").with_suffix("").parts
        return not VAGUE.isdisjoint(word for part in parts for word in part.split("_"))

    assert sources_where(is_vague) == []


def test_a_module_begins_with_its_purpose() -> None:
    assert sources_where(lambda path: not ast.get_docstring(parsed(path))) == []


def test_a_source_file_where_something_is_wrong_would_be_named() -> None:
    assert sources_where(lambda path: path.name == "loop.py") == ["src/regard/training/loop.py"]


@pytest.mark.parametrize("pattern", [PERSONAL, REGISTRY], ids=["a person's folder", "a registry's address"])
def test_no_file_names(pattern: re.Pattern[str]) -> None:
    found = []
    for path in written_files():
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert found == []


def test_a_personal_folder_would_be_seen() -> None:
    for folder in ("home", "root", "Users", "work"):
        assert PERSONAL.search(f"open('/{folder}/me/x')")
    assert not PERSONAL.search("a/work/b")
