"""Known vulnerabilities of all that is installed with regard, asked of the package index by pip-audit.

Exit codes: 0 every package was answered for and none is vulnerable; 1 one is; 3 for some there was no answer, so that
nothing is known of them. An index that keeps no such records answers for none.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dependencies import ROOT, pins, runtime

FINE, VULNERABLE, NO_ANSWER = 0, 1, 3
PATIENCE = 600.0  # seconds


@dataclass(frozen=True)
class Report:
    """What was answered: lines about vulnerabilities, and packages with the reason why nothing is known of them."""

    packages: int
    vulnerable: tuple[str, ...]
    unanswered: Mapping[str, str]

    @property
    def exit_code(self) -> int:
        return VULNERABLE if self.vulnerable else NO_ANSWER if self.unanswered else FINE


def main() -> int:
    wanted = [f"{one.name}=={one.version}" for one in runtime()]
    report = read(ask(wanted), wanted)
    for line in report.vulnerable:
        print(f"VULNERABLE  {line}")
    if report.unanswered:
        reason = next(iter(report.unanswered.values()))
        got = f"no answer for {len(report.unanswered)} of {report.packages} packages ({reason})"
        expected = "an index that keeps records of vulnerabilities"
        action = "run make audit where one can be reached"
        print(f"NOT AUDITED: got {got}; expected {expected}; {action}.", file=sys.stderr)
    if report.exit_code == FINE:
        print(f"{report.packages} packages, no known vulnerability")
    return report.exit_code


def ask(wanted: Sequence[str]) -> str:
    """What pip-audit writes, as JSON; "" with its complaint on standard error where it could not ask at all."""
    uv = Path(sys.executable).with_name("uv")
    command = [str(uv), "tool", "run", "--quiet", "--constraints", str(ROOT / "constraints.txt")]
    command += ["--from", f"pip-audit=={pins()['pip-audit']}", "pip-audit", "--progress-spinner", "off"]
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "requirements.txt"
        listed.write_text("".join(f"{one}\n" for one in wanted), encoding="utf-8")
        command += ["--requirement", str(listed), "--no-deps", "--disable-pip", "--format", "json"]
        try:
            run = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=PATIENCE)
        except (OSError, subprocess.TimeoutExpired) as error:
            print(f"pip-audit: {error}", file=sys.stderr)
            return ""
    if not run.stdout:
        print(f"pip-audit: {(run.stderr.strip().splitlines() or ['no output'])[-1]}", file=sys.stderr)
    return run.stdout


def read(answer: str, wanted: Sequence[str]) -> Report:
    """What pip-audit's JSON says of the packages that were asked for. A package that it does not name is unanswered."""
    try:
        told = json.loads(answer)["dependencies"]
    except (ValueError, KeyError, TypeError):
        told = []
    by_name: dict[str, Any] = {str(one["name"]).lower(): one for one in told}
    vulnerable, unanswered = [], {}
    for one in wanted:
        name, _, version = one.partition("==")
        found = by_name.get(name.lower(), {"skip_reason": "no answer"})
        if "vulns" not in found or found.get("version") != version:
            unanswered[one] = str(found.get("skip_reason", f"an answer for {found.get('version')}"))
            continue
        for flaw in found["vulns"]:
            mended = ", ".join(flaw.get("fix_versions") or []) or "none yet"
            vulnerable.append(f"{one}  {flaw['id']}  mended in: {mended}")
    return Report(len(wanted), tuple(vulnerable), unanswered)


if __name__ == "__main__":
    sys.exit(main())
