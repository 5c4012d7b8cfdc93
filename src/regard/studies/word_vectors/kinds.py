"""Vectors of one text by every way of making them, and beside them those of a trained run, for the same words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil

from regard.errors import DataError
from regard.studies.frame.study import Order
from regard.studies.word_vectors.agreement import only
from regard.studies.word_vectors.corpus import LEAST_WORDS, Corpus, WordVectors
from regard.studies.word_vectors.counts import cooccurrence, ppmi
from regard.studies.word_vectors.skipgram import SkipGram, skip_gram
from regard.studies.word_vectors.stored import of_run

COUNTS, WEIGHTED, LEARNED = "counts", "weighted counts (PPMI)", "learned (skip-gram)"
REFERENCE = 10_000  # sentences over which the settings' passes are meant
Groups = Mapping[str, Sequence[WordVectors]]  # by name; of the learned ones several, one a seed


def every_kind(corpus: Corpus, plan: SkipGram, seeds: Sequence[int], sentences: int) -> Groups:
    """Counts and weighted counts, and the learned vectors of each seed."""
    table = cooccurrence(corpus, plan.window)
    counted = [WordVectors(COUNTS, corpus.words, table), WordVectors(WEIGHTED, corpus.words, ppmi(table))]
    return {**{vectors.name: [vectors] for vectors in counted}, LEARNED: learned(corpus, plan, seeds, sentences)}


def learned(corpus: Corpus, plan: SkipGram, seeds: Sequence[int], sentences: int) -> list[WordVectors]:
    """Vectors of each seed; a text shorter than REFERENCE is passed over more often, for as many updates."""
    longer = replace(plan, epochs=ceil(plan.epochs * max(1.0, REFERENCE / sentences)))
    return [WordVectors(LEARNED, corpus.words, skip_gram(corpus, longer, seed)) for seed in seeds]


def with_run(groups: Groups, corpus: Corpus, order: Order) -> Groups:
    """The groups, where a run is given with its own vectors too, and all for those words alone that it has.

    Raises DataError for a run that has too few of them.
    """
    if order.run is None:
        return groups
    theirs = of_run(order.run, corpus.words, order.tensor, order.run.name or "run")
    if len(theirs.words) < LEAST_WORDS:
        expected = f"at least {LEAST_WORDS} that are one piece of its tokenizer"
        raise DataError.because(order.run, f"{len(theirs.words)} words of the text", expected, "take a larger run")
    common = {name: [only(vectors, theirs.words) for vectors in group] for name, group in groups.items()}
    return {**common, f"run {theirs.name}": [replace(theirs, name=f"run {theirs.name}")]}
