"""Random choices that are the same for a seed everywhere."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


class Draw:
    """A source of choices that gives the same ones for a seed in every version of Python."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # only .random() is promised to stay the same

    def pick(self, items: Sequence[Item]) -> Item:
        """One of the items, each as likely."""
        return items[int(self._random.random() * len(items))]

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self._random.random() < probability

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        """All items in random order."""
        keys = [self._random.random() for _ in items]
        return [items[row] for row in sorted(range(len(items)), key=keys.__getitem__)]
