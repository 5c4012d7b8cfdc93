"""Table 1: the time and memory of one layer of each kind, against the length n and the width d of what it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch

from regard.config import setting
from regard.evaluation.interval import Interval
from regard.studies.frame.study import Findings, Order, Study
from regard.studies.frame.summary import told
from regard.studies.frame.threads import one_thread
from regard.studies.layer_costs.exponents import crossing
from regard.studies.layer_costs.measured import Measured
from regard.studies.layer_costs.measures import call_of, peak_bytes, seconds
from regard.studies.layer_costs.rows import RECURRENT, SELF_ATTENTION, TABLE_1, Row, rows
from regard.studies.layer_costs.shown import (
    beside_picture,
    exponent_table,
    memory_picture,
    milliseconds_table,
    path_table,
    time_picture,
)

TOLERANCE = 0.35  # between a fitted exponent and the theory's; n² and n, or d² and d, stay apart


@dataclass(frozen=True)
class Cost:
    """What is measured. Exponents are fitted to the last ``fitted`` sizes: beyond the cost of calling anything."""

    lengths: tuple[int, ...] = setting((32, 64, 128, 256, 512, 1024, 2048, 4096), help="n, at d = at_width")
    widths: tuple[int, ...] = setting((64, 128, 256, 512, 1024, 2048), help="d, at n = at_length")
    at_width: int = setting(64, help="d where n varies", minimum=1)
    at_length: int = setting(64, help="n where d varies", minimum=1)
    fitted: int = setting(3, help="of the largest sizes, those that exponents are fitted to", minimum=2)
    rows: int = setting(8, help="sequences a batch", minimum=1)
    width: int = setting(3, help="k of the convolution", minimum=1)
    reach: int = setting(16, help="r, positions to either side", minimum=1)
    heads: int = setting(8, help="of the multi-head layer", minimum=1)
    sweeps: int = setting(15, help="times that everything is measured", minimum=2)
    backward: bool = setting(True, help="with the gradient, as in training")


FULL = Cost()
QUICK = replace(FULL, lengths=FULL.lengths[:-1], widths=FULL.widths[:-1], sweeps=9, backward=False)


def run(order: Order) -> Findings:
    """Do the study, on one thread."""
    settings = QUICK if order.quick else FULL
    table = rows(settings.width, settings.reach, settings.heads)
    torch.manual_seed(order.seed)
    with one_thread():
        by_n = _measure(settings, table, "n", [(n, settings.at_width) for n in settings.lengths], order)
        by_d = _measure(settings, table, "d", [(settings.at_length, d) for d in settings.widths], order)
    won = attention_faster_than_recurrence((by_n, by_d))
    limit = crossing(by_n.sizes, by_n.medians(SELF_ATTENTION), by_n.medians(RECURRENT))
    held = verdict([fit for name in TABLE_1 for fit in _fits(table[name], name, by_n, by_d)], won)
    return Findings(
        _sentence(settings, table, by_n, by_d, won, limit),
        _numbers(by_n, by_d, won, limit),
        [exponent_table(table, by_n, by_d, TOLERANCE), milliseconds_table(by_n, by_d), path_table(table)],
        [time_picture(by_n, by_d), beside_picture(by_n, by_d), memory_picture(by_n, by_d)],
        told(order, settings, seeds=order.seed, dtype="float32"),
        _NOTES,
        held,
    )


def _measure(
    settings: Cost, table: Mapping[str, Row], axis: str, shapes: Sequence[tuple[int, int]], order: Order
) -> Measured:
    calls = {}
    for n, d in shapes:
        x = torch.randn(settings.rows, n, d)
        for name, row in table.items():
            calls[name, (n, d)] = call_of(row.build(n, d), x, settings.backward)
    order.watch.begin("longer sequences" if axis == "n" else "wider layers", settings.sweeps)
    times = seconds(calls, settings.sweeps, order.watch.done)
    return Measured(
        axis,
        shapes,
        settings.fitted,
        {name: np.array([times[name, shape] for shape in shapes]).T for name in table},
        {name: [peak_bytes(calls[name, shape]) for shape in shapes] for name in table},
    )


def verdict(fits: Sequence[tuple[Interval, float]], won: bool | None) -> bool | None:
    """True: every exponent's interval is within TOLERANCE of the theory's, and attention won wherever n < d.

    False: some interval is wholly outside, or recurrence was surely faster somewhere. None: an interval is on the edge.
    """
    outside = any(fit.low > theory + TOLERANCE or fit.high < theory - TOLERANCE for fit, theory in fits)
    inside = all(theory - TOLERANCE <= fit.low and fit.high <= theory + TOLERANCE for fit, theory in fits)
    return False if outside or won is False else True if inside and won else None


def attention_faster_than_recurrence(both: Sequence[Measured]) -> bool | None:
    """Wherever n < d was measured: True if surely at all of these, False if surely not at one."""
    signs = []
    for measured in both:
        lines = zip(measured.shapes, measured.line(SELF_ATTENTION), measured.line(RECURRENT), strict=True)
        for (n, d), (_, ours), (_, theirs) in lines:
            if n < d:
                signs.append(int(ours.high < theirs.low) - int(ours.low > theirs.high))
    return False if -1 in signs else True if signs and all(signs) else None


def _fits(row: Row, name: str, by_n: Measured, by_d: Measured) -> list[tuple[Interval, float]]:
    assert row.n is not None, "a row of Table 1 has exponents"
    assert row.d is not None, "a row of Table 1 has exponents"
    return [(by_n.exponent(name), row.n), (by_d.exponent(name), row.d)]


_WON = {True: "is faster than recurrence", False: "is not always faster than recurrence", None: "may be no faster"}
_NOTES = (
    "Time is processor time of one thread; the paper counts operations. What does not grow with n or d (calling a "
    "product, the recurrence's loop) is much of the time at small sizes, and caches make large matrices dearer.",
    "Self-attention is equation 1 alone, of one head as wide as the layer, without projections, as Table 1 counts it; "
    "the multi-head layer has the four projections, O(n·d²), as well, and so two terms and no one exponent.",
    "Self-attention is fused: its n² weights are never in memory together. Where they are made (to be looked at, or by "
    "plain products), memory grows with n². A mask hides what lies further than r but still computes it.",
    "On a processor with many parallel units the n sequential steps of recurrence cost more than here.",
    "Memory: tensors alive at once, without the layer's input and weights and without scratch space within operations.",
)


def _sentence(
    settings: Cost,
    table: Mapping[str, Row],
    by_n: Measured,
    by_d: Measured,
    won: bool | None,
    limit: float | None,
) -> str:
    found = "; ".join(
        f"{name} n^{by_n.exponent(name).value:.2f} d^{by_d.exponent(name).value:.2f} ({table[name].told})"
        for name in TABLE_1
    )
    slower = sum(np.greater(by_n.medians(SELF_ATTENTION), by_n.medians(RECURRENT)))
    counted = f"was the slower at {slower or 'none'} of the {len(by_n.sizes)} lengths measured"
    where = counted if limit is None else f"is the slower from n ≈ {limit:.0f} on"
    return f"Time grows as: {found}. Where n < d, self-attention {_WON[won]}; at d = {settings.at_width} it {where}."


def _numbers(by_n: Measured, by_d: Measured, won: bool | None, limit: float | None) -> dict[str, object]:
    return {
        **{
            axis: {
                name: {
                    "sizes": list(measured.sizes),
                    "seconds": measured.medians(name),
                    "bytes": list(measured.memory[name]),
                    "exponent": asdict(measured.exponent(name)),
                    "memory_exponent": measured.memory_exponent(name),
                }
                for name in measured.times
            }
            for axis, measured in (("n", by_n), ("d", by_d))
        },
        "faster_where_n_below_d": won,
        "crossing_n": limit,
    }


STUDY = Study(
    "cost",
    "What a layer costs",
    "Do time and memory of the four kinds of layer grow with length and width as Table 1 says?",
    run,
    claim='"In terms of computational complexity, self-attention layers are faster than recurrent layers when the '
    'sequence length n is smaller than the representation dimensionality d." (Vaswani et al. 2017, section 4; Table 1)',
)
