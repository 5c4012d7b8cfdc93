"""The codes of positions as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from regard.looking.positions import position_codes
from regard.looking.trends import Panel, exact, trends
from regard.studies.frame.study import Picture
from regard.studies.word_order.codes import binary_codes, sinusoid_codes, step_residual

SHOWN, SHOWN_WIDTH = 64, 64  # positions and width on the maps
COUNTED, NARROW = 256, 8  # positions whose steps are fitted, and their binary digits
STEPS = tuple(range(1, 33))  # k: far enough from COUNTED that the highest digits are still counting


def codes() -> dict[str, np.ndarray]:
    """The tables of codes that are compared, by name."""
    return {
        f"sinusoids, {NARROW} wide": sinusoid_codes(COUNTED, NARROW),
        f"binary, {NARROW} digits": binary_codes(COUNTED),
    }


def residuals() -> dict[str, list[float]]:
    """Of each table, the residual of a step of k, for each of STEPS."""
    return {name: [step_residual(table, k) for k in STEPS] for name, table in codes().items()}


def code_pictures(found: Mapping[str, Sequence[float]]) -> list[Picture]:
    """The codes themselves, and the residuals ``found`` of their steps."""
    shown = {"sinusoids": sinusoid_codes(SHOWN, SHOWN_WIDTH), "binary": binary_codes(SHOWN)}
    maps = position_codes(shown, "Codes of positions (section 3.5)")
    lines = {name: [(k, exact(one)) for k, one in zip(STEPS, row, strict=True)] for name, row in found.items()}
    panel = Panel(lines, "k", "residual of the best linear map", limits=(-0.03, None))
    steps = trends([panel], "Is the code at p + k a linear function of the code at p?")
    return [
        Picture("codes", maps, "Sinusoids, smooth and in [−1, 1], beside plain binary numbers, which jump."),
        Picture(
            "steps",
            steps,
            f"0: it is, by one function for all p; 1: none beats the mean. Least squares over {COUNTED} positions.",
        ),
    ]
