"""``manifest.json`` of a finished run: the size and SHA-256 of the files that nobody edits by hand.

    {"format": 1, "files": {"model.safetensors": {"bytes": 10479128, "sha256": "…"}, …}}

A flipped bit in the weights still is a model, and one that translates; only a hash tells. A folder without a manifest
(a public checkpoint, a run from before there was one) is read as it is.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from regard.data.plain_file import JSON_BYTES, read_plain
from regard.errors import CheckpointError
from regard.runs.checkpoints.safetensors_file import json_object
from regard.storage import MANIFEST, write_file

FORMAT = 1  # of the folder: what the files are called and what they mean
SEALED = ("model.safetensors", "adapter.safetensors", "tokenizer.json", "target_tokenizer.json")


def write_manifest(folder: Path) -> None:
    """Write down what the files of ``folder`` are now."""
    files = {name: _facts(folder / name) for name in SEALED if (folder / name).is_file()}
    write_file(folder / MANIFEST, json.dumps({"format": FORMAT, "files": files}, indent=2) + "\n")


def forget_manifest(folder: Path) -> None:
    """To be done before a file changes, so that a crash leaves no manifest rather than a false one."""
    (folder / MANIFEST).unlink(missing_ok=True)


def declared(path: Path) -> dict[str, Any] | None:
    """What the manifest beside ``path`` says of that file, or None. Raises CheckpointError where it is damaged.

    Raises it also for the folder of a newer regard.
    """
    manifest = path.with_name(MANIFEST)
    if not manifest.exists():
        return None
    try:
        table = json_object(manifest, read_plain(manifest, JSON_BYTES))
    except OSError as error:
        got = error.strerror
        raise CheckpointError.because(manifest, got, "a file that can be read", "check its permissions") from error
    number, files = table.get("format"), table.get("files")
    if type(number) is int and number > FORMAT:
        expected = f"at most {FORMAT}, which this regard reads"
        raise CheckpointError.because(manifest, f"format {number}", expected, "install a newer regard")
    facts = files.get(path.name) if isinstance(files, dict) else {}
    if (
        type(number) is not int
        or number != FORMAT
        or not (facts is None or (isinstance(facts, dict) and facts.keys() == {"bytes", "sha256"}))
    ):
        expected = "format, and files with bytes and sha256 each"
        action = "restore the file, or delete it to read the folder unchecked"
        raise CheckpointError.because(manifest, "another table", expected, action)
    return facts


def check_file(path: Path) -> None:
    """Raises CheckpointError where ``path`` is not as the manifest beside it says."""
    if (facts := declared(path)) is not None:
        check_facts(path, facts, _facts(path))


def changed_files(folder: Path) -> list[str]:
    """The files of ``folder`` that are not as its manifest says, or are gone. Raises as ``declared``."""
    written = {name: declared(folder / name) for name in SEALED}
    there = {name: _facts(folder / name) if (folder / name).is_file() else None for name in SEALED}
    return [name for name, facts in written.items() if facts is not None and facts != there[name]]


def check_facts(path: Path, written: dict[str, Any], found: dict[str, Any]) -> None:
    """Raises CheckpointError where what was found of a file is not what was written."""
    if found != written:
        got = f"{found['bytes']:,} bytes with the SHA-256 {found['sha256'][:12]}…"
        expected = f"{written['bytes']} with {str(written['sha256'])[:12]}…, as {MANIFEST} says"
        action = f"use a whole copy; if the change is meant, delete {MANIFEST}"
        raise CheckpointError.because(path, got, expected, action)


def _facts(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
