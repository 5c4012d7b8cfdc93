"""The costs of layers as tables and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from regard.looking.powers import Growth, powers
from regard.studies.frame.study import Picture, Table
from regard.studies.layer_costs.measured import Measured
from regard.studies.layer_costs.paths import depth, layers_to_join
from regard.studies.layer_costs.rows import (
    CONVOLUTIONAL,
    MASKED,
    MULTI_HEAD,
    RECURRENT,
    SELF_ATTENTION,
    TABLE_1,
    WEIGHTS_MADE,
    WITHIN,
    Row,
)

BESIDE = (SELF_ATTENTION, WEIGHTS_MADE, MASKED, WITHIN, MULTI_HEAD)
REMEMBERED = (SELF_ATTENTION, WEIGHTS_MADE, RECURRENT, CONVOLUTIONAL, WITHIN, MASKED)
JOINED = 65  # positions of which the last is to know of the first


def exponent_table(table: Mapping[str, Row], by_n: Measured, by_d: Measured, tolerance: float) -> Table:
    """The fitted exponents of every row beside the theory's."""
    rows = [
        (
            name,
            row.told,
            by_n.exponent(name).text(2, 1.0),
            by_d.exponent(name).text(2, 1.0),
            f"n^{row.memory[0]} d^{row.memory[1]}",
            f"n^{by_n.memory_exponent(name):.2f} d^{by_d.memory_exponent(name):.2f}",
        )
        for name, row in table.items()
    ]
    headings = ("layer", "operations", "time: exponent of n", "exponent of d", "largest tensors", "memory")
    sizes = [f"{axis} = {', '.join(map(str, one.sizes[-one.fitted :]))}" for axis, one in (("n", by_n), ("d", by_d))]
    note = f"Least squares on logs at {' and '.join(sizes)}; 95 % by bootstrap over sweeps."
    return Table("Exponents", headings, rows, f"{note} Within ±{tolerance} counts as the theory's.")


def milliseconds_table(by_n: Measured, by_d: Measured) -> Table:
    """Every size that was measured."""
    rows = []
    for measured in (by_d, by_n):
        for place, (n, d) in enumerate(measured.shapes):
            times = {name: 1000 * measured.medians(name)[place] for name in (*TABLE_1, MULTI_HEAD)}
            faster = min((SELF_ATTENTION, RECURRENT), key=lambda name: times[name])
            rows.append((f"n {n}, d {d}", *(f"{value:.2f}" for value in times.values()), faster))
    headings = ("", *(f"{name}, ms" for name in (*TABLE_1, MULTI_HEAD)), "faster of the first two")
    return Table("Milliseconds", headings, rows, "Medians over the sweeps, a batch at once.")


def path_table(table: Mapping[str, Row]) -> Table:
    """The second and third column of Table 1, counted."""
    theory = {SELF_ATTENTION: "O(1)", RECURRENT: "O(n)", CONVOLUTIONAL: "O(n/k)", WITHIN: "O(n/r)"}
    rows = []
    for name in TABLE_1:
        first, second = depth(table[name], JOINED), depth(table[name], 2 * JOINED)
        layers = layers_to_join(table[name], JOINED)
        steps = JOINED if second > first else 1
        told = f"{first} and {second}: {'O(n)' if second > first else 'O(1)'}"
        rows.append((name, told, layers, layers * steps, theory[name]))
    headings = ("layer", "sequential operations", "layers to join", "longest path", "theory")
    note = (
        f"Sequential: the longest chain of operations at n = {JOINED} and {2 * JOINED}. Layers to join: how many until "
        f"the last of {JOINED} positions depends on the first, by gradient; path: these times the steps in a layer. "
        "The paper's O(log_k n) is for dilated convolutions; for others it is O(n/k), as here."
    )
    return Table("Sequential operations and longest paths", headings, rows, note)


def time_picture(by_n: Measured, by_d: Measured) -> Picture:
    """The rows of Table 1."""
    at_width, at_length = by_n.shapes[0][1], by_d.shapes[0][0]
    caption = (
        f"Time of one layer; left, d = {at_width}; right, n = {at_length}. At the right ends: the exponents, fitted to "
        f"the last {by_n.fitted} sizes. Bands: 95 % over the sweeps."
    )
    return Picture("time", powers(_times(TABLE_1, by_n, by_d), "The four rows of Table 1, measured"), caption)


def beside_picture(by_n: Measured, by_d: Measured) -> Picture:
    """Self-attention and what can be done about it."""
    caption = (
        "Self-attention in five ways: fused; with its weights made; near positions alone, by a mask (nothing is saved) "
        "and in blocks (O(r·n·d)); and a whole multi-head layer with its projections."
    )
    return Picture("self-attention", powers(_times(BESIDE, by_n, by_d), "What self-attention costs"), caption)


def memory_picture(by_n: Measured, by_d: Measured) -> Picture:
    """What tensors hold."""
    panels = [
        Growth(
            {name: one.memory_line(name) for name in REMEMBERED},
            {name: one.memory_exponent(name) for name in REMEMBERED},
            one.across,
            "memory, MiB",
            "",
        )
        for one in (by_n, by_d)
    ]
    caption = "The most that tensors of one layer hold at once, beyond its input and weights; right: exponents."
    return Picture("memory", powers(panels, "Memory of a layer"), caption)


def _times(names: Sequence[str], by_n: Measured, by_d: Measured) -> list[Growth]:
    return [
        Growth(
            {name: one.line(name) for name in names},
            {name: one.exponent(name).value for name in names},
            one.across,
            "time, ms",
            "",
            ("n = d", one.equal) if one.sizes[0] <= one.equal <= one.sizes[-1] else None,
        )
        for one in (by_n, by_d)
    ]
