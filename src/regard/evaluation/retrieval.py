"""Finding by vectors: the nearest candidates of each query, and how often the right one is among them.

    cosine(q, c) = q·c / (‖q‖ ‖c‖)        dot(q, c) = q·c

For vectors of length one the two are the same. A vector of zeros has cosine 0 with every other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from regard.errors import DataError, SettingError
from regard.evaluation.interval import Interval, bootstrap, wilson

SIMILARITIES = ("cosine", "dot")
SCORES_AT_ONCE = 2**22  # similarities held at a time: 32 MiB
ROUNDING = 1e-12  # of the largest similarity: nearer than this are the same
DEFAULT_DEPTHS = (1, 5, 10)


@dataclass(frozen=True)
class Neighbours:
    """For each query [Q] its ``k`` most similar candidates, the most similar first: numbers and similarities [Q k]."""

    numbers: np.ndarray
    similarities: np.ndarray


@dataclass(frozen=True)
class Retrieval:
    """How often the right candidate is among the first k (recall@k), and the mean of 1/rank. All 0–1."""

    recall: Mapping[int, Interval]
    reciprocal_rank: Interval
    queries: int
    candidates: int

    def to_dict(self) -> dict[str, Any]:
        """The scores as plain values for JSON; depths are text there."""
        return {**asdict(self), "recall": {str(depth): asdict(value) for depth, value in self.recall.items()}}

    def rows(self) -> list[tuple[str, str, str]]:
        """A table: score, value in percent, 95 % interval."""
        named = {f"recall@{depth}": value for depth, value in self.recall.items()}
        named["mean reciprocal rank"] = self.reciprocal_rank
        return [
            (name, f"{100 * one.value:.2f}", f"{100 * one.low:.2f}–{100 * one.high:.2f}") for name, one in named.items()
        ]


def nearest(queries: ArrayLike, candidates: ArrayLike, k: int, similarity: str = "cosine") -> Neighbours:
    """The ``k`` candidates [C D] most similar to each query [Q D]; of equally similar ones the first comes first.

    Raises SettingError for another similarity and for a k that is not 1 to C, DataError for vectors that don't fit.
    """
    sides = _vectors(queries, candidates, similarity)
    if not 1 <= k <= len(sides[1]):
        expected = f"1 to the number of candidates ({len(sides[1])})"
        raise SettingError.because("k", k, expected, "ask for fewer or add candidates")
    numbers, values = [], []
    for _, scores in _similarities(*sides):
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        numbers.append(order)
        values.append(np.take_along_axis(scores, order, axis=1))
    return Neighbours(np.concatenate(numbers), np.concatenate(values))


def retrieval(
    queries: ArrayLike,
    candidates: ArrayLike,
    gold: Sequence[int],
    *,
    depths: Sequence[int] = DEFAULT_DEPTHS,
    similarity: str = "cosine",
    resamples: int = 1000,
    seed: int = 12345,
) -> Retrieval:
    """Recall@k for the ``depths`` and the mean reciprocal rank of candidate ``gold[i]`` for query i.

    A candidate as similar as the right one counts as before it, so that a model whose vectors are all the same finds
    nothing. Depths beyond the candidates are left out. The interval of a recall is Wilson's, that of the reciprocal
    rank a bootstrap over queries. Raises as ``nearest``, and DataError for a gold number that is no candidate's.
    """
    sides = _vectors(queries, candidates, similarity)
    right = np.asarray(gold)
    if len(right) != len(sides[0]):
        expected = f"one for each query ({len(sides[0])})"
        raise DataError.because("gold", f"{len(right)} numbers", expected, "name each query's candidate")
    if right.min() < 0 or right.max() >= len(sides[1]):
        got = int(right.min() if right.min() < 0 else right.max())
        expected = f"a candidate's number, 0 to {len(sides[1]) - 1}"
        raise DataError.because("gold", got, expected, "count candidates from 0")
    ranks = []
    for start, scores in _similarities(*sides):
        theirs = right[start : start + len(scores)]
        nearly = ROUNDING * np.abs(scores).max(initial=0.0)
        ranks.append((scores >= np.take_along_axis(scores, theirs[:, None], axis=1) - nearly).sum(1))
    rank = np.concatenate(ranks)
    return Retrieval(
        {depth: wilson(int((rank <= depth).sum()), len(rank)) for depth in depths if depth <= len(sides[1])},
        bootstrap(1 / rank, resamples, seed),
        len(rank),
        len(sides[1]),
    )


def of_length_one(vectors: ArrayLike) -> np.ndarray:
    """Each row divided by its length; rows of zeros stay."""
    rows = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1.0)


def _vectors(queries: ArrayLike, candidates: ArrayLike, similarity: str) -> tuple[np.ndarray, np.ndarray]:
    if similarity not in SIMILARITIES:
        raise SettingError.because("similarity", repr(similarity), "one of " + ", ".join(SIMILARITIES), "choose one")
    sides = np.asarray(queries, dtype=np.float64), np.asarray(candidates, dtype=np.float64)
    shapes = " and ".join("×".join(map(str, side.shape)) for side in sides)
    if any(side.ndim != 2 or 0 in side.shape for side in sides) or sides[0].shape[1] != sides[1].shape[1]:
        raise DataError.because("vectors", shapes, "queries and candidates of one width", "check what made them")
    for name, side in zip(("queries", "candidates"), sides, strict=True):
        broken = ~np.isfinite(side).all(axis=1)
        if broken.any():
            got = f"no finite numbers in row {int(broken.argmax())}"
            raise DataError.because(name, got, "finite numbers", "check the model that made them")
    if similarity == "cosine":
        return of_length_one(sides[0]), of_length_one(sides[1])
    return sides


def _similarities(queries: np.ndarray, candidates: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """(number of the first query, similarities of some queries with all candidates), one after another."""
    at_once = max(1, SCORES_AT_ONCE // len(candidates))
    for start in range(0, len(queries), at_once):
        yield start, queries[start : start + at_once] @ candidates.T
