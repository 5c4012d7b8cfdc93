"""An intervention: in every layer, some words may not look at some others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from regard.data.builtin.sample import Pair, locate, words
from regard.data.tokenizers.tokenizer import Tokenizer
from regard.layers.multihead import MultiHeadAttention
from regard.layers.similarity import Similarity

Words = Mapping[str, Sequence[int]]  # "it", "adjective", "nouns", "others" → places in the source
ALL = "all"


@dataclass(frozen=True)
class Hiding:
    """A similarity after which the pairs (query, key) where ``hidden`` [B, 1, T | 1, S] have no weight left."""

    similarity: Similarity
    hidden: Tensor

    def __call__(self, query: Tensor, key: Tensor) -> Tensor:
        """The scores; the lowest there are where hidden."""
        scores = self.similarity(query, key)
        return scores.masked_fill(self.hidden, torch.finfo(scores.dtype).min)


@contextmanager
def hiding(layers: Sequence[MultiHeadAttention], hidden: Tensor) -> Iterator[None]:
    """While entered, these layers do not look where ``hidden`` is true."""
    similarities = [layer.similarity for layer in layers]
    for layer in layers:
        layer.similarity = Hiding(layer.similarity, hidden)
    try:
        yield
    finally:
        for layer, similarity in zip(layers, similarities, strict=True):
            layer.similarity = similarity


def places_of(pair: Pair, tokenizer: Tokenizer) -> Words:
    """Where in a puzzle's source "it", the adjective, the two nouns, and all the other words stand."""
    spans, where = locate(pair), tokenizer.spans(pair.english)
    adjective = words(pair.english)[-1]
    end = pair.english.rindex(adjective) + len(adjective)

    def covering(*texts: tuple[int, int]) -> list[int]:
        return [n for n, (start, stop) in enumerate(where) if any(start < last and stop > one for one, last in texts)]

    found = {
        "it": covering(spans.it),
        "adjective": covering((end - len(adjective), end)),
        "nouns": covering(spans.right, spans.wrong),
    }
    named = {place for places in found.values() for place in places}
    return {**found, "others": [place for place in range(len(where)) if place not in named]}


def hidden_pairs(
    places: Sequence[Words], looking: Sequence[str], at: str, width: int, generator: np.random.Generator
) -> Tensor:
    """[B, 1, S, S]: true from the words ``looking`` to those ``at``; of "others" as many as there are nouns, drawn.

    ``looking`` at "all": everything but the words ``at`` themselves.
    """
    hidden = torch.zeros(len(places), 1, width, width, dtype=torch.bool)
    for row, found in enumerate(places):
        keys = found[at]
        if at == "others":
            keys = generator.choice(np.array(keys), min(len(keys), len(found["nouns"])), replace=False).tolist()
        for name in looking:
            for query in found[name] if name != ALL else set(range(width)) - set(keys):
                hidden[row, 0, query, keys] = True
    return hidden


def hidden_places(places: Sequence[Words], at: str, width: int) -> Tensor:
    """[B, 1, 1, S]: true at the words ``at``, whoever looks."""
    hidden = torch.zeros(len(places), 1, 1, width, dtype=torch.bool)
    for row, found in enumerate(places):
        hidden[row, 0, 0, found[at]] = True
    return hidden
