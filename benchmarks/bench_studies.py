"""Every study in its quick form: how long it takes, and whether the claim held.

    python benchmarks/bench_studies.py [--out DIR] [--only NAME ...] [--threads 1]

Each one runs as the command `regard study NAME --quick`. Its page stays in DIR/NAME (without --out, in a folder that is
removed at the end).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from regard import studies

LIMIT = 300.0  # seconds that a quick form may take on two cores
VERDICTS = {True: "held", False: "did not hold", None: "undecided"}


def main() -> None:
    options = parse()
    if options.out:
        bench(options, options.out)
    else:
        with tempfile.TemporaryDirectory() as folder:
            bench(options, Path(folder))


def bench(options: argparse.Namespace, out: Path) -> None:
    table = Table("study", "seconds", "claim", "found", title="Studies, quick form", title_justify="left")
    slow = []
    for name in options.only or studies.names():
        seconds, findings = timed(name, out, options.threads)
        table.add_row(name, f"{seconds:.0f}", VERDICTS[findings["held"]], findings["sentence"])
        print(f"{name}: {seconds:.0f} s, {VERDICTS[findings['held']]}", flush=True)
        if seconds > LIMIT:
            slow.append(name)
    Console(width=160).print(table)
    if slow:
        print(f"longer than {LIMIT:.0f} s on this machine: {', '.join(slow)}")


def timed(name: str, out: Path, threads: int) -> tuple[float, dict]:
    """Run one study; its findings, and the time with the start of the program."""
    command = [sys.executable, "-m", "regard", "study", name, "--quick", "--overwrite", "--out", str(out / name)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)} if threads else dict(os.environ)
    began = time.perf_counter()
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began, json.loads((out / name / "findings.json").read_text(encoding="utf-8"))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", nargs="+", choices=studies.names(), default=[])
    parser.add_argument("--threads", type=int, default=0, help="processor threads of each study; 0: all")
    return parser.parse_args()


if __name__ == "__main__":
    main()
