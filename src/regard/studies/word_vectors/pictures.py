"""The study's pictures: maps of the same words beside each other, and the neighbours of some words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from regard.evaluation.retrieval import nearest
from regard.looking.vectors import Neighbour, neighbours, word_maps
from regard.studies.frame.study import Picture
from regard.studies.word_vectors.agreement import flattened, only
from regard.studies.word_vectors.corpus import WordVectors

SHOWN_NEIGHBOURS = 5
TITLES = {"cosine": "Nearest words by cosine", "dot": "Nearest words by dot product"}


def maps(
    kinds: Sequence[WordVectors], words: Sequence[str], classes: Mapping[str, str], how: str, seed: int
) -> Picture:
    """Each kind of vectors on a map of its own, by "PCA" or "t-SNE"."""
    panels = {}
    for vectors in kinds:
        points, seen = flattened(only(vectors, words).matrix, how, seed)
        panels[vectors.name + (f": {100 * seen:.0f} % of the variance" if seen is not None else "")] = points
    groups = [classes[word] for word in words] if classes else None
    caption = {
        "PCA": "The same words on maps: the two directions in which their vectors, made of length one, differ most.",
        "t-SNE": "The same words by t-SNE, which keeps neighbours together; distances between groups say nothing.",
    }
    return Picture(
        f"map-{how.lower()}", word_maps(panels, words, groups, f"The same words on maps ({how})"), caption[how]
    )


def tables(kinds: Sequence[WordVectors], words: Sequence[str], classes: Mapping[str, str], similarity: str) -> Picture:
    """The nearest words of ``words`` in each kind of vectors."""
    columns = {vectors.name: _near(vectors, words, classes, similarity) for vectors in kinds}
    what = "blue where of the same class, red where not" if classes else "by each kind of vectors"
    caption = f"{TITLES[similarity]}: {what}. The numbers are the similarities."
    return Picture(f"neighbours-{similarity}", neighbours(columns, TITLES[similarity]), caption)


def _near(
    vectors: WordVectors, words: Sequence[str], classes: Mapping[str, str], similarity: str
) -> dict[str, list[Neighbour]]:
    numbers = [vectors.words.index(word) for word in words]
    k = min(SHOWN_NEIGHBOURS + 1, len(vectors.words))
    found = nearest(vectors.matrix[numbers], vectors.matrix, k, similarity)
    columns: dict[str, list[Neighbour]] = {}
    for word, own, others, values in zip(words, numbers, found.numbers, found.similarities, strict=True):
        near = [(vectors.words[j], float(value)) for j, value in zip(others, values, strict=True) if j != own]
        columns[word] = [
            (other, value, classes.get(other) == classes[word] if classes else None)
            for other, value in near[:SHOWN_NEIGHBOURS]
        ]
    return columns
