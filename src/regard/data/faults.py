"""The faults that ``inspection`` looks for, each found from the facts of the lines alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regard.data.divergence import FEWEST, Run
from regard.data.line_facts import ENDINGS, Facts

Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]

MAX_RATIO = 3.0
SHORT = 10  # characters: a shorter side counts as this long when lengths are compared
UNUSUAL = 7.0  # robust standard deviations
NEAR = 3  # lines around a stretch out of step
USUAL_SHARE = 0.9  # of the lines with one ending, so that the other endings are worth a look
LONG_NUMBER = 3  # digits: shorter numbers are often written out in one of the languages


def _no_note(row: int) -> str:
    return ""


@dataclass(frozen=True)
class Fault:
    """One kind of fault: the rows (from 0) that have it, and a note on each."""

    name: str
    rule: str
    rows: Rows
    count: int
    note: Callable[[int], str] = _no_note


def _fault(name: str, rule: str, flags: Flags, note: Callable[[int], str] = _no_note) -> list[Fault]:
    rows = np.flatnonzero(flags)
    return [Fault(name, rule, rows, len(rows), note)] if len(rows) else []


def line_counts(source: Facts, target: Facts) -> list[Fault]:
    """The fault that one side has more lines."""
    if len(source) == len(target):
        return []
    rule = f"as many lines on both sides; the source has {len(source)}, the target {len(target)}"
    first = np.asarray([min(len(source), len(target))])
    return [Fault("one side is longer", rule, first, abs(len(source) - len(target)))]


def find_faults(source: Facts, target: Facts, runs: list[Run], damaged: list[int]) -> list[Fault]:
    """Every fault but a leak, most serious first. Lines that only one side has are left out.

    Stretches out of step are one fault; their lines, and those next to them since where they part is only probable,
    are not also judged by their lengths, numbers and endings.
    """
    both = min(len(source), len(target))
    source, target = _first(source, both), _first(target, both)
    full = (source.key != 0) & (target.key != 0)
    in_step = full.copy()
    for run in runs:
        in_step[max(0, run.first - 1 - NEAR) : run.last + NEAR] = False
    is_damaged = np.zeros(both, dtype=bool)
    is_damaged[[row for row in damaged if row < both]] = True
    letters = source.characters > source.digit_count.astype(np.uint32) + 2  # a number is its own translation
    return [
        *_out_of_step(runs),
        *_fault("empty side", "text on both sides", ~full),
        *_fault("damaged characters", "no U+FFFD, and no UTF-8 that was read as Latin-1 (Ã¤)", is_damaged),
        *_fault("target is the source", "a translation", full & letters & (source.key == target.key)),
        *_repeated(source, target, full),
        *_odd_lengths(source, target, in_step),
        *_odd_numbers(source, target, in_step),
        *_odd_endings(source, target, in_step),
    ]


def _first(facts: Facts, count: int) -> Facts:
    return Facts(**{name: getattr(facts, name)[:count] for name in facts.__dataclass_fields__})


def _out_of_step(runs: list[Run]) -> list[Fault]:
    """The stretches of ``find_runs``; each counts all of its lines and shows the first."""
    if not runs:
        return []
    notes = {run.first - 1: describe(run) for run in runs}
    rule = "line n of both sides the same sentence, by length, digits and final punctuation"
    rows = np.asarray(sorted(notes))
    return [Fault("lines out of step", rule, rows, sum(run.last - run.first + 1 for run in runs), notes.__getitem__)]


def describe(run: Run) -> str:
    """What a stretch out of step probably means, in one sentence."""
    where = f"lines {run.first} to {run.last} of the source"
    if run.shift is None:
        return f"{where} fit no target line near them"
    size = abs(run.shift)
    lines = "1 line" if size == 1 else f"{size} lines"
    side, way = ("source", "below") if run.shift > 0 else ("target", "above")
    return f"{where} fit the target {lines} {way}; the {side} probably lacks {lines} near line {run.first}"


def _repeated(source: Facts, target: Facts, full: Flags) -> list[Fault]:
    """Duplicate pairs, then sources and targets that come again with another partner."""
    rows = np.flatnonzero(full)
    pair = pair_keys(source, target)[rows]
    again, earlier = _earlier(pair)
    found = _marked("duplicate pair", "each pair once", rows[again], rows[earlier], "line {} is the same pair")
    fresh = np.setdiff1d(np.arange(len(rows)), again)
    for name, facts in (("source", source), ("target", target)):
        again, earlier = _earlier(facts.key[rows[fresh]])
        other = "target" if name == "source" else "source"
        found += _marked(
            f"{name} repeated with another {other}",
            f"each {name} once; paraphrases are fine for training",
            rows[fresh][again],
            rows[fresh][earlier],
            f"line {{}} has the same {name}",
        )
    return found


def _marked(name: str, rule: str, again: Rows, earlier: Rows, note: str) -> list[Fault]:
    if not len(again):
        return []
    lines = dict(zip(again[:100].tolist(), (earlier[:100] + 1).tolist(), strict=True))
    return [Fault(name, rule, again, len(again), lambda row: note.format(lines[row]))]


def _earlier(keys: NDArray[np.uint64]) -> tuple[Rows, Rows]:
    """The positions whose key came before, in order, and for each where it came first."""
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    earlier = first[inverse]
    again = np.flatnonzero(earlier != np.arange(len(keys)))
    return again, earlier[again]


def pair_keys(source: Facts, target: Facts) -> NDArray[np.uint64]:
    """One key for each pair, from the keys of its sides."""
    return source.key * np.uint64(0x9E3779B97F4A7C15) + target.key  # modulo 2^64; the multiplier keeps order apart


def _odd_lengths(source: Facts, target: Facts, judged: Flags) -> list[Fault]:
    """Lengths t far from c·s: by their ratio, and by |t − c·s| / √(v·s), in the corpus's own spread v."""
    if not judged.any():
        return []
    s, t = np.maximum(source.characters.astype(float), 1.0), target.characters.astype(float)
    ratio = float(np.median(t[judged] / s[judged]))
    long, short = np.maximum(ratio * s, t), np.maximum(np.minimum(ratio * s, t), SHORT)
    far = judged & (long > MAX_RATIO * short)
    usual = f"{ratio:.2f} times the source's characters, which is usual here"
    found = _fault("lengths far apart", f"a target within a factor of {MAX_RATIO:g} of {usual}", far)
    if int(judged.sum()) < FEWEST:
        return found
    difference = np.abs(t - ratio * s) / np.sqrt(s)
    spread = 1.4826 * float(np.median(difference[judged]))  # the standard deviation, if the middle is normal
    unusual = judged & ~far & (difference > UNUSUAL * max(spread, 0.5))
    return found + _fault("length unusual", f"a target within {UNUSUAL:g} deviations of {usual}", unusual)


def _odd_numbers(source: Facts, target: Facts, judged: Flags) -> list[Fault]:
    one, other = source.digit_count, target.digit_count
    comparable = ((one > 0) & (other > 0)) | (np.maximum(one, other) >= LONG_NUMBER)
    rule = f"the same digits on both sides; under {LONG_NUMBER} on one side may be words on the other"
    return _fault("numbers differ", rule, judged & comparable & (source.digits != target.digits))


def _odd_endings(source: Facts, target: Facts, judged: Flags) -> list[Fault]:
    """Lines whose target ends otherwise than 90 % of those whose source ends the same way."""
    odd = np.zeros(len(judged), dtype=bool)
    for ending in range(len(ENDINGS)):
        rows = np.flatnonzero(judged & (source.ending == ending))
        if len(rows) < FEWEST:
            continue
        counts = np.bincount(target.ending[rows], minlength=len(ENDINGS))
        if counts.max() >= USUAL_SHARE * len(rows):
            odd[rows[target.ending[rows] != counts.argmax()]] = True
    missing = (source.ending == 0) | (target.ending == 0)
    rule = f"the final punctuation of at least {USUAL_SHARE:.0%} of such lines"
    return [
        *_fault("final punctuation differs", rule, odd & ~missing),
        *_fault("final punctuation on one side only", rule, odd & missing),
    ]


def leaked(train: tuple[Facts, Facts], test: tuple[Facts, Facts]) -> list[Fault]:
    """Test pairs, then test sources with another translation, that are also in the corpus. Rows are the test's."""
    both = min(len(train[0]), len(train[1]))
    full = (test[0].key != 0) & (test[1].key != 0)
    pairs = full & np.isin(pair_keys(*test), pair_keys(_first(train[0], both), _first(train[1], both)))
    sources = full & ~pairs & np.isin(test[0].key, train[0].key)
    rule = "no test {} in the training data"
    return [
        *_fault("test pair is in the corpus", rule.format("pair"), pairs),
        *_fault("test source is in the corpus", rule.format("source"), sources),
    ]
