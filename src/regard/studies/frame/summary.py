"""What studies of trained arms tell alike: a table of all outcomes, their numbers, their curves, and the settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from regard.evaluation.interval import Interval
from regard.looking.trends import Panel, exact, smoothed
from regard.studies.frame.arms import Outcome
from regard.studies.frame.pairs import SentencePairs
from regard.studies.frame.study import Order, Table
from regard.studies.frame.verdict import bleu_difference, over_seeds

Outcomes = Mapping[str, Sequence[Outcome]]
CURVE_POINTS = 120  # of a drawn curve of training


def text_over_seeds(values: Sequence[float], digits: int = 1) -> str:
    """``34.2 (33.0–35.4)``, or of one seed ``34.2``."""
    found = over_seeds(values)
    return f"{found.value:.{digits}f}" if len(values) == 1 else found.text(digits, 1.0)


def outcome_table(title: str, outcomes: Outcomes, references: Sequence[str]) -> Table:
    """A row each arm: parameters, seconds of training, perplexity, BLEU, and BLEU against the first arm."""
    first = next(iter(outcomes.values()))
    rows = []
    for name, group in outcomes.items():
        against_first = "" if group is first else bleu_difference(first, group, references).text("BLEU")
        rows.append(
            (
                name + told_broke(group),
                group[0].parameters,
                text_over_seeds([one.seconds for one in group], 0),
                text_over_seeds([perplexity(one) for one in group], 2),
                text_over_seeds([one.bleu for one in group]),
                against_first,
            )
        )
    headings = ("", "parameters", "seconds of training", "perplexity per token", "BLEU", "against the first")
    note = "Over several seeds: mean and 95 % t interval. BLEU: greedy translations of the test pairs, sacreBLEU 13a."
    return Table(title, headings, rows, note)


def told_broke(group: Sequence[Outcome]) -> str:
    """`` (training broke off: 1 of 3)`` behind an arm's name; nothing where it went on to its end."""
    broke = sum(one.broke is not None for one in group)
    return f" (training broke off: {broke} of {len(group)})" if broke else ""


def outcome_numbers(outcomes: Outcomes) -> dict[str, Any]:
    """Everything measured, for JSON: a list each arm, an entry each seed."""
    return {
        name: [
            {
                "seed": one.seed,
                "bleu": one.bleu,
                "nats_per_token": one.nats_per_token,
                "parameters": one.parameters,
                "seconds": round(one.seconds, 2),
                "broke": one.broke,
            }
            for one in group
        ]
        for name, group in outcomes.items()
    }


def curve_panel(outcomes: Outcomes, title: str = "", least: float | None = None) -> Panel:
    """The training loss of each arm's first seed, smoothed; plain, without label smoothing."""
    lines = {name: _thinned(group[0]) for name, group in outcomes.items() if group[0].curve}
    return Panel(lines, "update", "training loss, nats per token", title, limits=(least, None))


def _thinned(one: Outcome) -> list[tuple[float, Interval]]:
    values = smoothed([step.plain_loss for step in one.curve])
    every = max(1, len(values) // CURVE_POINTS)
    return [(step.number, exact(value)) for step, value in list(zip(one.curve, values, strict=True))[::every]]


def perplexity(one: Outcome) -> float:
    """Per token, on the test's references; infinite where that is beyond a float."""
    return math.inf if one.nats_per_token > 700 else math.exp(one.nats_per_token)


def told(order: Order, settings: Any, pairs: SentencePairs | None = None, **further: Any) -> dict[str, Any]:
    """The settings of a study as its page and its JSON show them: ``settings`` is the study's own dataclass."""
    data = {} if pairs is None else {"pairs": pairs.name, "training pairs": len(pairs.train)}
    seeds = {"quick": order.quick, "seeds": ", ".join(map(str, order.seeds))}
    return {key: _plain(value) for key, value in {**data, **seeds, **asdict(settings), **further}.items()}


def _plain(value: Any) -> Any:
    return _listed(value) if isinstance(value, Mapping | tuple | list) else value


def _listed(values: Mapping[str, Any] | Sequence[Any]) -> str:
    parts = values.items() if isinstance(values, Mapping) else (("", one) for one in values)
    return ", ".join(f"{key} {_part(one)}".strip() for key, one in parts)


def _part(value: Any) -> str:
    return f"({_listed(value)})" if isinstance(value, Mapping | tuple | list) else str(value)
