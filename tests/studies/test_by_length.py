"""BLEU that is resampled against sacreBLEU's own, buckets by hand, copies by hand, falls in every direction."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU

from regard.errors import DataError
from regard.studies.by_length.bleu import bleu, bleu_draws, counted
from regard.studies.by_length.buckets import Bucket, by_sentences, by_tokens
from regard.studies.by_length.copying import (
    broke_off,
    changes,
    copied,
    copied_exactly,
    inside,
    measured,
    over_texts,
    percent,
    texts_to_copy,
)
from regard.studies.by_length.falls import falls_more, in_bucket

REFERENCES = ["the cat sat on the mat", "a dog ran to the park today", "it rains", "she reads a long book in the sun"]
FOUND = ["the cat sat on a mat", "a dog ran to park", "it snows now", "she reads the long book in the sun"]
SHORT, LONG = Bucket("short", range(4), 5.0), Bucket("long", range(4, 8), 9.0)


def test_bleu_of_any_choice_of_texts_is_sacrebleu_s():
    counts = counted(FOUND, REFERENCES)
    for rows in ([0, 1, 2, 3], [0, 0, 3], [1, 3, 2, 2]):
        wanted = BLEU().corpus_score([FOUND[i] for i in rows], [[REFERENCES[i] for i in rows]]).score
        assert bleu(counts[rows]) == pytest.approx(wanted, abs=1e-9)


def test_draws_of_texts_that_are_all_right_are_all_100_and_others_are_scattered_around_their_bleu():
    assert bleu_draws(counted(REFERENCES, REFERENCES), 20) == pytest.approx(np.full(20, 100.0))
    draws = bleu_draws(counted(FOUND, REFERENCES), 200)
    assert draws.min() < bleu(counted(FOUND, REFERENCES)) < draws.max()


def test_buckets_of_sentences_have_texts_of_so_many(few_pairs):
    known = dict(few_pairs.test)
    long, buckets = by_sentences(few_pairs, (1, 2), (1, 3), texts=4)
    assert [bucket.name for bucket in buckets] == ["1 sentence", "3 sentences"]
    assert [list(bucket.rows) for bucket in buckets] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert all(long.test[row] in known.items() for row in buckets[0].rows)
    for bucket in buckets:
        assert bucket.tokens == np.mean([len(long.test[row][0].split()) for row in bucket.rows])
    assert len(long.train) == len(few_pairs.train)
    longest = max(len(source.split()) for source, _ in few_pairs.train)
    assert longest < max(len(source.split()) for source, _ in long.train) <= 2 * longest


def test_buckets_of_a_corpus_go_from_its_shortest_texts_to_its_longest(few_pairs):
    pairs = replace(few_pairs, test=few_pairs.train[:40])
    ordered, buckets = by_tokens(pairs, 4)
    lengths = [len(source.split()) for source, _ in ordered.test]
    assert lengths == sorted(len(source.split()) for source, _ in pairs.test)
    assert [len(bucket.rows) for bucket in buckets] == [10, 10, 10, 10]
    assert [bucket.tokens for bucket in buckets] == [np.mean(lengths[i : i + 10]) for i in (0, 10, 20, 30)]
    assert buckets[0].name == f"{lengths[0]}–{lengths[9]} tokens"


def test_too_few_texts_for_the_buckets_are_refused(few_pairs):
    with pytest.raises(DataError, match=r"got 10 pairs to test with; expected at least 20, for 2 buckets of length"):
        by_tokens(few_pairs, 2)


def counts_of(good: bool, seed: int = 1) -> np.ndarray:
    """Right on short texts; on long ones right or mostly wrong."""
    generator = np.random.default_rng(seed)
    words = [f"{w}{i}" for i, w in enumerate("abcdefghij")]
    references = [" ".join(generator.permutation(words)) for _ in range(8)]
    wrong = [text.rsplit(" ", 5)[0] + " no no no no no" for text in references]
    return counted(references[:4] + (references if good else wrong)[4:], references)


@pytest.mark.parametrize("seeds", [(1,), (1, 2, 3)])
def test_the_second_arm_loses_more_less_or_as_much(seeds):
    well, badly = ([counts_of(good, seed) for seed in seeds] for good in (True, False))
    fall = np.mean([bleu(one[:4]) - bleu(one[4:]) for one in badly])
    assert fall > 20
    assert falls_more(well, badly, SHORT, LONG).value == pytest.approx(fall)
    assert falls_more(well, badly, SHORT, LONG).larger
    assert falls_more(badly, well, SHORT, LONG).smaller
    low, high = re.findall(r"-?\d+\.\d", falls_more(well, badly, SHORT, LONG).evidence)[:2]
    assert float(low) - 0.1 <= fall <= float(high) + 0.1
    assert not falls_more(badly, badly, SHORT, LONG).sure
    assert in_bucket(well, LONG).value == pytest.approx(100)
    assert in_bucket(badly, LONG).value == pytest.approx(100 - fall)


def test_copies_are_compared_word_by_word():
    assert copied("a b c d", "a b c d") == 1
    assert copied("a b c d", "a x c") == 0.5
    assert copied("a b", "b a") == 0
    assert copied("a b", "a b a b") == 1
    assert broke_off("a b c", "a x")
    assert not broke_off("a b c", "x y z")
    assert not copied_exactly("a b", "a b a b")
    assert not copied_exactly("a b", "a")
    assert copied_exactly("a b", " a  b ")


def test_texts_to_copy_have_words_and_lengths_as_asked_and_the_seed_decides():
    texts = texts_to_copy(["a", "b", "c"], range(1, 5), 200, 1)
    assert all(source == target for source, target in texts)
    assert {len(source.split()) for source, _ in texts} == {1, 2, 3, 4}
    assert {word for source, _ in texts for word in source.split()} == {"a", "b", "c"}
    assert texts == texts_to_copy(["a", "b", "c"], range(1, 5), 200, 1) != texts_to_copy(["a"], range(1, 5), 200, 1)


def test_copies_of_each_length_are_measured_apart(outcome):
    texts = ["a", "b", "a b", "c d"]
    found = measured((1, 2), texts, {"arm": [outcome(translations=["a", "a", "a b", "c x"])]}, copied)
    assert {length: list(values) for length, values in found["arm"][0].items()} == {1: [1, 0], 2: [1, 0.5]}
    assert percent(found["arm"], (1,)) == 50
    assert percent(found["arm"], (1, 2)) == 62.5


def test_a_change_is_the_share_beyond_minus_that_inside():
    shares = {2: np.array([1.0, 1.0]), 4: np.array([1.0, 0.5]), 6: np.array([0.0, 0.25]), 9: np.array([0.9, 0.9])}
    assert list(inside(shares, 4)) == [1, 1, 1, 0.5]
    assert over_texts([shares], 4).value == pytest.approx(75)
    assert over_texts([shares, shares], 6).value == pytest.approx(12.5)
    one = changes([shares], 4, (6,))
    assert one.value == pytest.approx(0.125 - 0.875)
    assert one.smaller
    assert changes([shares, shares], 4, (6,)).value == pytest.approx(0.125 - 0.875)
    assert not changes([{2: np.array([0.0, 1.0]), 6: np.array([1.0, 0.0])}], 2, (6,)).sure
