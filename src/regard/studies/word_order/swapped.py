"""Sentences that differ in the order of their words alone: who sees whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from regard.data.builtin.grammar import Clause, noun_phrase, statement
from regard.data.builtin.lexicon import ANIMALS, NOTICING, PERSONS, Noun, Verb
from regard.data.builtin.sample import split_of
from regard.studies.frame.pairs import Pair


@dataclass(frozen=True)
class Swapped:
    """Two sources, such as "The dog sees the cat." and "The cat sees the dog.", with the same words.

    ``translations``: of both, where they are known.
    """

    first: str
    second: str
    translations: tuple[str, str] | None = None


def built_in() -> list[Swapped]:
    """Who sees, finds or looks for whom, both ways, for all pairs of nouns held out for the test."""
    couples = [
        couple for couple in combinations(ANIMALS + PERSONS, 2) if split_of([one.english for one in couple]) == "test"
    ]
    found = []
    for one, other in couples:
        for verb in NOTICING.values():
            (first, german), (second, swapped) = _sentence(one, verb, other), _sentence(other, verb, one)
            found.append(Swapped(first, second, (german, swapped)))
    return found


def reversed_words(sources: Sequence[str]) -> list[Swapped]:
    """Each text and its words from the last to the first, where that is another text."""
    backwards = [Swapped(text, " ".join(reversed(text.split()))) for text in sources]
    return [one for one in backwards if one.first.split() != one.second.split()]


def _sentence(who: Noun, verb: Verb, whom: Noun) -> Pair:
    english, german = statement(Clause(noun_phrase(who), verb, object=noun_phrase(whom)))
    return (f"{english[0].upper()}{english[1:]}.", f"{german[0].upper()}{german[1:]}.")
