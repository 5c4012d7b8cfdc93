"""The laws of German over every sentence of the built-in data."""

from __future__ import annotations

import re

import pytest

from regard.data.builtin.sample import Pair, splits


def listed(words: str) -> list[str]:
    return words.split()


# the laws, over everything that the grammar writes; the word lists are by hand
FINITE = set(
    listed("""
    ist sind war waren bin kann können konnte konnten muss müssen musste mussten will wollen wollte wollten wird
    werden regnet schläft schlafen schlief schliefen wartet warten wartete warteten spielt spielen spielte spielten
    sitzt sitzen saß saßen sieht sehen sah sahen findet finden fand fanden sucht suchen suchte suchten
    kauft kaufen kaufte kauften trägt tragen trug trugen""")
)
SEPARABLE = {
    "auf": listed("wacht wachen wachte wachten macht machen machte machten hebt heben hob hoben"),
    "zu": listed("macht machen machte machten"),
    "weg": listed("wirft werfen warf warfen"),
    "mit": listed("bringt bringen brachte brachten"),
}
JOINED = {prefix + verb for prefix, verbs in SEPARABLE.items() for verb in verbs}
MOVED = set(
    listed("""
    überquert überquerte durchquert durchquerte steigt stieg erklimmt erklomm betritt betrat erreicht erreichte
    erkundet erkundete verlässt verließ meidet mied wissen weiß sagt sagen glaubt glauben""")
)
STARTS = FINITE | MOVED | {verb for verbs in SEPARABLE.values() for verb in verbs}
TIMES = ("gestern", "heute", "morgen", "jetzt", "nachts", "letzte Woche", "jeden Tag")


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    return [pair for split in splits(5).values() for pair in split]


@pytest.fixture(scope="module")
def german(pairs: list[Pair]) -> list[str]:
    return [pair.german for pair in pairs]


def test_every_subordinate_clause_ends_with_its_finite_verb(german: list[str]) -> None:
    seen = set()
    for sentence in german:
        for conjunction, clause in re.findall(r"\b([Ww]eil|[Dd]ass|[Ww]enn) ([^,.?]*)", sentence):
            seen.add(conjunction)
            assert clause.split()[-1] in FINITE | JOINED, sentence
    assert seen == {"weil", "dass", "wenn", "Wenn"}


def test_every_subordinate_clause_is_set_off_by_a_comma(german: list[str]) -> None:
    for sentence in german:
        assert not re.search(r"[^,] (weil|dass|wenn)\b", sentence), sentence


def test_a_prefix_ends_the_main_clause_of_its_own_verb_only(german: list[str]) -> None:
    seen = set()
    for sentence in german:
        for clause in re.split(r"[,.?] ?", sentence):
            if clause.split()[-1:] and (prefix := clause.split()[-1]) in SEPARABLE:
                assert set(clause.lower().split()) & set(SEPARABLE[prefix]), sentence
                seen.add(prefix)
    assert seen == set(SEPARABLE)


def test_after_a_time_in_front_comes_the_verb(german: list[str]) -> None:
    fronted = [sentence for sentence in german if sentence.lower().startswith(TIMES)]
    assert len(fronted) > 500
    for sentence in fronted:
        time = next(time for time in TIMES if sentence.lower().startswith(time))
        assert sentence[len(time) :].split()[0] in STARTS, sentence


def test_time_comes_before_place(german: list[str]) -> None:
    checked = 0
    for sentence in german:
        for clause in re.split(r"[,.?] ?", sentence):
            time = re.search(rf"\b({'|'.join(TIMES)})\b", clause, re.IGNORECASE)
            place = re.search(r"\b(im|am|in der|auf der|auf dem)\b", clause)
            if time and place:
                checked += 1
                assert time.start() < place.start(), sentence
    assert checked > 300


# noun: what may stand right before it with an article, by hand
AGREEMENT = {
    "Hund": "der e|ein er|den en|einen en|keinen en",
    "Bär": "der e|ein er",
    "Bären": "den en|einen en|keinen en|die en",
    "Katze": "die e|eine e|keine e",
    "Pferd": "das e|ein es|kein es",
    "Mädchen": "das e|ein es|kein es|die en",
    "Bauer": "der e|ein er",
    "Mantel": "den en|einen en|keinen en",
    "Tür": "die e|eine e|keine e",
    "Buch": "das e|ein es|kein es",
    "Garten": "der e|den en|im en",
    "Straße": "die e|der en",
    "Feld": "das e|dem en",
    "Katzen": "die en",
    "Kinder": "die en",
}


@pytest.mark.parametrize("noun", AGREEMENT)
def test_article_adjective_and_noun_agree(german: list[str], noun: str) -> None:
    allowed = {tuple(form.split()) for form in AGREEMENT[noun].split("|")}
    checked = 0
    for sentence in german:
        for before in re.findall(rf"((?:\w+ )+){noun}\b", sentence):
            *_, second, first = ["", *before.lower().split()]
            inflected = re.search(r"^(?:klein|groß|alt|jung|weiß|schwarz|neu|rot)(\w+)$", first)
            if inflected:
                assert (second, inflected[1]) in allowed, sentence
            else:
                assert first in {article for article, _ in allowed}, sentence
            checked += 1
    assert checked > 20


def test_the_verb_of_a_reason_has_the_number_and_tense_of_the_english_one(pairs: list[Pair]) -> None:
    german_of = {"is": "ist", "are": "sind", "was": "war", "were": "waren"}
    seen = set()
    for pair in pairs:
        if found := re.search(r" because (?:it|he|she|they) (\w+) (?:too|very) \w+\.$", pair.english):
            assert pair.german.endswith(f" {german_of[found[1]]}."), pair.german
            seen.add(found[1])
    assert seen == set(german_of)
