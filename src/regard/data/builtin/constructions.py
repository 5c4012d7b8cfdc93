"""The kinds of sentences that the built-in data consists of; each draws one sentence at random.

Every sentence names the pairs of nouns in it: they decide whether it is for training or for testing (see sample.py).
What English leaves open and German must decide, such as the gender of a teacher, is not drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from regard.data.builtin.draw import Draw
from regard.data.builtin.grammar import (
    Clause,
    Modal,
    Phrase,
    Tense,
    Text,
    inverted,
    noun_phrase,
    place_phrase,
    question,
    statement,
    subordinate,
)
from regard.data.builtin.lexicon import (
    ADJECTIVES,
    AFFIRMED,
    ANIMALS,
    HANDLED,
    HANDLING,
    MOVING,
    NOTICING,
    PERSONS,
    PLACES,
    PRONOUNS,
    RESTING,
    SAYING,
    THINGS,
    WHY_ANIMALS,
    Noun,
)

_TIMES: dict[str, list[Text]] = {
    "present": [Text("every day", "jeden Tag"), Text("at night", "nachts")],
    "progressive": [Text("today", "heute"), Text("now", "jetzt")],
    "past": [Text("yesterday", "gestern"), Text("last week", "letzte Woche")],
    "will": [Text("tomorrow", "morgen")],
}
_SPEAKERS = (
    Phrase("I", "ich", person="first"),
    Phrase("we", "wir", person="plural"),
    Phrase("he", "er"),
    Phrase("she", "sie"),
    Phrase("they", "sie", person="plural"),
)
_FEELINGS = ("müde", "hungrig", "durstig", "krank", "schläfrig", "nervös")
_YOUNG = ("boy", "girl", "child")
_RAIN = Text("when it rains", "wenn es regnet")


@dataclass(frozen=True)
class Sentence:
    """A finished pair; ``nouns`` are its English nouns, ``puzzle`` says what "it" is (animal, place, antecedent)."""

    english: str
    german: str
    nouns: tuple[str, ...]
    puzzle: tuple[Noun, Noun, str] | None = None


Construction = Callable[[Draw], Sentence]


def _finished(
    text: Text, nouns: Sequence[Noun], mark: str = ".", puzzle: tuple[Noun, Noun, str] | None = None
) -> Sentence:
    english, german = (side[0].upper() + side[1:] + mark for side in text)
    return Sentence(english, german, tuple(noun.english for noun in nouns), puzzle)


def _too(draw: Draw, german: str) -> Text:
    return _very(german) if draw.chance(0.3) else Text(f"too {ADJECTIVES[german]}", f"zu {german}")


def _very(german: str) -> Text:
    return Text(f"very {ADJECTIVES[german]}", f"sehr {german}")


def _person(draw: Draw, noun: Noun) -> Phrase:
    suitable = ("klein",) if noun.english in _YOUNG else ("alt", "jung")
    adjective = draw.pick(suitable) if draw.chance(0.2) else ""
    return noun_phrase(noun, draw.pick(("the", "the", "the", "a")), adjective, plural=draw.chance(0.3))


def _creature(draw: Draw, animal: Noun, plural: float = 0.3) -> Phrase:
    adjective = draw.pick(("klein", "groß", "weiß", "schwarz")) if draw.chance(0.25) else ""
    return noun_phrase(animal, draw.pick(("the", "the", "the", "a")), adjective, plural=draw.chance(plural))


def _thing(draw: Draw, thing: Noun) -> Phrase:
    adjective = draw.pick(("klein", "groß", "alt", "neu", "rot", "weiß", "schwarz")) if draw.chance(0.4) else ""
    return noun_phrase(thing, draw.pick(("the", "a")), adjective)


def _circumstances(draw: Draw, clause: Clause) -> Clause:
    """The clause with a tense, perhaps a modal verb, a negation and a time that suit each other."""
    modal: Modal | None = draw.pick(("can", "must", "want", "will")) if draw.chance(0.2) else None
    stative = clause.verb is None or clause.verb.stative
    tenses: tuple[Tense, ...] = ("present", "past") if modal or stative else ("present", "progressive", "past")
    tense: Tense = "present" if modal == "will" else draw.pick(tenses)
    time = draw.pick(_TIMES["will" if modal == "will" else tense]) if draw.chance(0.4) else None
    every_day = time is not None and time.german == "jeden Tag"
    negated = modal != "must" and not every_day and draw.chance(0.2)  # "not … every day" could mean "on some days"
    return replace(clause, tense=tense, modal=modal, time=time, negated=negated)


def _resting(draw: Draw) -> tuple[Clause, list[Noun]]:
    who, place = draw.pick(ANIMALS + PERSONS), draw.pick(PLACES)
    subject = _person(draw, who) if who in PERSONS else _creature(draw, who)
    adjective = draw.pick(("klein", "groß")) if draw.chance(0.15) else ""
    clause = Clause(subject, draw.pick(tuple(RESTING.values())), place=place_phrase(place, adjective))
    return clause, [who, place.noun]


def _handling(draw: Draw) -> tuple[Clause, list[Noun]]:
    who, action = draw.pick(PERSONS), draw.pick(tuple(HANDLING))
    name = draw.pick(HANDLED[action])
    thing = next(noun for noun in THINGS if noun.english == name)
    return Clause(_person(draw, who), HANDLING[action], object=_thing(draw, thing)), [who, thing]


def _noticing(draw: Draw) -> tuple[Clause, list[Noun]]:
    who = draw.pick(ANIMALS + PERSONS)
    whom = draw.pick([one for one in ANIMALS + PERSONS if one != who])
    subject, other = (_person(draw, one) if one in PERSONS else _creature(draw, one) for one in (who, whom))
    return Clause(subject, draw.pick(tuple(NOTICING.values())), object=other), [who, whom]


def _scene(draw: Draw) -> tuple[Clause, list[Noun]]:
    return draw.pick((_resting, _handling, _noticing))(draw)


def puzzle(draw: Draw) -> Sentence:
    """The puzzle: "The dog did not cross the street because it was too tired." where German must know what "it" is."""
    animal, place = draw.pick(ANIMALS), draw.pick(PLACES)
    if animal.gender == place.noun.gender and draw.chance(0.75):  # nothing to decide: a few will do
        return puzzle(draw)
    antecedent = draw.pick(("animal", "place"))
    action = draw.pick(tuple(place.actions))
    negated = action not in AFFIRMED
    modals: tuple[Modal, ...] = ("can", "want") if negated else ("must", "want")
    main = Clause(
        _creature(draw, animal, plural=0),
        MOVING[action],
        tense="past" if draw.chance(0.7) else "present",
        modal=draw.pick(modals) if draw.chance(0.3) else None,
        negated=negated,
        object=noun_phrase(place.noun),
    )
    if draw.chance(0.25):
        main = replace(main, time=draw.pick(_TIMES["past"] if main.tense == "past" else _TIMES["present"][1:]))
    noun, reasons = (animal, WHY_ANIMALS[action]) if antecedent == "animal" else (place.noun, place.actions[action])
    it = Phrase("it", PRONOUNS[noun.gender])
    reason = subordinate(Clause(it, tense=main.tense, complement=_too(draw, draw.pick(reasons))))
    text = _because(statement(main, time_first=True), reason)
    return _finished(text, (animal, place.noun), puzzle=(animal, place.noun, antecedent))


def _because(main: Text, reason: Text) -> Text:
    return Text(f"{main.english} because {reason.english}", f"{main.german}, weil {reason.german}")


def simple(draw: Draw) -> Sentence:
    """One main clause, such as "Now the cats are sleeping in the garden." or "The woman opened an old door"."""
    clause, nouns = _scene(draw)
    return _finished(statement(_circumstances(draw, clause), time_first=draw.chance(0.5)), nouns)


def asked(draw: Draw) -> Sentence:
    """A yes-or-no question, such as "Does the woman buy a new coat?" in the present."""
    clause, nouns = _scene(draw)
    clause = replace(_circumstances(draw, clause), negated=False)
    return _finished(question(clause), nouns, "?") if clause.tense != "past" else asked(draw)


def quality(draw: Draw) -> Sentence:
    """What a place is like, such as "The river is very deep", to say which adjectives are for places."""
    place = draw.pick(PLACES)
    adjective = draw.pick(sorted({word for words in place.actions.values() for word in words}))
    tense: Tense = draw.pick(("present", "past"))
    clause = Clause(noun_phrase(place.noun), tense=tense, complement=_too(draw, adjective))
    return _finished(statement(clause), [place.noun])


def reported(draw: Draw) -> Sentence:
    """A dass-clause, such as "She says that the boy closes the window"."""
    clause, nouns = _scene(draw)
    speaker = draw.pick(PERSONS)
    subject = _person(draw, speaker) if draw.chance(0.4) else draw.pick(_SPEAKERS)
    if subject not in _SPEAKERS:
        nouns = [speaker, *nouns]
    main = statement(Clause(subject, draw.pick(tuple(SAYING.values()))))
    said = subordinate(_circumstances(draw, clause))
    return _finished(Text(f"{main.english} that {said.english}", f"{main.german}, dass {said.german}"), nouns)


def explained(draw: Draw) -> Sentence:
    """A weil-clause that is no puzzle, such as "The man is sleeping in the house because he is very tired"."""
    clause, nouns = _resting(draw)
    clause = replace(_circumstances(draw, clause), modal=None, negated=False)
    who = nouns[0]
    if clause.subject.person == "plural":
        subject = Phrase("they", "sie", person="plural")
    elif who in ANIMALS:
        subject = Phrase("it", PRONOUNS[who.gender])
    elif who.gender == "n":  # "das Mädchen" is "es" to some and "sie" to others
        return explained(draw)
    else:
        subject = Phrase("he" if who.gender == "m" else "she", PRONOUNS[who.gender])
    tense: Tense = "past" if clause.tense == "past" else "present"
    reason = Clause(subject, tense=tense, complement=_very(draw.pick(_FEELINGS)))
    return _finished(_because(statement(clause, time_first=draw.chance(0.5)), subordinate(reason)), nouns)


def conditional(draw: Draw) -> Sentence:
    """A wenn-clause, before or after, such as "When the child is tired, the woman closes the window"."""
    clause, nouns = _scene(draw)
    modal: Modal | None = draw.pick(("can", "must")) if draw.chance(0.3) else None
    clause = replace(clause, modal=modal)
    condition = _RAIN
    if draw.chance(0.5):
        other = draw.pick([person for person in PERSONS if person not in nouns])
        feeling = Text(ADJECTIVES[adjective := draw.pick(_FEELINGS)], adjective)
        state = subordinate(Clause(_person(draw, other), complement=feeling))
        condition = Text(f"when {state.english}", f"wenn {state.german}")
        nouns = [other, *nouns]
    main = statement(clause)
    if draw.chance(0.5):
        return _finished(Text(f"{main.english} {condition.english}", f"{main.german}, {condition.german}"), nouns)
    text = Text(f"{condition.english}, {main.english}", f"{condition.german}, {inverted(clause)}")
    return _finished(text, nouns)


SHARES: dict[Construction, int] = {  # per hundred sentences
    puzzle: 50,
    simple: 18,
    reported: 7,
    conditional: 8,
    explained: 6,
    asked: 8,
    quality: 3,
}
