"""Where two sides of a corpus run out of step: the most probable shift of each line, by dynamic programming.

Line i of the source is thought to belong to line i + k of the target, for a shift k that seldom changes, or to none.
The evidence is how much more probable the target line's length, digits and final punctuation are beside that source
line than beside any other. With lengths s and t in characters, t ~ Normal(c·s, v·s) if they belong together (Gale and
Church 1993, "A Program for Aligning Sentences in Bilingual Corpora"), and t is drawn from the log-normal lengths of the
target if not; digits and punctuation agree as often as they do in the one case and in the other. All of these numbers
are estimated from the corpus itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from regard.data.line_facts import Facts

Floats = NDArray[np.float64]

WIDEST = 10  # lines of shift that are tried on either side
FEWEST = 50  # lines: below this there is too little to judge by
_ALIKE = 2.0  # characters: where lengths deviate less than this from each other, they tell nothing
_BLOCK = 16  # lines that are judged together before the exact line is sought
_CHANGE = 20.0  # nats of evidence that a change of the shift must bring
_ODD = 0.05  # share of pairs that belong together and yet look as if they did not
_VARIANCE = 6.8  # of a length per character, the start of the estimate (Gale and Church 1993, section 3.2)
_SHIFTS = list(range(-WIDEST, WIDEST + 1))
_NONE = len(_SHIFTS)  # the state "belongs to no line near it"


@dataclass(frozen=True)
class Run:
    """Source lines ``first`` to ``last`` (from 1) fit the target ``shift`` lines further on, or (None) nowhere near."""

    first: int
    last: int
    shift: int | None


@dataclass(frozen=True)
class _Model:
    """How lines that belong together look, beside lines that do not."""

    ratio: float
    variance: float
    log_mean: float
    log_deviation: float
    digits: Floats  # log-odds for: none on either side, the same, different
    endings: Floats  # log-odds for: different, the same


def find_runs(source: Facts, target: Facts) -> list[Run]:
    """The stretches of the source that do not fit the target line beside them, in order; [] where all is well.

    Nothing is found in fewer than 50 lines, nor where all lines of a side are about as long (labels, for example).
    """
    if min(len(source), len(target)) < FEWEST:
        return []
    if min(float(side.characters.std()) for side in (source, target)) < _ALIKE:
        return []
    model = _first_model(source, target)
    states = np.full(len(source), _SHIFTS.index(0))
    for _ in range(3):
        evidence = _evidence(source, target, model)
        path = _best_path(evidence)
        states = _line_states(source, target, model, path)
        model = _fitted(source, target, model, states)
    return _runs(states)


def _first_model(source: Facts, target: Facts) -> _Model:
    logs = np.log(target.characters[target.characters > 0].astype(float))
    mean = float(source.characters.mean())
    ratio = float(target.characters.mean()) / mean
    variance = min(_VARIANCE * ratio, 0.5 * float(target.characters.var()) / mean)  # at most half of what there is
    return _Model(ratio, variance, float(logs.mean()), max(float(logs.std()), 0.1), np.zeros(3), np.zeros(2))


def _log_odds(
    source: Facts, target: Facts, rows: NDArray[np.int64], partners: NDArray[np.int64], model: _Model
) -> Floats:
    """For each (row, partner): log P(partner's line | they belong together) − log P(partner's line | any line)."""
    s = np.maximum(source.characters[rows].astype(float), 1.0)
    t = np.maximum(target.characters[partners].astype(float), 1.0)
    variance = model.variance * s + 1.0
    together = -0.5 * (t - model.ratio * s) ** 2 / variance - 0.5 * np.log(variance)
    apart = -0.5 * ((np.log(t) - model.log_mean) / model.log_deviation) ** 2 - np.log(model.log_deviation * t)
    length = np.logaddexp(np.log1p(-_ODD) + together - apart, np.log(_ODD))
    length[(source.key[rows] == 0) | (target.key[partners] == 0)] = 0.0  # an empty line says nothing
    digits, endings = _agreement(source, target, rows, partners)
    return length + model.digits[digits] + model.endings[endings]


def _agreement(
    source: Facts, target: Facts, rows: NDArray[np.int64], partners: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    left, right = source.digits[rows], target.digits[partners]
    digits = np.where(left != right, 2, np.where(left == 0, 0, 1))
    return digits, (source.ending[rows] == target.ending[partners]).astype(np.int64)


def _line_evidence(source: Facts, target: Facts, model: _Model, rows: NDArray[np.int64]) -> Floats:
    """[states, rows]: the log-odds of each row for each shift, and 0 for "none"."""
    table = np.zeros((_NONE + 1, len(rows)))
    for state, shift in enumerate(_SHIFTS):
        partners = rows + shift
        inside = (partners >= 0) & (partners < len(target))
        table[state, inside] = _log_odds(source, target, rows[inside], partners[inside], model)
        table[state, ~inside] = np.log(_ODD)
    return table


def _evidence(source: Facts, target: Facts, model: _Model) -> Floats:
    """[states, blocks]: the log-odds summed over blocks of 16 rows, computed 65,536 rows at a time."""
    parts = []
    for start in range(0, len(source), 1 << 16):
        rows = np.arange(start, min(start + (1 << 16), len(source)))
        parts.append(np.add.reduceat(_line_evidence(source, target, model, rows), range(0, len(rows), _BLOCK), axis=1))
    return np.concatenate(parts, axis=1)


def _best_path(evidence: Floats) -> NDArray[np.int64]:
    """The states with the most evidence in all, each change of state costing ``_CHANGE`` (Viterbi)."""
    states, blocks = evidence.shape
    came_from = np.zeros((blocks, states), dtype=np.int8)
    start = np.full(states, -_CHANGE)
    start[_SHIFTS.index(0)] = 0.0
    total = start + evidence[:, 0]
    for block in range(1, blocks):
        best = int(total.argmax())
        stay = total >= total[best] - _CHANGE
        came_from[block] = np.where(stay, np.arange(states), best)
        total = np.where(stay, total, total[best] - _CHANGE) + evidence[:, block]
    path = np.zeros(blocks, dtype=np.int64)
    path[-1] = int(total.argmax())
    for block in range(blocks - 1, 0, -1):
        path[block - 1] = came_from[block, path[block]]
    return path


def _line_states(source: Facts, target: Facts, model: _Model, path: NDArray[np.int64]) -> NDArray[np.int64]:
    """The state of each line: the blocks' states, with each change moved to the line where it fits best."""
    states = np.repeat(path, _BLOCK)[: len(source)]
    for block in (np.flatnonzero(np.diff(path)) + 1).tolist():
        before, after = int(path[block - 1]), int(path[block])
        rows = np.arange(max(0, (block - 1) * _BLOCK), min(len(source), (block + 1) * _BLOCK))
        table = _line_evidence(source, target, model, rows)
        gain = np.concatenate([[0.0], np.cumsum(table[before] - table[after])])
        cut = int(gain.argmax())  # rows before the cut keep the earlier state
        states[rows[:cut]], states[rows[cut:]] = before, after
    return states


def _fitted(source: Facts, target: Facts, model: _Model, states: NDArray[np.int64]) -> _Model:
    """The model estimated anew: from the pairs that ``states`` put together, and from those lines paired at random."""
    rows = np.flatnonzero(states != _NONE)
    partners = rows + np.asarray([*_SHIFTS, 0])[states[rows]]
    inside = (partners >= 0) & (partners < len(target))
    rows, partners = rows[inside], partners[inside]
    if len(rows) < FEWEST:
        return model
    s, t = source.characters[rows].astype(float), target.characters[partners].astype(float)
    full = (s > 0) & (t > 0)
    ratio = float(np.median(t[full] / s[full])) if full.any() else model.ratio
    spread = (t[full] - ratio * s[full]) ** 2 / s[full]
    variance = max(float(np.median(spread)) / 0.455, 0.05) if full.any() else model.variance  # the median of χ²(1)
    others = np.random.default_rng(0).permutation(partners)
    together, apart = _agreement(source, target, rows, partners), _agreement(source, target, rows, others)
    digits, endings = (
        np.log(_shares(one, size)) - np.log(_shares(other, size))
        for one, other, size in zip(together, apart, (3, 2), strict=True)
    )
    return _Model(ratio, variance, model.log_mean, model.log_deviation, digits, endings)


def _shares(values: NDArray[np.int64], size: int) -> Floats:
    counts = np.bincount(values, minlength=size) + 1.0  # one more of each, so that none has probability 0
    return counts / counts.sum()


def _runs(states: NDArray[np.int64]) -> list[Run]:
    cuts = [0, *(np.flatnonzero(np.diff(states)) + 1).tolist(), len(states)]
    found = []
    for start, end in pairwise(cuts):
        state = int(states[start])
        shift = None if state == _NONE else _SHIFTS[state]
        if shift != 0 and end > start:
            found.append(Run(start + 1, end, shift))
    return found
