"""Who is still in the batch: finished sentences leave it, and a search never runs with too few rows.

On a CPU the last bits of a matrix product depend on whether it has few rows or many; how few is few depends on the
processor and on how wide the matrix is: from 4 rows on there is no difference on one, from 16 on there is none on
another (LOG.md). A search therefore runs at least ``LEAST_ROWS`` rows; where too few sentences are left, others run
along as filler and their result is dropped.
"""

from __future__ import annotations

import math

import torch

from regard.decoding.interface import Places, SentenceFlags, reads_one_by_one
from regard.notation import ImageSource

LEAST_ROWS = 16


def least_sentences(rows_each: int) -> int:
    """How many sentences it takes that no product has fewer than ``LEAST_ROWS`` rows, where each has ``rows_each``."""
    return math.ceil(LEAST_ROWS / max(1, rows_each))


def read_at_once(model: object, source: ImageSource, continues: bool) -> int:
    """How many tokens of a sentence the model reads at once, before anything is written."""
    return 1 if reads_one_by_one(model) else source.shape[1] - continues


class Roster:
    """The sentences of a running search: ``sentences[place]`` is the index of the one at that place of the batch."""

    def __init__(self, count: int, rows_each: int, device: torch.device, read_each: int = LEAST_ROWS) -> None:
        """``read_each``: tokens of a sentence that are read at once, before anything is written."""
        self.least = least_sentences(min(rows_each, read_each))
        filler = [count - 1] * (self.least - count)
        self.sentences = torch.tensor([*range(count), *filler], device=device)
        self.waiting = torch.tensor([True] * count + [False] * len(filler), device=device)

    def leave(self, done: SentenceFlags) -> tuple[list[tuple[int, int]], Places | None]:
        """Let the sentences go that are done.

        Returns (place, sentence) of each that leaves, and the places that go on: None where nobody left, empty where
        nobody is left.
        """
        leaving = done & self.waiting
        if not bool(leaving.any()):
            return [], None
        gone = [(place, int(self.sentences[place])) for place in leaving.nonzero()[:, 0].tolist()]
        self.waiting = self.waiting & ~done
        places = self.waiting.nonzero()[:, 0]
        if 0 < len(places) < self.least:
            others = (~self.waiting).nonzero()[:, 0]
            places = torch.cat([places, others[: self.least - len(places)]])
        self.sentences, self.waiting = self.sentences[places], self.waiting[places]
        return gone, places
