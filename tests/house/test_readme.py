"""What the README says of files, commands and the paper is so."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from regard import families
from regard.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "regard"
README = (ROOT / "README.md").read_text(encoding="utf-8")
TREE = (ROOT / "docs" / "tree.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def tree_written(page: str) -> dict[str, str]:
    """Path → purpose, from the block that begins with ``src/regard/``."""
    (block,) = re.findall(r"^```text\n(src/regard/\n.*?)^```$", page, re.MULTILINE | re.DOTALL)
    tree, folders = {}, [""]
    for line in block.splitlines()[1:]:
        indent, name, purpose = re.fullmatch(r"((?:  )+)(\S+)(?: +(\S.*))?", line).groups()  # type: ignore[union-attr]
        del folders[len(indent) // 2 :]
        path = folders[-1] + name
        if name.endswith("/"):
            folders.append(path)
        tree[path] = purpose or ""
    return tree


def tree_on_disk() -> list[str]:
    """The folders and files of the package; a folder stands for its ``__init__.py``."""
    found = []
    for path in sorted(PACKAGE.rglob("*")):
        name = path.relative_to(PACKAGE).as_posix()
        if "__pycache__" in path.parts or (path.name == "__init__.py" and path.parent != PACKAGE):
            continue
        if path.is_dir():
            found += [f"{name}/"] if any(path.glob("*.py")) else []
        elif path.suffix == ".py" or path.name == "py.typed":
            found.append(name)
    return found


def line_for(name: str) -> str:
    """What the tree could say of a file: the first sentence of its docstring."""
    path = PACKAGE / name / "__init__.py" if name.endswith("/") else PACKAGE / name
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    depth = name.rstrip("/").count("/") + 1
    label = "  " * depth + name.rstrip("/").rpartition("/")[2] + ("/" if name.endswith("/") else "")
    return f"{label:<25} {docstring.partition(chr(10))[0].rstrip('.')}"


def test_the_tree_lists_every_file_and_no_other() -> None:
    written, there = tree_written(TREE), tree_on_disk()
    missing = [name for name in there if name not in written]
    gone = [name for name in written if name not in there]
    advice = "".join(
        f"\nadd to docs/tree.md, under {n.rpartition('/')[0] or 'regard'}:\n{line_for(n)}" for n in missing
    )
    advice += "".join(f"\ndelete from docs/tree.md: {name}" for name in gone)
    assert not missing, advice
    assert not gone, advice


def test_every_file_in_the_tree_has_its_purpose() -> None:
    assert [path for path, purpose in tree_written(TREE).items() if not purpose] == []


def test_the_readme_has_the_top_of_the_tree() -> None:
    top = {path: purpose for path, purpose in tree_written(TREE).items() if "/" not in path.rstrip("/")}
    assert tree_written(README) == top


def rows_with(heading: str) -> list[list[str]]:
    """The cells of the table whose head begins so."""
    (table,) = re.findall(rf"^\| {re.escape(heading)}.*\n\|[-| ]+\n((?:\|.*\n)+)", README, re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()]


PAGES = sorted(path for path in ROOT.glob("**/*.md") if not any(part.startswith(".") for part in path.parts))


@pytest.mark.parametrize("page", [path.relative_to(ROOT).as_posix() for path in PAGES])
def test_a_table_has_a_head_and_no_gap(page: str) -> None:
    """A row after an empty line begins a table, whose second line is the rule."""
    unread = r"^```.*?^```$|<!--.*?-->"
    text = re.sub(unread, "", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    lines = ["", *text.splitlines(), ""]
    begun = [i for i, line in enumerate(lines) if line.startswith("|") and not lines[i - 1].startswith("|")]
    assert [lines[i] for i in begun if not re.fullmatch(r"\|[-:| ]+\|", lines[i + 1])] == []


def words(cell: str) -> set[str]:
    """What is in brackets aside."""
    return set(re.findall(r"\w+", re.sub(r"\(.*?\)", "", cell)))


def test_each_task_and_its_families_are_in_the_readme() -> None:
    told = {task: words(row[2]) for row in rows_with("task (") for task in re.findall(r"`(\w+)`", row[0])}
    learnt = {name: families.get(name).TASKS for name in families.names()}
    assert told == {task: {name for name in learnt if task in learnt[name]} for task in set().union(*learnt.values())}


def test_each_family_has_a_row() -> None:
    told = set().union(*(words(row[0]) for row in rows_with("family |")))
    assert told == set(families.names())


def rows_of_the_paper() -> Iterator[tuple[str, str, str]]:
    """(section, file, symbol) of the table whose head begins with ``| section``."""
    for section, file, symbols, *_ in rows_with("section"):
        yield from ((section, file.strip("`"), symbol) for symbol in re.findall(r"`([^`]+)`", symbols))


def defined_in(path: Path) -> set[str]:
    """The names that a module defines, and ``Class.method``."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)}
    return names


@pytest.mark.parametrize(("section", "file", "symbol"), list(rows_of_the_paper()))
def test_a_section_of_the_paper_is_where_the_readme_says(section: str, file: str, symbol: str) -> None:
    assert symbol in defined_in(PACKAGE / file), f"{section}: {symbol} is not in {file}"


def shell_lines() -> list[str]:
    """The command lines of the README, continued lines joined."""
    text = "".join(block for kind, block in BLOCKS if kind in {"sh", "bash", "console"}).replace("\\\n", " ")
    return [line.removeprefix("$ ").partition("  #")[0].strip() for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("line", [line for line in shell_lines() if re.search(r"\bregard\b", line)])
def test_a_command_of_the_readme_exists_with_its_options(line: str) -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for part in re.split(r"[|;&]+", line):
        words = shlex.split(part)
        if words[:1] != ["regard"] or words[1:] in (["--help"], ["--version"]):
            continue
        assert words[1] in commands
        known = {"--help", "--debug"} | {o for p in commands[words[1]].params for o in (*p.opts, *p.secondary_opts)}
        used = {word.partition("=")[0] for word in words[2:] if re.match(r"--?[a-z]", word)}
        assert used <= known


@pytest.mark.parametrize("line", [line for line in shell_lines() if line.startswith("make ")])
def test_a_make_target_of_the_readme_exists(line: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in shlex.split(line, comments=True)[1:]:
        assert "=" in target or re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_the_readme_has_a_row_for_every_command() -> None:
    told = re.findall(r"^\| `regard ([a-z]+)", README, re.MULTILINE)
    assert sorted(told) == sorted(get_command(app).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "path", re.findall(r"\]\((?!https?:|#)([^)#]+)", README) + re.findall(r"recipes/\S+\.toml", README)
)
def test_a_file_that_the_readme_points_to_exists(path: str) -> None:
    assert (ROOT / path).exists()
