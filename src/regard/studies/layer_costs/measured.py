"""What was measured of the layers as n or d grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from regard.evaluation.interval import Interval
from regard.looking.trends import Line, exact
from regard.studies.layer_costs.exponents import exponent, median, slope

MIB = 2**20


@dataclass(frozen=True)
class Measured:
    """``times`` [sweeps, sizes] in seconds and ``memory`` in bytes of each row; ``axis``, "n" or "d", grows."""

    axis: str
    shapes: Sequence[tuple[int, int]]
    fitted: int
    times: Mapping[str, np.ndarray]
    memory: Mapping[str, Sequence[int]]

    @property
    def sizes(self) -> list[int]:
        """What grows."""
        return [shape["nd".index(self.axis)] for shape in self.shapes]

    @property
    def equal(self) -> float:
        """The size at which n = d."""
        return float(self.shapes[0]["dn".index(self.axis)])

    @property
    def across(self) -> str:
        """What stands below a picture."""
        return {"n": f"n, positions (d = {self.equal:g})", "d": f"d, width (n = {self.equal:g})"}[self.axis]

    def exponent(self, name: str) -> Interval:
        """Of the time, at the upper end."""
        return exponent(self.sizes[-self.fitted :], self.times[name][:, -self.fitted :])

    def memory_exponent(self, name: str) -> float:
        """Of the memory, at the upper end."""
        return float(slope(self.sizes[-self.fitted :], np.array(self.memory[name][-self.fitted :], dtype=np.float64)))

    def medians(self, name: str) -> list[float]:
        """Of the time, for each size."""
        return [float(value) for value in np.median(self.times[name], axis=0)]

    def line(self, name: str) -> Line:
        """Milliseconds."""
        found = [median(1000 * column) for column in self.times[name].T]
        return list(zip(self.sizes, found, strict=True))

    def memory_line(self, name: str) -> Line:
        """MiB."""
        return [(size, exact(held / MIB)) for size, held in zip(self.sizes, self.memory[name], strict=True)]
