"""How different the heads of a layer are, and what each is worth, in words and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regard.evaluation.interval import Interval
from regard.looking.pruning import Worth, worth_of_heads
from regard.looking.trends import Line, Panel, trends
from regard.studies.frame.study import Picture, Table
from regard.studies.head_maps.distance import KINDS
from regard.studies.head_maps.pruning import Pruned, spared

NAMED = {"encoder": "the encoder", "decoder": "the decoder", "cross": "cross attention"}
ITSELF = ("a head and itself", 0.0)
ByKind = Mapping[str, Interval]


def told_growth(untrained: ByKind, last: ByKind, growth: ByKind) -> str:
    """What became of the distance of each kind."""

    def way(one: Interval) -> str:
        return "grew" if one.low > 0 else "shrank" if one.high < 0 else "did not surely change"

    kinds = "; ".join(
        f"in {NAMED[kind]} it {way(growth[kind])} from {untrained[kind].value:.2f} to {last[kind].text(2, 1.0)}"
        for kind in KINDS
    )
    return f"The distance between heads of a layer (0 alike, 1 nothing in common): {kinds}."


def told_pruning(seeds: Sequence[Sequence[Pruned]]) -> str:
    """How many heads may go, and which is the dearest."""
    heads = len(seeds[0])
    bleu, nats = (" and ".join(map(str, counts)) for counts in zip(*map(spared, seeds), strict=True))
    worst = max((one for pruned in seeds for one in pruned), key=lambda one: one.bleu)
    of = "" if len(seeds) == 1 else f" of each of {len(seeds)} models"
    return (
        f"Of the {heads} heads{of}, {bleu} can go one at a time without a sure loss of BLEU, and {nats} without a "
        f"surely larger loss; the dearest costs {worst.bleu:.1f} BLEU ({NAMED[worst.kind]}, layer {worst.layer + 1})."
    )


def distance_table(untrained: ByKind, last: ByKind, growth: ByKind) -> Table:
    """A row each kind of attention."""
    rows = [(NAMED[kind], *(one[kind].text(3, 1.0) for one in (untrained, last, growth))) for kind in KINDS]
    note = "Jensen–Shannon, 0 to 1. 95 %: a t interval over the seeds; of one seed a bootstrap over the sentences."
    return Table("Distance between different heads of a layer", ("", "untrained", "trained", "growth"), rows, note)


def distance_picture(lines: Mapping[str, Line]) -> Picture:
    """The distance of each kind in training."""
    named = {NAMED[kind]: line for kind, line in lines.items()}
    panel = Panel(named, "update", "Jensen–Shannon distance", reference=ITSELF, limits=(-0.03, None))
    caption = (
        "How differently two heads of a layer look, on average over all such pairs. Update 0: before training. "
        "Bands: 95 %, over the seeds, or of one over the sentences."
    )
    return Picture("distance", trends([panel], "Do the heads of a layer look at different things?"), caption)


def worth_picture(pruned: Sequence[Pruned], seed: int) -> Picture:
    """What one model loses without each of its heads."""
    rows = list(dict.fromkeys((each.kind, each.layer) for each in pruned))
    shape = (len(rows), -1)

    def table(name: str) -> NDArray[Any]:
        return np.array([getattr(each, name) for each in pruned]).reshape(shape)

    maps = [
        Worth("BLEU lost", table("bleu"), table("sure_bleu"), 1.0, 1),
        Worth("nats per token lost", table("nats"), table("sure_nats"), 0.01, 3),
    ]
    layers = [f"{'cross attention' if kind == 'cross' else kind} {layer + 1}" for kind, layer in rows]
    caption = (
        f"What the trained model (seed {seed}) loses on the test when one head is taken away. Vermilion: lost; blue: "
        "gained; bold: surely lost."
    )
    return Picture("pruning", worth_of_heads(maps, layers, "The worth of each head"), caption)
