"""The grammar of the built-in data against sentences translated by hand."""

from __future__ import annotations

import pytest

from regard.data.builtin import lexicon
from regard.data.builtin.grammar import (
    Clause,
    Phrase,
    Text,
    inverted,
    noun_phrase,
    place_phrase,
    question,
    statement,
    subordinate,
)

NOUNS = {noun.english: noun for noun in (*lexicon.ANIMALS, *lexicon.PERSONS, *lexicon.THINGS)}
NOUNS |= {place.noun.english: place.noun for place in lexicon.PLACES}
PLACES = {place.noun.english: place for place in lexicon.PLACES}
VERBS = lexicon.MOVING | lexicon.RESTING | lexicon.HANDLING | lexicon.NOTICING | lexicon.SAYING


def the(noun: str, adjective: str = "") -> Phrase:
    return noun_phrase(NOUNS[noun], "the", adjective)


def a(noun: str, adjective: str = "") -> Phrase:
    return noun_phrase(NOUNS[noun], "a", adjective)


def many(noun: str, adjective: str = "") -> Phrase:
    return noun_phrase(NOUNS[noun], adjective=adjective, plural=True)


def where(place: str, adjective: str = "") -> Text:
    return place_phrase(PLACES[place], adjective)


I = Phrase("I", "ich", person="first")  # noqa: E741
WE = Phrase("we", "wir", person="plural")
IT = Phrase("it", "sie")
TODAY, YESTERDAY, TOMORROW = Text("today", "heute"), Text("yesterday", "gestern"), Text("tomorrow", "morgen")
TIRED = Text("too tired", "zu müde")
V = VERBS

MAIN = [  # translated by hand
    (Clause(the("dog"), V["schlafen"]), "the dog sleeps", "der Hund schläft"),
    (Clause(many("dog"), V["schlafen"]), "the dogs sleep", "die Hunde schlafen"),
    (Clause(I, V["schlafen"]), "I sleep", "ich schlafe"),
    (Clause(I, V["wissen"]), "I know", "ich weiß"),
    (Clause(many("mouse"), V["sitzen"], "past"), "the mice sat", "die Mäuse saßen"),
    (Clause(many("child"), V["warten"], "past"), "the children waited", "die Kinder warteten"),
    (Clause(I, V["warten"], "progressive"), "I am waiting", "ich warte"),
    (Clause(many("cow"), V["spielen"], "progressive"), "the cows are playing", "die Kühe spielen"),
    (Clause(the("river"), complement=TIRED), "the river is too tired", "der Fluss ist zu müde"),
    (Clause(many("goat"), tense="past", complement=TIRED), "the goats were too tired", "die Ziegen waren zu müde"),
    (Clause(I, complement=TIRED), "I am too tired", "ich bin zu müde"),
    (Clause(the("cat"), negated=True, complement=TIRED), "the cat is not too tired", "die Katze ist nicht zu müde"),
    (Clause(the("woman"), V["sehen"], object=the("bear")), "the woman sees the bear", "die Frau sieht den Bären"),
    (Clause(the("bear"), V["sehen"], object=the("boy")), "the bear sees the boy", "der Bär sieht den Jungen"),
    (
        Clause(the("woman", "alt"), V["sehen"], object=a("dog", "klein")),
        "the old woman sees a small dog",
        "die alte Frau sieht einen kleinen Hund",
    ),
    (
        Clause(a("dog", "klein"), V["finden"], "past", object=the("cat", "schwarz")),
        "a small dog found the black cat",
        "ein kleiner Hund fand die schwarze Katze",
    ),
    (
        Clause(a("horse", "alt"), V["suchen"], "past", object=a("rabbit", "weiß")),
        "an old horse looked for a white rabbit",
        "ein altes Pferd suchte ein weißes Kaninchen",
    ),
    (
        Clause(many("man", "jung"), V["suchen"], object=many("bear", "groß")),
        "the young men look for the big bears",
        "die jungen Männer suchen die großen Bären",
    ),
    (
        Clause(a("cow", "weiß"), V["sehen"], object=the("dog", "schwarz")),
        "a white cow sees the black dog",
        "eine weiße Kuh sieht den schwarzen Hund",
    ),
    (
        Clause(the("girl", "jung"), V["kaufen"], object=a("shirt", "rot")),
        "the young girl buys a red shirt",
        "das junge Mädchen kauft ein rotes Hemd",
    ),
    (
        Clause(the("woman"), V["kaufen"], negated=True, object=a("coat", "neu")),
        "the woman does not buy a new coat",
        "die Frau kauft keinen neuen Mantel",
    ),
    (
        Clause(WE, V["sehen"], negated=True, object=a("mouse")),
        "we do not see a mouse",
        "wir sehen keine Maus",
    ),
    (
        Clause(the("cat"), V["sehen"], "past", negated=True, object=the("mouse")),
        "the cat did not see the mouse",
        "die Katze sah die Maus nicht",
    ),
    (
        Clause(the("man"), V["aufmachen"], object=the("door"), time=TODAY),
        "the man opens the door today",
        "der Mann macht heute die Tür auf",
    ),
    (
        Clause(many("boy"), V["aufheben"], "past", object=a("ball")),
        "the boys picked up a ball",
        "die Jungen hoben einen Ball auf",
    ),
    (
        Clause(many("farmer"), V["mitbringen"], "past", object=the("key")),
        "the farmers brought the key",
        "die Bauern brachten den Schlüssel mit",
    ),
    (
        Clause(the("boy"), V["wegwerfen"], negated=True, object=the("letter")),
        "the boy does not throw away the letter",
        "der Junge wirft den Brief nicht weg",
    ),
    (
        Clause(the("girl"), V["zumachen"], modal="must", object=the("window")),
        "the girl must close the window",
        "das Mädchen muss das Fenster zumachen",
    ),
    (
        Clause(many("girl"), V["zumachen"], "past", modal="must", object=the("window")),
        "the girls had to close the window",
        "die Mädchen mussten das Fenster zumachen",
    ),
    (
        Clause(many("horse"), V["schlafen"], modal="want", place=where("field"), negated=True),
        "the horses do not want to sleep in the field",
        "die Pferde wollen nicht auf dem Feld schlafen",
    ),
    (
        Clause(the("pig"), V["überqueren"], "past", modal="want", object=the("bridge")),
        "the pig wanted to cross the bridge",
        "das Schwein wollte die Brücke überqueren",
    ),
    (
        Clause(the("fox"), V["überqueren"], modal="can", negated=True, object=the("river")),
        "the fox cannot cross the river",
        "der Fuchs kann den Fluss nicht überqueren",
    ),
    (
        Clause(the("cat"), V["schlafen"], "progressive", place=where("garden"), time=TODAY),
        "the cat is sleeping in the garden today",
        "die Katze schläft heute im Garten",
    ),
    (
        Clause(the("cat"), V["schlafen"], modal="will", place=where("kitchen"), time=TOMORROW),
        "the cat will sleep in the kitchen tomorrow",
        "die Katze wird morgen in der Küche schlafen",
    ),
    (
        Clause(the("duck"), V["sitzen"], "past", place=where("river"), negated=True),
        "the duck did not sit by the river",
        "die Ente saß nicht am Fluss",
    ),
    (
        Clause(the("goat"), V["aufwachen"], "past", place=where("house", "klein")),
        "the goat woke up in the small house",
        "die Ziege wachte im kleinen Haus auf",
    ),
    (
        Clause(the("donkey"), V["hinaufsteigen"], "past", negated=True, object=the("hill")),
        "the donkey did not climb the hill",
        "der Esel stieg den Hügel nicht hinauf",
    ),
    (
        Clause(a("bird"), V["erklimmen"], "past", object=the("roof")),
        "a bird climbed the roof",
        "ein Vogel erklomm das Dach",
    ),
    (
        Clause(the("camel"), V["betreten"], object=the("cave")),
        "the camel enters the cave",
        "das Kamel betritt die Höhle",
    ),
    (
        Clause(the("dog"), V["verlassen"], object=the("barn")),
        "the dog leaves the barn",
        "der Hund verlässt die Scheune",
    ),
    (
        Clause(the("dog"), V["verlassen"], "past", object=the("moor")),
        "the dog left the moor",
        "der Hund verließ das Moor",
    ),
    (
        Clause(the("fox"), V["meiden"], "past", object=the("village")),
        "the fox avoided the village",
        "der Fuchs mied das Dorf",
    ),
]


@pytest.mark.parametrize(("clause", "english", "german"), MAIN)
def test_a_main_clause_reads_as_translated_by_hand(clause: Clause, english: str, german: str) -> None:
    assert statement(clause) == (english, german)


TIME_FIRST = [
    (
        Clause(the("dog"), V["überqueren"], "past", negated=True, object=the("street"), time=YESTERDAY),
        "yesterday the dog did not cross the street",
        "gestern überquerte der Hund die Straße nicht",
    ),
    (
        Clause(the("woman"), V["aufmachen"], "progressive", object=the("window"), time=TODAY),
        "today the woman is opening the window",
        "heute macht die Frau das Fenster auf",
    ),
    (
        Clause(many("bird"), V["schlafen"], modal="will", place=where("roof"), time=TOMORROW),
        "tomorrow the birds will sleep on the roof",
        "morgen werden die Vögel auf dem Dach schlafen",
    ),
]


@pytest.mark.parametrize(("clause", "english", "german"), TIME_FIRST)
def test_the_verb_stays_second_when_the_time_comes_first(clause: Clause, english: str, german: str) -> None:
    assert statement(clause, time_first=True) == (english, german)


SUBORDINATE = [
    (Clause(IT, tense="past", complement=TIRED), "it was too tired", "sie zu müde war"),
    (Clause(the("man"), V["aufmachen"], object=the("door")), "the man opens the door", "der Mann die Tür aufmacht"),
    (
        Clause(many("child"), V["wegwerfen"], "past", negated=True, object=the("book"), time=YESTERDAY),
        "the children did not throw away the book yesterday",
        "die Kinder gestern das Buch nicht wegwarfen",
    ),
    (
        Clause(the("dog"), V["überqueren"], "past", modal="can", negated=True, object=the("river")),
        "the dog could not cross the river",
        "der Hund den Fluss nicht überqueren konnte",
    ),
    (
        Clause(the("boy"), V["mitbringen"], modal="want", object=a("ball", "rot")),
        "the boy wants to bring a red ball",
        "der Junge einen roten Ball mitbringen will",
    ),
    (
        Clause(the("bear"), V["schlafen"], place=where("forest"), time=TODAY, tense="progressive"),
        "the bear is sleeping in the forest today",
        "der Bär heute im Wald schläft",
    ),
]


@pytest.mark.parametrize(("clause", "english", "german"), SUBORDINATE)
def test_the_verb_of_a_subordinate_clause_comes_last(clause: Clause, english: str, german: str) -> None:
    assert subordinate(clause) == (english, german)


QUESTIONS = [
    (
        Clause(the("woman"), V["kaufen"], object=a("coat", "neu")),
        "does the woman buy a new coat",
        "kauft die Frau einen neuen Mantel",
    ),
    (Clause(many("cat"), V["schlafen"], "progressive"), "are the cats sleeping", "schlafen die Katzen"),
    (
        Clause(the("boy"), V["zumachen"], object=the("bag")),
        "does the boy close the bag",
        "macht der Junge die Tasche zu",
    ),
    (
        Clause(many("girl"), V["suchen"], modal="want", object=the("cat")),
        "do the girls want to look for the cat",
        "wollen die Mädchen die Katze suchen",
    ),
    (Clause(the("dog"), V["warten"], modal="can"), "can the dog wait", "kann der Hund warten"),
]


@pytest.mark.parametrize(("clause", "english", "german"), QUESTIONS)
def test_a_question_begins_with_the_verb(clause: Clause, english: str, german: str) -> None:
    assert question(clause) == (english, german)
    assert inverted(clause) == german
