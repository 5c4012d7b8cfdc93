"""Which word is whose translation: links that were found, beside those that people drew.

Pharaoh's format: ``0-0 1-2``, source word 0 with target word 0 and so on, counted from 0, a line a sentence pair. Gold
alignments tell sure links (``0-0``) from possible ones (``0?0``, also written ``0p0``); a sure link is possible too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from regard.data.lines import text_lines
from regard.errors import DataError
from regard.evaluation.interval import Interval

Link = tuple[int, int]
Links = frozenset[Link]

_LINK = re.compile(r"(\d+)([-?p])(\d+)")


@dataclass(frozen=True)
class Gold:
    """The links of one sentence pair: those that are ``sure``, and all that are ``possible``, the sure among them."""

    sure: Links
    possible: Links


@dataclass(frozen=True)
class AlignmentScores:
    """Of one set of sentence pairs, 0 to 1, with 95 % intervals over its pairs (bootstrap)."""

    error_rate: Interval
    precision: Interval
    recall: Interval
    pairs: int


def read_alignments(path: Path, words: Sequence[tuple[int, int]] | None = None) -> list[Gold]:
    """Gold alignments in Pharaoh's format, a line a pair; an empty line is a pair without a link.

    ``words``: how many words the source and the target of each pair have. Raises DataError with file and line for what
    is no link and for a link to a word that is not there, and where there is not a line for each pair.
    """
    lines = list(text_lines(path))
    if words is not None and len(lines) != len(words):
        rule = f"{len(words)}, one for each sentence pair"
        raise DataError.because(path, f"{len(lines)} lines", rule, "give the alignments of these pairs")
    golds = []
    for number, line in enumerate(lines, start=1):
        gold = gold_links(line, f"{path}:{number}")
        if words is not None:
            _check_words(gold, words[number - 1], f"{path}:{number}")
        golds.append(gold)
    return golds


def gold_links(line: str, name: str = "alignment") -> Gold:
    """The links of one line of Pharaoh's format. Raises DataError that begins with ``name``."""
    sure, possible = set(), set()
    for word in line.split():
        found = _LINK.fullmatch(word)
        if found is None:
            rule = "SOURCE-TARGET, or SOURCE?TARGET for a possible link, words counted from 0"
            raise DataError.because(name, repr(word), rule, "write the alignment in Pharaoh's format")
        link = int(found[1]), int(found[3])
        possible.add(link)
        if found[2] == "-":
            sure.add(link)
    return Gold(frozenset(sure), frozenset(possible))


def _check_words(gold: Gold, words: tuple[int, int], name: str) -> None:
    for link in sorted(gold.possible):
        for side, number, count in zip(("source", "target"), link, words, strict=True):
            if number >= count:
                rule = f"{side} words 0 to {count - 1}" if count else f"none, since the {side} is empty"
                action = "count words from 0, between the spaces of the same files"
                raise DataError.because(name, f"a link of {side} word {number}", rule, action)


def alignment_error_rate(
    found: Sequence[str], golds: Sequence[Gold], resamples: int = 1000, seed: int = 12345
) -> AlignmentScores:
    """1 − (|A∩S| + |A∩P|) / (|A| + |S|) of found links A, sure S and possible P (Och & Ney 2003, section 5).

    Beside it precision |A∩P| / |A| and recall |A∩S| / |S|. Links are counted over all pairs.
    ``found``: a line of Pharaoh's format a pair. Where there is nothing to divide by, nothing is wrong. Raises
    DataError where there is not one line for each pair, or none at all.
    """
    if len(found) != len(golds) or not golds:
        rule = f"{len(golds)}, one for each gold alignment" if golds else "one pair or more"
        raise DataError.because("alignments", f"{len(found)} lines", rule, "give the alignments of the same pairs")
    counts = np.array([_counts(line, gold) for line, gold in zip(found, golds, strict=True)], dtype=np.float64)
    generator = np.random.default_rng(seed)
    rows = generator.integers(len(counts), size=(resamples, len(counts)))
    drawn = [_rates(counts[row].sum(0)) for row in rows]
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    values = _rates(counts.sum(0))
    error, precision, recall = (Interval(*map(float, three)) for three in zip(values, low, high, strict=True))
    return AlignmentScores(error, precision, recall, len(counts))


def _counts(line: str, gold: Gold) -> tuple[int, int, int, int]:
    """|A∩S|, |A∩P|, |A|, |S|."""
    links = gold_links(line).possible
    return len(links & gold.sure), len(links & gold.possible), len(links), len(gold.sure)


def _rates(counts: np.ndarray) -> tuple[float, float, float]:
    sure, possible, links, wanted = counts.tolist()
    return (
        1 - (sure + possible) / (links + wanted) if links + wanted else 0.0,
        possible / links if links else 1.0,
        sure / wanted if wanted else 1.0,
    )
