"""Phrases and clauses in English and in German, side by side.

Agreement: article, adjective and noun by gender, case and number; the verb by person and number.
Word order: a German main clause has its finite verb second, a subordinate clause has it last, a question first; the
prefix of a separable verb and the infinitive under a modal verb end the main clause. In the middle stand time, object,
"nicht", place, in this order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from regard.data.builtin.lexicon import ADJECTIVES, Noun, Place, Verb

Person = Literal["first", "third", "plural"]  # I; he, she, it, the dog; we, they, the dogs
Tense = Literal["present", "progressive", "past"]
Modal = Literal["can", "must", "want", "will"]

# by determiner and case; then masculine, feminine, neuter
_ARTICLES = {
    "the": {"nominative": ("der", "die", "das"), "accusative": ("den", "die", "das")},
    "a": {"nominative": ("ein", "eine", "ein"), "accusative": ("einen", "eine", "ein")},
}
_ENDINGS = {
    "the": {"nominative": ("e", "e", "e"), "accusative": ("en", "e", "e")},
    "a": {"nominative": ("er", "e", "es"), "accusative": ("en", "e", "es")},
}
_DATIVE = {"m": "dem", "f": "der", "n": "dem"}
_CONTRACTIONS = {"in dem": "im", "an dem": "am"}

_GERMAN_MODALS = {
    "can": ("kann", "kann", "können", "konnte"),
    "must": ("muss", "muss", "müssen", "musste"),
    "want": ("will", "will", "wollen", "wollte"),
    "will": ("werde", "wird", "werden", ""),
}
_ENGLISH_MODALS = {
    ("can", "present"): ("can", "cannot"),
    ("can", "past"): ("could", "could not"),
    ("must", "present"): ("must", "must not"),
    ("must", "past"): ("had to", "did not have to"),
    ("will", "present"): ("will", "will not"),
}


class Text(NamedTuple):
    """The same words in both languages."""

    english: str
    german: str


@dataclass(frozen=True)
class Phrase:
    """A noun phrase or pronoun; ``denied`` is its accusative under negation ("keinen Hund"), where it has one."""

    english: str
    nominative: str
    accusative: str = ""
    denied: str = ""
    person: Person = "third"


@dataclass(frozen=True)
class Clause:
    """One clause; without a ``verb`` it is "to be" and needs a ``complement``."""

    subject: Phrase
    verb: Verb | None = None
    tense: Tense = "present"
    modal: Modal | None = None
    negated: bool = False
    object: Phrase | None = None
    place: Text | None = None
    time: Text | None = None
    complement: Text | None = None


def noun_phrase(noun: Noun, determiner: str = "the", adjective: str = "", plural: bool = False) -> Phrase:
    """The noun with "the" or, in the singular, "a"; ``adjective`` in German, as in the lexicon.

    "the small dog": der kleine Hund, den kleinen Hund; "a small dog": ein kleiner Hund, denied keinen kleinen Hund.
    """
    head = _join([ADJECTIVES.get(adjective, ""), noun.plural if plural else noun.english])
    if plural:
        german = _join(["die", adjective and f"{adjective}en", noun.german_plural])
        return Phrase(f"the {head}", german, german, person="plural")
    nominative = _inflect(noun.german, noun.gender, determiner, adjective, "nominative")
    accusative = _inflect(noun.accusative, noun.gender, determiner, adjective, "accusative")
    if determiner == "the":
        return Phrase(f"the {head}", nominative, accusative)
    article = "an" if head[0] in "aeiou" else "a"
    return Phrase(f"{article} {head}", nominative, accusative, denied=f"k{accusative}")


def _inflect(word: str, gender: str, determiner: str, adjective: str, case: str) -> str:
    column = "mfn".index(gender)
    ending = _ENDINGS[determiner][case][column]
    return _join([_ARTICLES[determiner][case][column], adjective and adjective + ending, word])


def place_phrase(place: Place, adjective: str = "") -> Text:
    """Where something is: "in the small garden", "im kleinen Garten" (dative)."""
    article = f"{place.german_preposition} {_DATIVE[place.noun.gender]}"
    return Text(
        _join([place.preposition, "the", ADJECTIVES.get(adjective, ""), place.noun.english]),
        _join([_CONTRACTIONS.get(article, article), adjective and f"{adjective}en", place.noun.german]),
    )


def statement(clause: Clause, time_first: bool = False) -> Text:
    """A main clause: the finite verb is second in German."""
    auxiliary, rest = _english_verb(clause)
    words = [clause.subject.english, auxiliary, rest, *_english_rest(clause, with_time=not time_first)]
    finite, end = _german_verb(clause)
    subject = clause.subject.nominative
    if not time_first or clause.time is None:
        return Text(_join(words), _join([subject, finite, *_middle(clause), end]))
    german = [clause.time.german, finite, subject, *_middle(clause, with_time=False), end]
    return Text(_join([clause.time.english, *words]), _join(german))


def question(clause: Clause) -> Text:
    """A yes-or-no question in the present: the finite verb is first in German."""
    auxiliary, rest = _english_verb(clause, question=True)
    english = _join([auxiliary, clause.subject.english, rest, *_english_rest(clause)])
    return Text(english, inverted(clause))


def inverted(clause: Clause) -> str:
    """The German main clause with the finite verb first, as after a subordinate clause."""
    finite, end = _german_verb(clause)
    return _join([finite, clause.subject.nominative, *_middle(clause), end])


def subordinate(clause: Clause) -> Text:
    """A clause after "because", "that", "when": the finite verb is last in German, its prefix joined to it."""
    auxiliary, rest = _english_verb(clause)
    english = _join([clause.subject.english, auxiliary, rest, *_english_rest(clause)])
    finite, end = _german_verb(clause)
    last = f"{end} {finite}" if clause.modal else f"{end}{finite}"
    return Text(english, _join([clause.subject.nominative, *_middle(clause), last]))


def _join(words: list[str]) -> str:
    return " ".join(word for word in words if word)


def _english_rest(clause: Clause, with_time: bool = True) -> list[str]:
    words = [clause.object.english] if clause.object else []
    words += [text.english for text in (clause.complement, clause.place) if text]
    return [*words, clause.time.english] if clause.time and with_time else words


def _middle(clause: Clause, with_time: bool = True) -> list[str]:
    """The German middle field: time, object, nicht, place, complement."""
    words = [clause.time.german] if clause.time and with_time else []
    denied = clause.negated and clause.object is not None and clause.object.denied
    if clause.object:
        words.append(clause.object.denied if denied else clause.object.accusative)
    if clause.negated and not denied:
        words.append("nicht")
    return words + [text.german for text in (clause.place, clause.complement) if text]


def _english_verb(clause: Clause, question: bool = False) -> tuple[str, str]:
    """(auxiliary or "", the rest of the verb), with "do" where English needs it."""
    person, verb, tense = clause.subject.person, clause.verb, clause.tense
    negation = "not" if clause.negated else ""
    if verb is None:
        return _to_be(person, tense), negation
    base, particle = _join([verb.base, verb.particle]), verb.particle
    if (clause.modal, tense) in _ENGLISH_MODALS:
        return _ENGLISH_MODALS[clause.modal, tense][clause.negated], base  # type: ignore[index]
    if tense == "progressive":
        return _to_be(person, tense), _join([negation, verb.gerund, particle])
    forms = (verb.third, verb.past)
    if clause.modal == "want":
        base, forms, particle = f"want to {base}", (f"wants to {base}", f"wanted to {base}"), ""
    if clause.negated or question:
        return _join([_to_do(person, tense), negation]), base
    if tense == "past":
        return "", _join([forms[1], particle])
    return "", _join([forms[0], particle]) if person == "third" else base


def _to_be(person: Person, tense: Tense) -> str:
    if tense == "past":
        return "were" if person == "plural" else "was"
    return {"first": "am", "third": "is", "plural": "are"}[person]


def _to_do(person: Person, tense: Tense) -> str:
    if tense == "past":
        return "did"
    return "does" if person == "third" else "do"


def _german_verb(clause: Clause) -> tuple[str, str]:
    """(finite verb, what ends the main clause: a prefix or an infinitive)."""
    person, verb, past = clause.subject.person, clause.verb, clause.tense == "past"
    if verb is None:
        present = {"first": "bin", "third": "ist", "plural": "sind"}[person]
        return (_past("war", person) if past else present), ""
    if clause.modal:
        first, third, plural, past_form = _GERMAN_MODALS[clause.modal]
        present = {"first": first, "third": third, "plural": plural}[person]
        return (_past(past_form, person) if past else present), verb.prefix + verb.infinitive
    if past:
        return _past(verb.german_past, person), verb.prefix
    first = verb.german_third if verb.infinitive == "wissen" else verb.infinitive[:-1]
    return {"first": first, "third": verb.german_third, "plural": verb.infinitive}[person], verb.prefix


def _past(form: str, person: Person) -> str:
    """The plural of a past form: machte, machten; schlief, schliefen; I and he share one form."""
    if person != "plural":
        return form
    return form + ("n" if form.endswith("e") else "en")
