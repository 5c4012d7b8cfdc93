"""What a model makes of the order of words as tables and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from regard.evaluation.interval import Interval
from regard.looking.trends import bars, trends
from regard.studies.frame.study import Picture, Table
from regard.studies.frame.summary import Outcomes, curve_panel
from regard.studies.word_order.permuted import Moved


@dataclass(frozen=True)
class Told:
    """Of pairs of sources with the same words: the share whose translations differ, and that are both right (None:
    no translations are known).
    """

    differ: Interval
    right: Interval | None


def permuted_table(exactly: Mapping[str, Moved]) -> Table:
    """What permuting a source changes, by kind of positions."""
    rows = [(kind, f"{one.encoder:.2g}", f"{one.prediction:.2g}") for kind, one in exactly.items()]
    headings = ("positions", "encoder's output and its permuted self", "log P of the target's tokens")
    note = "Largest differences that permuting the source makes, in random models of 2+2 layers, in float64."
    return Table("A permuted source", headings, rows, note)


def order_table(apart: Mapping[str, Told]) -> Table:
    """Whether sources of the same words are told apart, by kind of positions."""
    rows = [(name, one.differ.text(), None if one.right is None else one.right.text()) for name, one in apart.items()]
    headings = ("positions", "translations differ, %", "both right, %")
    note = "95 %: Wilson's interval over the sentences; over several seeds a t interval."
    return Table("Two sources of the same words", headings, rows, note)


def training_picture(outcomes: Outcomes) -> Picture:
    """The curves of training."""
    caption = "Training loss of the first seed, smoothed, by the positions of the model."
    return Picture("training", trends([curve_panel(outcomes)], "Trained with and without positions"), caption)


def apart_picture(apart: Mapping[str, Told]) -> Picture:
    """The first column of ``order_table``."""
    rows = {
        name: Interval(100 * one.differ.value, 100 * one.differ.low, 100 * one.differ.high)
        for name, one in apart.items()
    }
    title = "Two sources of the same words: are they told apart?"
    return Picture("same-words", bars(rows, "% translated differently", title), f"{title} Lines: 95 %.")
