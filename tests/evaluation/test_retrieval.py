from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.neighbors import NearestNeighbors

from regard.errors import DataError, SettingError
from regard.evaluation import retrieval as module
from regard.evaluation.retrieval import nearest, of_length_one, retrieval

RANDOM = np.random.default_rng(2)
QUERIES, CANDIDATES = RANDOM.normal(size=(9, 4)), RANDOM.normal(size=(30, 4))


def test_for_vectors_of_length_one_dot_product_and_cosine_are_the_same():
    sides = of_length_one(QUERIES), of_length_one(CANDIDATES)
    by_dot, by_cosine = nearest(*sides, 5, "dot"), nearest(*sides, 5, "cosine")
    np.testing.assert_array_equal(by_dot.numbers, by_cosine.numbers)
    np.testing.assert_allclose(by_dot.similarities, by_cosine.similarities, atol=1e-14)
    unlike = nearest(QUERIES, CANDIDATES, 5, "dot").numbers != nearest(QUERIES, CANDIDATES, 5).numbers
    assert unlike.any()  # and for others they are not


def test_the_nearest_are_those_of_scikit_learn():
    found = nearest(QUERIES, CANDIDATES, 6)
    distances, numbers = NearestNeighbors(n_neighbors=6, metric="cosine").fit(CANDIDATES).kneighbors(QUERIES)
    np.testing.assert_array_equal(found.numbers, numbers)
    np.testing.assert_allclose(found.similarities, 1 - distances, atol=1e-12)


def test_longer_vectors_change_no_cosine():
    lengths = RANDOM.uniform(0.1, 10, size=(30, 1))
    np.testing.assert_array_equal(
        nearest(QUERIES, CANDIDATES * lengths, 3).numbers, nearest(QUERIES, CANDIDATES, 3).numbers
    )


def test_of_equally_similar_candidates_the_first_comes_first_and_zeros_are_like_nothing():
    found = nearest([[1.0, 0.0]], [[0.0, 0.0], [2.0, 0.0], [1.0, 0.0]], 3)
    assert found.numbers.tolist() == [[1, 2, 0]]
    assert found.similarities.tolist() == [[1, 1, 0]]


@pytest.mark.parametrize("at_once", [1, 100])
def test_in_chunks_or_at_once_is_the_same(monkeypatch: pytest.MonkeyPatch, at_once: int):
    whole = nearest(QUERIES, CANDIDATES, 4), retrieval(QUERIES, CANDIDATES, list(range(9)))
    monkeypatch.setattr(module, "SCORES_AT_ONCE", at_once)
    np.testing.assert_array_equal(nearest(QUERIES, CANDIDATES, 4).numbers, whole[0].numbers)
    assert retrieval(QUERIES, CANDIDATES, list(range(9))) == whole[1]


def test_recall_and_reciprocal_rank_are_those_of_arithmetic_by_hand():
    """Candidates on a line: the right ones are at ranks 1, 2 and 6."""
    candidates = [[1.0, level] for level in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)]
    found = retrieval([[1.0, 0.0]] * 3, candidates, [0, 1, 5], depths=(1, 2, 5, 10))
    assert {depth: one.value for depth, one in found.recall.items()} == {1: 1 / 3, 2: 2 / 3, 5: 2 / 3}
    assert found.reciprocal_rank.value == pytest.approx((1 + 1 / 2 + 1 / 6) / 3)


def test_ranks_are_those_of_a_slow_twin():
    gold = [4, 8, 15, 16, 23, 2, 0, 29, 1]
    table = cosine_similarity(QUERIES, CANDIDATES)
    ranks = [1 + sum(row > row[right]) for row, right in zip(table, gold, strict=True)]
    found = retrieval(QUERIES, CANDIDATES, gold)
    assert found.reciprocal_rank.value == pytest.approx(np.mean([1 / rank for rank in ranks]))
    assert found.recall[5].value == pytest.approx(np.mean([rank <= 5 for rank in ranks]))


def test_a_model_whose_vectors_are_all_the_same_finds_nothing():
    same = np.full((20, 7), 0.1)
    found = retrieval(same, same, list(range(20)))
    assert [one.value for one in found.recall.values()] == [0, 0, 0]
    assert found.reciprocal_rank.value == pytest.approx(1 / 20)


def test_scores_survive_json_and_stand_in_rows():
    found = retrieval(QUERIES, CANDIDATES, list(range(9)))
    assert set(json.loads(json.dumps(found.to_dict()))["recall"]) == {"1", "5", "10"}
    assert [row[0] for row in found.rows()] == ["recall@1", "recall@5", "recall@10", "mean reciprocal rank"]


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(SettingError, match=r"^similarity: got 'angle'; expected one of cosine, dot"):
        nearest(QUERIES, CANDIDATES, 1, "angle")
    with pytest.raises(SettingError, match=r"^k: got 31; expected 1 to the number of candidates \(30\); ask for fewer"):
        nearest(QUERIES, CANDIDATES, 31)
    with pytest.raises(DataError, match=r"^vectors: got 9×4 and 30×3; expected queries and candidates of one width"):
        nearest(QUERIES, CANDIDATES[:, :3], 1)
    with pytest.raises(DataError, match=r"^candidates: got no finite numbers in row 1; expected finite numbers"):
        nearest([[1.0]], [[1.0], [np.nan]], 1)
    with pytest.raises(DataError, match=r"^gold: got 2 numbers; expected one for each query \(9\); name each query's"):
        retrieval(QUERIES, CANDIDATES, [1, 2])
    with pytest.raises(
        DataError, match=r"^gold: got 30; expected a candidate's number, 0 to 29; count candidates from"
    ):
        retrieval(QUERIES, CANDIDATES, [30] * 9)
