"""How fast the gradients of all models are lost with distance, and whether that is as claimed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from regard.evaluation.interval import Interval, bootstrap
from regard.studies.frame.verdict import over_seeds
from regard.studies.long_memory.flow import decay
from regard.studies.long_memory.readers import GRU, LSTM, RNN, TRANSFORMER

NONE_LOST = 0.02  # powers of ten per position: less than a factor of 5 over 32 positions
FEW = 30  # rows up to which they are draws or seeds, not texts
Norms = Mapping[str, np.ndarray]  # of each model: [draws, T], or of one draw [texts, T]


@dataclass(frozen=True)
class Decays:
    """Powers of ten lost per position by each model, with 95 % intervals, and the RNN's minus the gated ones'."""

    each: Mapping[str, Interval]
    beyond: Mapping[str, Interval]

    @property
    def verdict(self) -> bool | None:
        """True: the RNN's is surely above NONE_LOST and above the LSTM's and the GRU's; the Transformer's is below it.

        False: one of these is surely the other way. None: unsure.
        """
        plain, attention, beyond = self.each[RNN], self.each[TRANSFORMER], self.beyond.values()
        if plain.high < NONE_LOST or attention.low > NONE_LOST or any(one.high < 0 for one in beyond):
            return False
        vanishes = plain.low > NONE_LOST > attention.high
        return True if vanishes and all(one.low > 0 for one in beyond) else None


def decays(norms: Norms) -> Decays:
    """Over the rows of ``norms``, the same rows for all models: t intervals over a few draws, bootstrap over texts."""
    each = {name: decay(one) for name, one in norms.items()}
    beyond = {name: each[RNN] - each[name] for name in (LSTM, GRU)}
    return Decays(
        {name: interval(one) for name, one in each.items()}, {name: interval(one) for name, one in beyond.items()}
    )


def interval(values: np.ndarray) -> Interval:
    """Of their mean: by t over a few draws or seeds, by bootstrap over texts."""
    return over_seeds(list(values)) if len(values) <= FEW else bootstrap(values)
