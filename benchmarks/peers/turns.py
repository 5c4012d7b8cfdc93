"""What a measured process and the one that measures it say to each other, in lines of JSON.

The process works once to warm up and says so. Each line that it then reads is a number of steps, or of sentences; it
does them and answers with what each took and with its peak memory. At the end of its input it ends. What the libraries
themselves print goes to the standard error. This file runs in the peers' environments: it knows nothing of regard.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Record = dict[str, Any]


class Turns:
    """The process's side of the conversation. Make it before anything can print."""

    def __init__(self) -> None:
        self._answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def serve(self, name: str, work: Callable[[int], Iterable[Record]], warm_up: int) -> None:
        """Answer until nobody asks any more."""
        list(work(warm_up))
        self._say({"ready": name})
        for line in sys.stdin:
            self._say({"records": list(work(int(line))), "peak_mib": peak_mib()})

    def _say(self, answer: Record) -> None:
        self._answers.write(json.dumps(answer) + "\n")
        self._answers.flush()


def peak_mib() -> float:
    """The most memory that this process has had so far.

    Linux's ru_maxrss is no less than what the parent had when it started this process, so it is asked for last.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (2**20 if sys.platform == "darwin" else 1024)
