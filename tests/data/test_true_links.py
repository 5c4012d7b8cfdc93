"""The word alignment of the built-in data, beside what a reader of both languages would draw."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from regard.data.builtin.sample import Pair, splits
from regard.data.builtin.true_links import true_links

BY_HAND = [
    (  # 0 The, 1 small, 2 dog, 3 did, 4 not, 5 climb, 6 the, 7 hill, 8 because, 9 it, 10 was, 11 too, 12 steep
        "The small dog did not climb the hill because it was too steep.",
        "Der kleine Hund stieg den Hügel nicht hinauf, weil er zu steil war.",
        "0-0 1-1 2-2 3?3 3?7 4-6 5-3 5?7 6-4 7-5 8-8 9-9 10-12 11-10 12-11",
    ),
    (  # im is "in the"; "at night" is one word in German
        "Can the duck play in the garden at night?",
        "Kann die Ente nachts im Garten spielen?",
        "0-0 1-1 2-2 3-6 4-4 5-4 6-5 7-3 8-3",
    ),
    (  # keinen is "not" and "a"; Jungen the boy, junge young; the small and the big one are kept apart
        "The big child does not see a young boy.",
        "Das große Kind sieht keinen jungen Jungen.",
        "0-0 1-1 2-2 3?3 4-4 5-3 6-4 7-5 8-6",
    ),
    (  # the clauses change nothing but their insides; auf is a preposition here and a prefix there
        "When it rains, the big cat wakes up on the small bridge.",
        "Wenn es regnet, wacht die große Katze auf der kleinen Brücke auf.",
        "0-0 1-1 2-2 3-4 4-5 5-6 6-3 6?11 7?3 7?11 8-7 9-8 10-9 11-10",
    ),
    (
        "The small dog sees the small cat.",
        "Der kleine Hund sieht die kleine Katze.",
        "0-0 1-1 2-2 3-3 4-4 5-5 6-6",
    ),
]


@pytest.mark.parametrize(("english", "german", "links"), BY_HAND)
def test_the_links_by_hand(english: str, german: str, links: str):
    assert true_links(Pair(english, german)) == links


def test_every_word_of_the_data_is_linked_and_few_twice():
    twice: Counter[str] = Counter()
    for pair in [one for pairs in splits().values() for one in pairs]:
        links = [(int(s), mark, int(t)) for s, mark, t in re.findall(r"(\d+)([-?])(\d+)", true_links(pair))]
        english, german = pair.english.split(), pair.german.split()
        assert {s for s, _, _ in links} == set(range(len(english))), pair
        assert {t for _, _, t in links} == set(range(len(german))), pair
        sure = [(s, t) for s, mark, t in links if mark == "-"]
        twice.update(german[t].lower() for t, count in Counter(t for _, t in sure).items() if count > 1)
        twice.update(english[s].lower() for s, count in Counter(s for s, _ in sure).items() if count > 1)
    assert set(twice) == {"im", "am", "nachts", "cannot", "kein", "keine", "keinen"}
