"""Table 3: every variation of the base model, at a size that a laptop trains; do the same changes help and hurt?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import torch
from scipy.stats import kendalltau

from regard.config import setting
from regard.looking.directions import Movement, movements
from regard.models.vocabulary import joint_vocabulary
from regard.studies.frame.arms import Arm, Outcome, of_family, try_arms
from regard.studies.frame.pairs import pairs_of
from regard.studies.frame.plan import plan_of
from regard.studies.frame.study import Findings, Order, Picture, Study, Table
from regard.studies.frame.summary import Outcomes, outcome_numbers, perplexity, text_over_seeds, told, told_broke
from regard.studies.frame.verdict import Difference, loss_difference
from regard.studies.paper_tables.parts import NEARLY, PARTS, judged, overall, sentence_of, table_of
from regard.studies.paper_tables.table3 import BASE, ROWS, Row

PAPER_VOCABULARY = 37_000  # "about 37000 tokens" (section 5.1); the printed sizes fit no single vocabulary


@dataclass(frozen=True)
class TableThree:
    """The base model at this size; each row changes it by the factors that it changes the paper's by."""

    layers: int = setting(3, help="N; the paper's 6", minimum=1)
    d_model: int = setting(128, help="the paper's 512", minimum=8)
    d_ff: int = setting(512, help="the paper's 2048", minimum=1)
    heads: int = setting(8, help="h, as in the paper", minimum=1)
    smoothing: float = setting(0.1, help="ε of label smoothing, where a row has no other", minimum=0.0)
    steps: int = setting(3000, help="updates of each model", minimum=1)
    batch_tokens: int = setting(2048, help="padded tokens a batch", minimum=1)
    learning_rate: float = setting(1e-3, help="peak of the learning rate", minimum=0.0)
    warmup: int = setting(400, help="updates of linear rise", minimum=1)
    rows: tuple[str, ...] = field(default=tuple(row.name for row in ROWS))


FULL = TableThree()
QUICK = replace(FULL, layers=3, d_model=64, d_ff=128, steps=120, batch_tokens=512, learning_rate=2e-3, warmup=40)


def run(order: Order) -> Findings:
    """Do the study. Raises DataError for a corpus that is too small."""
    settings = QUICK if order.quick else FULL
    pairs = pairs_of(order)
    rows = [row for row in ROWS if row.name in settings.rows]
    outcomes = try_arms([_arm(settings, row) for row in (BASE, *rows)], pairs, order.seeds, order.watch)
    differences = {row.name: loss_difference(outcomes[BASE.name], outcomes[row.name]) for row in rows}
    parts = [judged(part, outcomes) for part in PARTS if set(part.signs) <= outcomes.keys()]
    shown = [
        Movement(row.name, row.perplexity / BASE.perplexity, _factor(outcomes, row), differences[row.name].sure)
        for row in rows
    ]
    caption = (
        "Perplexity of each variation over that of the base model: the paper's beside ours. Left of the line: better "
        "than base. Filled: our difference is sure (95 %)."
    )
    return Findings(
        sentence_of(parts),
        {
            "parts": {one.part.says: {"held": one.held, "nats": one.moved.value, "paper": one.theirs} for one in parts},
            "order of the rows": _agreement(rows, differences),
            "arms": outcome_numbers(outcomes),
        },
        [table_of(parts), _table((BASE, *rows), outcomes, differences), _sizes((BASE, *rows))],
        [Picture("table3", movements(shown, "perplexity, times that of the base model", "Table 3"), caption)],
        told(order, settings, pairs),
        _NOTES,
        overall([one.held for one in parts]),
    )


def config_of(settings: TableThree, row: Row) -> dict[str, Any]:
    """The row's change, carried over to this size: every width and depth by the factor that the paper changes it by."""
    base: dict[str, Any] = {
        "layers": settings.layers,
        "d_model": settings.d_model,
        "d_ff": settings.d_ff,
        "heads": settings.heads,
        "dropout": 0.1,
    }
    for name, value in row.model.items():
        if name in ("layers", "d_model", "d_ff", "heads"):
            base[name] = max(1, round(base[name] * value / BASE.model[name]))
        elif name not in ("d_k", "d_v"):
            base[name] = value
    if "d_k" in row.model and "d_model" not in row.model and "heads" not in row.model:  # row B: d_k alone
        base["d_v"] = base["d_model"] // base["heads"]
        base["d_k"] = max(1, base["d_v"] * row.model["d_k"] // BASE.model["d_k"])
    return base


def _agreement(rows: Sequence[Row], differences: Mapping[str, Difference]) -> dict[str, float | None]:
    """Kendall's τ between the orders of all rows by loss, the paper's and ours; None where all are alike."""
    ours = [differences[row.name].value for row in rows]
    found = [float(number) for number in kendalltau([row.perplexity for row in rows], ours)]
    return dict(zip(("tau", "p_value"), (one if math.isfinite(one) else None for one in found), strict=True))


def _arm(settings: TableThree, row: Row) -> Arm:
    smoothing = settings.smoothing if row.smoothing is None else row.smoothing
    plan = replace(plan_of(settings, smoothing), warmup=settings.warmup, schedule="paper")
    return Arm(row.name, of_family("transformer", config_of(settings, row)), plan)


@cache
def full_size(row: Row) -> int:
    """The parameters of the row's model at the paper's size, counted on tensors that take no memory."""
    config = of_family("transformer", {**BASE.model, "d_v": None, **row.model})
    with torch.device("meta"):
        model = config(joint_vocabulary(PAPER_VOCABULARY))
    return sum(weight.numel() for weight in model.parameters())


def _factor(outcomes: Outcomes, row: Row) -> float:
    base, own = (sum(map(perplexity, outcomes[name])) for name in (BASE.name, row.name))
    return own / base


def _table(rows: Sequence[Row], outcomes: Outcomes, differences: Mapping[str, Difference]) -> Table:
    def cells(row: Row, group: Sequence[Outcome]) -> tuple[Any, ...]:
        ours = text_over_seeds([perplexity(one) for one in group], 2), text_over_seeds([one.bleu for one in group])
        change = differences[row.name].text("nats", 3) if row.name in differences else ""
        return (row.name + told_broke(group), group[0].parameters, row.perplexity, ours[0], change, row.bleu, ours[1])

    headings = ("", "parameters", "PPL, paper", "PPL", "against base", "BLEU, paper", "BLEU")
    note = "Paper: newstest2013, per word piece. Here: the test pairs, per token; BLEU of greedy translations."
    return Table("Each row at this size", headings, [cells(row, outcomes[row.name]) for row in rows], note)


def _sizes(rows: Sequence[Row]) -> Table:
    note = (
        f"Counted with {PAPER_VOCABULARY:,} joint pieces. The paper's figures are rounded, and fit no single "
        "vocabulary: base and rows A–E imply about 41,000 pieces, big 35,300–36,300."
    )
    table = [(row.name, full_size(row), row.millions) for row in rows]
    return Table("Parameters at the paper's size", ("", "counted", "millions, paper"), table, note)


_NOTES = (
    "The rule: the rows of a part are compared with the base model together, by their mean, each counted the way that "
    "the paper has it. The part holds where this mean is surely the paper's way and no row of it surely the other; it "
    "is contradicted where all of this is the reverse. So of a part in which nothing differs, one in twenty would "
    f"seem to. Learned positions do nearly the same where the whole interval is within ± {NEARLY:.3f} nats, what the "
    "paper's 32 heads lose, the least that it calls a loss.",
    "The claim holds where no part is contradicted and most hold, and does not where more are contradicted than hold. "
    "The rows of label smoothing, dropout 0.2, 4 and 16 heads, and “big” are in no sentence of section 6.2: they are "
    "shown and not judged.",
    "The base model is the paper's made small, with its post-norm, its warm-up and its inverse square root; a change "
    "that needs 100,000 updates to pay, or a large corpus, cannot show its worth here.",
    "Row A keeps d_model; row B changes d_k alone. “big” is not trained longer than the others here.",
)

STUDY = Study(
    "table3",
    "Table 3, row by row",
    "Do the paper's variations of the base model help and hurt here as they did there?",
    run,
    takes=("source", "target"),
    claim="Too few and too many heads hurt, reducing the attention key size hurts, bigger models are better, dropout "
    "helps, and learned positions do nearly the same as sinusoids. (Vaswani et al. 2017, section 6.2 and Table 3)",
)
