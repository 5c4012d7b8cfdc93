"""Gradients over distance as tables and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from regard.looking.trends import Line, Panel, trends
from regard.studies.frame.study import Picture, Table
from regard.studies.long_memory.decays import Decays, Norms, interval
from regard.studies.long_memory.readers import LSTM, READERS, RNN

_BEGINNINGS = {
    RNN: "RNN, U orthogonal",
    "RNN, U uniform": "RNN, U uniform",
    "LSTM, forget bias 0": "LSTM, forget bias 0",
    LSTM: "LSTM, forget bias 1",
    "LSTM, forget bias 3": "LSTM, forget bias 3",
}
_ACROSS, _LABEL = "distance from the last position", "log₁₀ of the gradient's norm"


def decay_table(before: Decays, after: Decays, right: Mapping[str, Sequence[float]]) -> Table:
    """The models that are trained, before and after."""
    rows = [
        (
            name,
            before.each[name].text(3, 1.0),
            after.each[name].text(3, 1.0),
            f"{100 * float(np.mean(right[name])):.0f}",
        )
        for name in READERS
    ]
    headings = ("model", "untrained (95 %)", "trained (95 %)", "first words recalled, %")
    return Table("Powers of ten lost per position", headings, rows, "Below 0: the gradient grows with distance.")


def beginnings_table(before: Decays) -> Table:
    """Recurrence with other first weights."""
    rows = [(label, before.each[name].text(3, 1.0)) for name, label in _BEGINNINGS.items()]
    return Table("Untrained, by how the weights begin", ("model", "powers of ten lost per position (95 %)"), rows)


def _line(norms: np.ndarray) -> Line:
    return [(k, interval(column)) for k, column in enumerate(norms.T)]


def gradient_picture(untrained: Norms, trained: Norms, seeds: int) -> Picture:
    """The gradient of the models that are trained, before and after."""
    panels = [
        Panel({name: _line(norms[name]) for name in READERS}, _ACROSS, _LABEL, title)
        for norms, title in ((untrained, "Untrained"), (trained, "Trained to recall the first word"))
    ]
    rest = "texts" if seeds == 1 else "seeds"
    caption = f"The gradient at each distance. Bands: 95 %, left over draws of the weights, right over {rest}."
    return Picture("gradient", trends(panels, "How far a gradient reaches"), caption)


def beginnings_picture(untrained: Norms) -> Picture:
    """The gradient of recurrence with other first weights."""
    lines = {label: _line(untrained[name]) for name, label in _BEGINNINGS.items()}
    caption = "The same for plain and gated recurrence with other first weights, before training. Bands: 95 %."
    return Picture("beginnings", trends([Panel(lines, _ACROSS, _LABEL)], "What the first weights decide"), caption)
