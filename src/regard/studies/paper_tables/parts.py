"""What section 6.2 of Vaswani et al. 2017 reads off Table 3, part by part, and whether it is so here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from regard.studies.frame.study import Table
from regard.studies.frame.summary import Outcomes
from regard.studies.frame.verdict import Difference, loss_contrast, loss_difference
from regard.studies.paper_tables.table3 import BASE, ROWS

LOSS = {row.name: math.log(row.perplexity / BASE.perplexity) for row in ROWS}  # the paper's, minus that of base
NEARLY = LOSS["A: h 32"]  # 0.018 nats: the least that section 6.2 calls a loss

VERDICTS = {True: "holds", False: "contradicted", None: "undecided"}


@dataclass(frozen=True)
class Part:
    """``worse`` and ``better`` than the base model are these rows in the paper; ``alike`` is one that is as good."""

    says: str
    worse: tuple[str, ...] = field(default=())
    better: tuple[str, ...] = field(default=())
    alike: tuple[str, ...] = field(default=())

    @property
    def signs(self) -> Mapping[str, int]:
        """The way of each row by the paper: +1 where its loss is larger than that of base, −1 where smaller."""
        return dict.fromkeys(self.worse, 1) | dict.fromkeys(self.better, -1) | dict.fromkeys(self.alike, 1)


PARTS = (
    Part("too few heads hurt", worse=("A: h 1",)),
    Part("too many heads hurt", worse=("A: h 32",)),
    Part("smaller keys hurt", worse=("B: d_k 16", "B: d_k 32")),
    Part(
        "bigger models are better",
        worse=("C: N 2", "C: N 4", "C: d_model 256", "C: d_ff 1024"),
        better=("C: N 8", "C: d_model 1024", "C: d_ff 4096"),
    ),
    Part("dropout helps", worse=("D: dropout 0.0",)),
    Part("learned positions do nearly the same", alike=("E: learned positions",)),
)


@dataclass(frozen=True)
class Judged:
    """A part here. ``moved``: by how much its rows move the loss the paper's way, in nats per token, their mean."""

    part: Part
    moved: Difference
    held: bool | None

    @property
    def theirs(self) -> float:
        """The same in the paper, of the perplexities that it prints."""
        return float(np.mean([sign * LOSS[name] for name, sign in self.part.signs.items()]))


def judged(part: Part, outcomes: Outcomes) -> Judged:
    """Rows together, as one comparison: their mean, each with its sign, against the base model."""
    base, count = outcomes[BASE.name], len(part.signs)
    signs = part.signs.items()
    terms = [(sign / count, outcomes[name]) for name, sign in signs]
    moved = loss_contrast([(-sum(sign for _, sign in signs) / count, base), *terms])
    if part.alike:
        return Judged(part, moved, alike(moved))
    rows = [sign * loss_difference(base, outcomes[name]).direction for name, sign in signs]
    return Judged(part, moved, together(moved.direction, rows))


def together(mean: int, rows: Sequence[int]) -> bool | None:
    """Of directions, +1 surely the paper's, −1 surely the other, 0 neither: of the rows' mean, and of each row.

    Held where the mean is surely the paper's and no row surely the other; not held where all of this is the reverse.
    That each of several rows may seem sure by chance can only leave a part open, never decide it.
    """
    if mean == 0 or -mean in rows:
        return None
    return mean > 0


def alike(difference: Difference) -> bool | None:
    """Held where the whole 95 % interval is within ± NEARLY, not held where it is wholly without."""
    low, high = difference.low, difference.high
    if low is None or high is None:
        return None
    if low > -NEARLY and high < NEARLY:
        return True
    return False if low > NEARLY or high < -NEARLY else None


def overall(parts: Sequence[bool | None]) -> bool | None:
    """Held: no part is contradicted, and most hold. Not held: more are contradicted than hold."""
    hold, contradicted = parts.count(True), parts.count(False)
    if contradicted > hold:
        return False
    return True if contradicted == 0 and 2 * hold > len(parts) else None


def sentence_of(parts: Sequence[Judged]) -> str:
    """Which of them hold here, and which do not."""

    def those(held: bool | None) -> str:
        return ", ".join(one.part.says for one in parts if one.held is held)

    hold = sum(one.held is True for one in parts)
    return (
        f"Parts of the claim that hold here: {hold} of {len(parts)} ({those(True) or 'none'}); contradicted: "
        f"{those(False) or 'none'}; undecided: {those(None) or 'none'}."
    )


def table_of(parts: Sequence[Judged]) -> Table:
    """What each part of the claim says, what it rests on, and what came out."""
    rows = [
        (
            one.part.says,
            ", ".join(one.part.signs),
            f"{one.theirs:+z.3f}",
            one.moved.text("nats", 3),
            VERDICTS[one.held],
        )
        for one in parts
    ]
    headings = ("", "rows", "paper, nats", "here", "verdict here")
    note = (
        "By how much the rows move the loss away from that of base, their mean: positive where it is the paper's way."
    )
    return Table("Part by part", headings, rows, note)
