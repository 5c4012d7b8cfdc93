"""``regard doctor``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer


def doctor(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where runs are to be written.", show_default="here")
    ] = Path("."),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """What this machine has, what is wrong with it, and whether it computes what it should.

    A few seconds; half a minute more where the C++ of the package has not been compiled yet. Nothing is left behind in
    FOLDER. The exit code is 1 where a self-test fails, which no warning does.

    Examples:
    - `regard doctor`

    - `regard doctor ../other-disk/runs` (are checkpoints safe on that disk?)

    - `regard doctor --json > doctor.json` (to send with a report of a fault)
    """
    found = _examine(folder)
    findings = [finding for part in found.values() for finding in part]
    if as_json:
        described = {name: [finding.to_dict() for finding in part] for name, part in found.items()}
        print(json.dumps({"healthy": not any(one.failed for one in findings), "parts": described}, ensure_ascii=False))
    else:
        _print(found)
    if any(finding.failed for finding in findings):
        raise typer.Exit(1)


def _examine(folder: Path) -> dict[str, list[Any]]:
    from regard.cli.console import counting
    from regard.runs.doctor.examination import parts

    checks = parts(folder)
    found: dict[str, list[Any]] = {}
    with counting("looking", sum(map(len, checks.values()))) as done:
        number = 0
        for part, of_part in checks.items():
            found[part] = []
            for check in of_part:
                found[part].extend(check.findings())
                number += 1
                done(number)
    return found


def _print(found: dict[str, list[Any]]) -> None:
    from regard.cli.console import print_table

    signs = {"fine": "", "warning": "!", "failure": "WRONG"}
    for part, findings in found.items():
        print_table(part, ("", "", ""), [(one.name, one.value, signs[one.state]) for one in findings])
        print()
    troubles = [one for part in found.values() for one in part if one.state != "fine"]
    print("What to do:" if troubles else "All is well.")
    for one in troubles:
        print(f"- {one.sentence()}")
