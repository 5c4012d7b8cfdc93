"""Every message that the package can raise is matched by some test.

Mechanical, so it asks little: of the literal words of each message, three in a row (or all, where they are
fewer) must stand in a string of some test. A message without two literal words in a row is not looked at.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from regard import errors

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src" / "regard").rglob("*.py"))
OURS = {name for name in vars(errors) if name.endswith("Error")}
BUILTIN = {"ValueError", "TypeError", "KeyError", "RuntimeError", "AttributeError", "IndexError", "OSError"}


def messages(tree: ast.AST) -> Iterator[tuple[int, list[str]]]:
    """The line of each error that is made, and the literal parts of its message."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in OURS | BUILTIN:
                yield node.lineno, list(literals(node))
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="because" | "at")) if name in OURS:
                yield node.lineno, list(literals(node))


def literals(call: ast.Call) -> Iterator[str]:
    for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
        for node in ast.walk(argument):
            match node:
                case ast.Constant(value=str(text)) if len(text.split()) > 1:
                    yield " ".join(text.split())


@cache
def strings_of_tests() -> str:
    """All strings of all tests but this one, without the backslashes of regular expressions."""
    paths = [path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in paths]
    strings = [n.value for t in trees for n in ast.walk(t) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return "\n".join(" ".join(re.sub(r"\\(?=\W)", "", text).split()) for text in strings)


def is_matched(fragment: str) -> bool:
    words = fragment.split()
    width = min(3, len(words))
    return any(" ".join(words[i : i + width]) in strings_of_tests() for i in range(len(words) - width + 1))


def test_every_message_is_matched_by_a_test() -> None:
    unmatched = [
        f"{path.relative_to(ROOT)}:{line}: {' … '.join(fragments)}"
        for path in SOURCES
        for line, fragments in messages(ast.parse(path.read_text(encoding="utf-8")))
        if fragments and not any(map(is_matched, fragments))
    ]
    if unmatched:
        pytest.fail("no test has three words in a row of\n" + "\n".join(unmatched), pytrace=False)


def test_a_message_is_found_however_it_is_made() -> None:
    code = """
raise SettingError("plain words here")
raise RunError.because(path, "nothing there", f"a run of {size} files", "train " + "one first")
problems.append(DataError.at(path, 3, byte, "UTF-8", "save it as UTF-8"))
raise ValueError(text)
"""
    assert [fragments for _, fragments in sorted(messages(ast.parse(code)))] == [
        ["plain words here"],
        ["nothing there", "a run of", "one first"],
        ["save it as UTF-8"],
        [],
    ]
