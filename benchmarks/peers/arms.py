"""Processes that are measured in turn: each has its own memory, the same threads on the same cores, and waits its turn.

The order of the arms is turned round every other time, so that what changes slowly on the machine strikes all alike.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
Record = dict[str, Any]


@dataclass(frozen=True)
class Arm:
    """What to run: a script of this folder in some environment. ``bound``: each OpenMP thread stays on its core.

    Threads that a library makes beside OpenMP's would all stay on the first core, so those are not bound.
    """

    name: str
    python: Path
    script: str
    arguments: tuple[str, ...]
    threads: int = 1
    bound: bool = True


@dataclass
class Measured:
    """What an arm found, its warm-up aside. ``start`` are seconds from nothing to the end of the first work."""

    arm: Arm
    name: str
    start: float
    records: list[Record] = field(default_factory=list)
    peak_mib: float = 0.0


def in_turn(arms: Sequence[Arm], counts: Sequence[int]) -> list[Measured]:
    """Start the arms, and give each of them each count of work in turn. One that fails is reported and left out."""
    with ExitStack() as stack:
        running = [one for arm in arms if (one := stack.enter_context(started(arm)))]
        for number, count in enumerate(counts):
            for process, measured in running[:: 1 if number % 2 == 0 else -1]:
                answer = ask(process, count)
                measured.records += answer["records"]
                measured.peak_mib = answer["peak_mib"]
    return [measured for _, measured in running]


@contextmanager
def started(arm: Arm) -> Iterator[tuple[subprocess.Popen[str], Measured] | None]:
    """A process that has warmed up; None where it does not get so far."""
    command = [str(arm.python), str(FOLDER / arm.script), *arm.arguments]
    with tempfile.TemporaryFile("w+") as complaints:
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            env=environment(arm.threads, arm.bound),
        )
        try:
            name = hear(process)["ready"]
            yield process, Measured(arm, name, time.perf_counter() - began)
        except EOFError:
            complaints.seek(0)
            last = complaints.read().strip().splitlines()[-1:] or ["it said nothing"]
            print(f"left out: {arm.name}: {last[0]}", file=sys.stderr)
            yield None
        finally:
            process.stdin.close()
            process.wait()


def ask(process: subprocess.Popen[str], count: int) -> Record:
    process.stdin.write(f"{count}\n")
    process.stdin.flush()
    return hear(process)


def hear(process: subprocess.Popen[str]) -> Record:
    line = process.stdout.readline()
    if not line:
        raise EOFError
    return json.loads(line)


def environment(threads: int, bound: bool) -> Mapping[str, str]:
    """Of a process with so many OpenMP threads, on the first cores that we may use."""
    pinned = {"OMP_PROC_BIND", "GOMP_CPU_AFFINITY"}
    own = {name: value for name, value in os.environ.items() if name not in pinned}
    own |= {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"}
    cores = cores_here()[:threads]
    if bound and cores:
        own |= {"OMP_PROC_BIND": "true", "GOMP_CPU_AFFINITY": " ".join(map(str, cores))}
    return own


def cores_here() -> list[int]:
    """The numbers of the cores that we may use, where the system tells."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
