"""Whether the two sides of a corpus are in step, as far as it can be told before anything is learnt from them.

Of a large corpus only blocks of lines are looked at: what has run out of step stays so until the next fault.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from regard.data.divergence import FEWEST, Run, find_runs
from regard.data.faults import describe
from regard.data.line_facts import Facts, SideReader
from regard.data.relation import Relation

ALL_OF = 100_000  # lines from the beginning that are looked at one by one
BLOCK, EVERY = 1_000, 10_000  # and then so many of so many
PLACES = 3  # that are named


class InStep:
    """Looks at pairs on their way from the files to whoever cleans them; ``note`` says what it saw."""

    def __init__(self) -> None:
        self._readers = SideReader(letters=False), SideReader(letters=False)
        self._lines = array("Q")  # of each row that was looked at, from 1
        self._relation = Relation()

    def watch(self, pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
        """The same pairs."""
        for line, pair in enumerate(pairs, start=1):
            if line <= ALL_OF or line % EVERY < BLOCK:
                self._look(line, *pair)
            yield pair

    def _look(self, line: int, source: str, target: str) -> None:
        self._lines.append(line)
        self._readers[0].add(source)
        self._readers[1].add(target)
        self._relation.add(source, target)

    def note(self, source: object, target: object) -> str | None:
        """A warning where lines are probably out of step, with the first of them; None where all seems well.

        Lines that fit nowhere near are out of step only where their words have nothing to do with each other either:
        a summary or an answer may be of any length.
        """
        runs = [run for run in find_runs(*self._facts()) if run.shift is not None or self._unrelated(run)]
        if not runs:
            return None
        lines = np.asarray(self._lines)
        there = [Run(int(lines[run.first - 1]), int(lines[run.last - 1]), run.shift) for run in runs]
        share = sum(run.last - run.first + 1 for run in there) / int(lines[-1])
        more = f", and {len(there) - 1} more such stretches" if len(there) > 1 else ""
        return (
            f"Warning: {share:.0%} of the lines of {source} and {target} seem out of step: {describe(there[0])}{more}. "
            f"Nothing can be learnt from them; `regard inspect --source {source} --target {target}` shows more."
        )

    def _facts(self) -> tuple[Facts, Facts]:
        return self._readers[0].facts(), self._readers[1].facts()

    def _unrelated(self, run: Run) -> bool:
        return run.last - run.first + 1 >= FEWEST and not self._relation.holds(run.first - 1, run.last)


def places_out_of_step(sources: Iterable[str], targets: Iterable[str]) -> str:
    """For an error: the first lines of the source where two files of different lengths probably part, if any."""
    readers = SideReader(letters=False), SideReader(letters=False)
    for reader, lines in zip(readers, (sources, targets), strict=True):
        for line in islice(lines, ALL_OF):
            reader.add(line)
    runs = find_runs(readers[0].facts(), readers[1].facts())
    near = [str(run.first) for run in runs[:PLACES]]
    return f", near line {' or '.join(near)} of the first" if near else ""
