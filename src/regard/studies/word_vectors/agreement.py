"""How good vectors are: whether the words nearest to a word are of its class, and whether two kinds agree on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from regard.evaluation.retrieval import nearest, of_length_one
from regard.studies.word_vectors.corpus import WordVectors


def near_words(vectors: WordVectors, asked: Sequence[int], k: int, similarity: str = "cosine") -> np.ndarray:
    """The numbers [n k] of the words most similar to each of the words ``asked`` (by number), without itself."""
    found = nearest(vectors.matrix[list(asked)], vectors.matrix, min(k + 1, len(vectors.words)), similarity).numbers
    others = [[number for number in row if number != own][:k] for own, row in zip(asked, found, strict=True)]
    return np.array(others, dtype=np.int64)


def same_class(vectors: WordVectors, classes: Mapping[str, str], k: int = 1, similarity: str = "cosine") -> np.ndarray:
    """For each word that has a class: the share [n] of its ``k`` nearest words that are of the same class."""
    asked = [number for number, word in enumerate(vectors.words) if word in classes]
    kinds = np.array([classes.get(word, f"none: {word}") for word in vectors.words])
    return (kinds[near_words(vectors, asked, k, similarity)] == kinds[asked][:, None]).mean(1)


def chance(words: Sequence[str], classes: Mapping[str, str]) -> float:
    """The mean share of the other words that are of a word's class: what neighbours drawn at random would reach."""
    kinds = [classes[word] for word in words if word in classes]
    return float(np.mean([(kinds.count(kind) - 1) / (len(words) - 1) for kind in kinds]))


def shared(first: WordVectors, second: WordVectors, k: int = 10) -> np.ndarray:
    """For each word: the share [V] of its ``k`` nearest words (by cosine) that two kinds of vectors have in common."""
    every = range(len(first.words))
    ours, theirs = near_words(first, every, k), near_words(second, every, k)
    return np.array([len(set(one) & set(other)) / len(one) for one, other in zip(ours, theirs, strict=True)])


def only(vectors: WordVectors, words: Sequence[str]) -> WordVectors:
    """The vectors of ``words`` alone, in this order."""
    numbers = {word: number for number, word in enumerate(vectors.words)}
    return WordVectors(vectors.name, tuple(words), vectors.matrix[[numbers[word] for word in words]])


def flattened(matrix: np.ndarray, kind: str, seed: int) -> tuple[np.ndarray, float | None]:
    """Points [n 2] of the vectors [n D], each of length one; of a PCA also the share of the variance that is seen.

    ``kind`` is "PCA" or "t-SNE" (van der Maaten and Hinton 2008), both by scikit-learn.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    rows = of_length_one(matrix)
    if not np.ptp(rows, axis=0).any():  # all the same: one place on any map
        return np.zeros((len(rows), 2)), None
    if kind == "PCA":
        model = PCA(2, svd_solver="full")
        return model.fit_transform(rows), float(model.explained_variance_ratio_.sum())
    near = min(30.0, (len(rows) - 1) / 4)
    embedding = TSNE(2, perplexity=near, init="pca", learning_rate="auto", random_state=seed, n_jobs=1)
    return embedding.fit_transform(rows).astype(np.float64), None
