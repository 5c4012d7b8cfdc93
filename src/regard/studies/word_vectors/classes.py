"""The classes of the built-in data's words: animals with animals, verbs of moving with verbs of moving.

They are the tables of the lexicon, verbs and nouns in all their forms. A word of two tables has no class.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from regard.data.builtin import lexicon
from regard.data.builtin.lexicon import Noun, Verb


def classes() -> dict[str, str]:
    """English word → its class; a word of two classes is left out."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, words in _tables().items():
        for word in words:
            found[word].add(name)
    return {word: names.pop() for word, names in found.items() if len(names) == 1}


def _tables() -> dict[str, set[str]]:
    nouns = {"animal": lexicon.ANIMALS, "person": lexicon.PERSONS, "thing": lexicon.THINGS}
    verbs = {
        "moving": lexicon.MOVING,
        "resting": lexicon.RESTING,
        "handling": lexicon.HANDLING,
        "noticing": lexicon.NOTICING,
        "saying": lexicon.SAYING,
    }
    feelings = {lexicon.ADJECTIVES[german] for words in lexicon.WHY_ANIMALS.values() for german in words}
    qualities = {
        lexicon.ADJECTIVES[german] for place in lexicon.PLACES for words in place.actions.values() for german in words
    }
    looks = set(lexicon.GERMAN_ADJECTIVES) - feelings - qualities
    return {
        **{name: _forms(table) for name, table in nouns.items()},
        "place": _forms(place.noun for place in lexicon.PLACES),
        **{name: _verb_forms(table.values()) for name, table in verbs.items()},
        "feeling": feelings,
        "quality": qualities,
        "look": looks,
    }


def _forms(nouns: Iterable[Noun]) -> set[str]:
    return {form for noun in nouns for form in (noun.english, noun.plural) if form}


def _verb_forms(verbs: Iterable[Verb]) -> set[str]:
    return {form for verb in verbs for form in (verb.base, verb.third, verb.past, verb.gerund) if form}
