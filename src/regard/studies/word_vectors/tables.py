"""How good vectors are as tables."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from regard.evaluation.interval import Interval
from regard.evaluation.retrieval import SIMILARITIES
from regard.studies.frame.study import Table
from regard.studies.word_vectors.kinds import Groups
from regard.studies.word_vectors.verdict import hits


def shares_table(groups: Groups, measured: Mapping[str, Mapping[str, Interval]]) -> Table:
    """A row each kind of vectors, a column each similarity."""
    rows = [
        (name, group[0].matrix.shape[1], *(measured[name][way].text() for way in SIMILARITIES))
        for name, group in groups.items()
    ]
    note = "Intervals: bootstrap over words; learned vectors are averaged over seeds."
    headings = ("vectors", "numbers a word", "by cosine, % (95 %)", "by dot product, % (95 %)")
    return Table("Nearest word of the same class", headings, rows, note)


def class_table(groups: Groups, kinds: Mapping[str, str]) -> Table:
    """A row each class."""
    words = next(iter(groups.values()))[0].words
    theirs = np.array([kinds[word] for word in words if word in kinds])
    found = {name: hits(group, kinds).mean(0) for name, group in groups.items()}
    rows = [
        (kind, int((theirs == kind).sum()), *(f"{100 * hit[theirs == kind].mean():.0f}" for hit in found.values()))
        for kind in dict.fromkeys(theirs)
    ]
    return Table("Class by class, by cosine", ("class", "words", *(f"{name}, %" for name in groups)), rows)
