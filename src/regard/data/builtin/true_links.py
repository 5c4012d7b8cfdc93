"""Which English word of a built-in pair is which German word: known, since the grammar is known.

Both sides have the same clauses in the same order, and within a clause no meaning occurs twice: an article and an
adjective are those of their noun. So words are linked that have a meaning in common.
"""

from __future__ import annotations

import re
from functools import cache

from regard.data.builtin.lexicon import (
    ADJECTIVES,
    ANIMALS,
    HANDLING,
    MOVING,
    NOTICING,
    PERSONS,
    PLACES,
    RESTING,
    SAYING,
    THINGS,
)
from regard.data.builtin.sample import Pair

# The words of one meaning: English | German.
_FUNCTION_WORDS = """
because | weil
that | dass
when | wenn
rains | regnet
i we he she they it | ich wir er sie es
not cannot | nicht kein keine keinen
too | zu
very | sehr
in on by | in auf an im am
can cannot could | kann können konnte konnten
must had have | muss müssen musste mussten
want wants wanted | will wollen wollte wollten
will | werde wird werden
am is are was were | bin ist sind war waren
every | jeden
day | Tag
at night | nachts
last | letzte
week | Woche
today | heute
now | jetzt
yesterday | gestern
tomorrow | morgen
"""
_ARTICLES = (
    {"the", "a", "an"},
    {"der", "die", "das", "den", "dem", "ein", "eine", "einen", "kein", "keine", "keinen", "im", "am"},
)
_VERB, _NOUN = "verb", "noun"  # how such meanings begin
Meanings = dict[str, set[str]]


def true_links(pair: Pair) -> str:
    """Pharaoh's format, English words first, in their order of the text: ``0-0 1-1 3?2``.

    Sure: words that mean the same. Possible: what only helps a verb (did, is …-ing, to, up; a separated prefix), with
    the words of the verb on the other side.
    """
    found, first = [], [0, 0]
    for english, german in zip(_clauses(pair.english, 0), _clauses(pair.german, 1), strict=True):
        sides = _meanings(english, 0), _meanings(german, 1)
        sure = {(s, t) for s, own in enumerate(sides[0]) for t, other in enumerate(sides[1]) if own & other}
        verbs = [{n for n, own in enumerate(side) if not own or any(map(_is_verb, own))} for side in sides]
        helping = [set(range(len(side))) - {link[n] for link in sure} for n, side in enumerate(sides)]
        possible = {(s, t) for s in verbs[0] for t in verbs[1] if s in helping[0] or t in helping[1]} - sure
        for links, mark in ((sure, "-"), (possible, "?")):
            found += [(s + first[0], t + first[1], mark) for s, t in links]
        first = [first[0] + len(english), first[1] + len(german)]
    return " ".join(f"{s}{mark}{t}" for s, t, mark in sorted(found))


def _clauses(text: str, side: int) -> list[list[str]]:
    """The words of each clause, with their punctuation."""
    begins = r"(?<=,) | (?=because |that |when )" if side == 0 else r"(?<=,) "
    text = text.lower() if side == 0 else text[0].lower() + text[1:]  # Junge is a boy, junge is young
    return [clause.split() for clause in re.split(begins, text)]


def _meanings(words: list[str], side: int) -> list[set[str]]:
    known = _lexicon()[side]
    found = [set(known.get(word.strip(".,?"), ())) for word in words]
    if side == 1 and words[-1][:-1] in ("auf", "zu"):
        found[-1] = set()  # a separated prefix
    for place, word in enumerate(words):
        nouns = [one for own in found[place + 1 :] for one in own if one.startswith(_NOUN)]
        if word in _ARTICLES[side]:
            found[place].add(f"article of {nouns[0]}")
        elif place + 1 < len(words) and nouns and nouns[0] in found[place + 1]:
            found[place] = {f"{meaning} {nouns[0]}" for meaning in found[place]}
    return found


def _is_verb(meaning: str) -> bool:
    return meaning.startswith((_VERB, "can", "must", "want", "will", "am"))


@cache
def _lexicon() -> tuple[Meanings, Meanings]:
    """The meanings of every English and every German word form."""
    both: tuple[Meanings, Meanings] = ({}, {})

    def add(meaning: str, english: list[str], german: list[str]) -> None:
        for side, forms in zip(both, (english, german), strict=True):
            for form in forms:
                side.setdefault(form, set()).add(meaning)

    for line in _FUNCTION_WORDS.strip().splitlines():
        english, german = line.split("|")
        add(english, english.split(), german.split())
    for noun in (*ANIMALS, *PERSONS, *THINGS, *(place.noun for place in PLACES)):
        german_forms = [noun.german, noun.accusative, noun.german_plural]
        add(f"{_NOUN} {noun.english}", [noun.english, noun.plural], german_forms)
    for stem, word in ADJECTIVES.items():
        add(word, [word], [stem + ending for ending in ("", "e", "er", "es", "en")])
    for verb in (*MOVING.values(), *RESTING.values(), *HANDLING.values(), *NOTICING.values(), *SAYING.values()):
        past = verb.german_past + ("n" if verb.german_past.endswith("e") else "en")
        forms = [verb.infinitive, verb.infinitive[:-1], verb.german_third, verb.german_past, past]
        forms += [verb.prefix + form for form in forms]
        add(f"{_VERB} {verb.base}", [verb.base, verb.third, verb.past, verb.gerund], forms)
    return both
