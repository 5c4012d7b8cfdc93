"""Codes of positions: sinusoids (section 3.5) beside plain binary numbers, and what a step of k does to them."""

from __future__ import annotations

import numpy as np

from regard.layers.position import sinusoids


def sinusoid_codes(positions: int, width: int) -> np.ndarray:
    """PE(p) of section 3.5 for p < ``positions``: [positions, width]."""
    return sinusoids(positions, width).double().numpy()


def binary_codes(positions: int) -> np.ndarray:
    """The binary digits of p, the lowest first, for p < ``positions``: [positions, digits], of 0 and 1."""
    digits = max(1, (positions - 1).bit_length())
    return (np.arange(positions)[:, None] >> np.arange(digits) & 1).astype(np.float64)


def step_residual(codes: np.ndarray, k: int) -> float:
    """How far the best linear function of the code at p is from the code at p + k: min ‖A X − Y‖ / ‖Y − mean Y‖.

    X are the codes of all p with p + k in the table, and a constant 1, which helps both. 0: such a function exists;
    1: it is no better than the mean. k is at most half of the positions.
    """
    x, y = codes[: len(codes) - k], codes[k:]
    x = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    best = x @ np.linalg.lstsq(x, y, rcond=None)[0]
    return float(np.linalg.norm(best - y) / np.linalg.norm(y - y.mean(0)))
