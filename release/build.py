"""A release in dist/: wheel and source archive, built twice to the same bytes, parts list, requirements with hashes.

Built is what is committed (HEAD), never what merely lies in the folder. Exit code 1 where two builds differ.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from dependencies import ROOT

DIST = ROOT / "dist"
REQUIREMENTS = "requirements.txt"
HEAD = """\
# What regard needs, exactly these versions and exactly these files:
#     pip install --require-hashes -r requirements.txt
#     pip install --no-deps regard-*.whl    (its hash is in SHA256SUMS)
# Written by `make release`; a file that was changed on its way here is refused by pip.
"""


def main() -> int:
    epoch = subprocess.check_output(["git", "log", "-1", "--format=%ct"], cwd=ROOT, text=True).strip()
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir()
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for name in ("first", "second, elsewhere"):
            tree = Path(folder) / name
            tree.mkdir()
            archive = subprocess.check_output(["git", "archive", "HEAD"], cwd=ROOT)
            subprocess.run(["tar", "-x"], cwd=tree, input=archive, check=True)
            found.append(build(tree, epoch))
        differing = differences(*found)
        if differing:
            print(f"{', '.join(differing)}: got two builds that differ; expected equal bytes.", file=sys.stderr)
            return 1
        for path in found[0]:
            shutil.copy(path, DIST)
    environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch}
    subprocess.run([sys.executable, str(ROOT / "release" / "sbom.py")], env=environment, check=True)
    (DIST / REQUIREMENTS).write_text(hashed_requirements(), encoding="utf-8")
    sums = "".join(f"{digest(path)}  {path.name}\n" for path in sorted(DIST.iterdir()))
    (DIST / "SHA256SUMS").write_text(sums, encoding="utf-8")
    print(sums, end="")
    return 0


def build(tree: Path, epoch: str) -> list[Path]:
    """Wheel and source archive of a tree, below it."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch, "PYTHONHASHSEED": "random"}
    out = tree / "built"
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(out)],
        cwd=tree,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return sorted(out.iterdir())


def differences(first: Iterable[Path], second: Iterable[Path]) -> list[str]:
    """The names of files that are not in both, or not the same."""
    digests = [{path.name: digest(path) for path in paths} for paths in (first, second)]
    return sorted(
        name for name in digests[0].keys() | digests[1].keys() if digests[0].get(name) != digests[1].get(name)
    )


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hashed_requirements() -> str:
    """The versions of constraints.txt for every system and Python, each with the hashes of all its files."""
    uv = Path(sys.executable).with_name("uv")
    command = [str(uv), "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes"]
    command += ["--no-header", "--no-annotate", "--constraints", "constraints.txt", "pyproject.toml"]
    text = HEAD + subprocess.check_output(command, cwd=ROOT, text=True)
    if lacking := without_hash(text):
        raise SystemExit(f"{', '.join(lacking)}: got no hash; expected one at least; ask another index.")
    return text


def without_hash(text: str) -> list[str]:
    """The requirements that name no hash, and lines that are no exact requirement at all."""
    whole = [line.strip() for line in text.replace("\\\n", " ").splitlines()]
    lines = [line for line in whole if line and not line.startswith("#")]
    return [
        line.partition(" ")[0]
        for line in lines
        if not re.fullmatch(r"[\w.-]+==[\w.]+(?: ;.*?)?(?: +--hash=sha256:[0-9a-f]{64})+", line)
    ]


if __name__ == "__main__":
    sys.exit(main())
