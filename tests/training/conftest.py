"""A trainer small enough to run hundreds of steps a second: a toy model that learns to copy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from regard.data.batching import Batch, plan_batches
from regard.families import transformer
from regard.models.vocabulary import joint_vocabulary
from regard.tasks.translation import Translation
from regard.training.loop import Feed, Trainer
from regard.training.schedule import Schedule
from regard.training.settings import TrainSettings

SYMBOLS = 8
VOCABULARY = joint_vocabulary(SYMBOLS + 3)  # </s>, <unk>, eight symbols, <pad>
Rows = Sequence[Sequence[int]]


def strings(count: int, shortest: int, longest: int) -> list[list[int]]:
    """Random strings of symbols."""
    generator = np.random.default_rng(5)
    sizes = generator.integers(shortest, longest + 1, count)
    return [generator.integers(2, 2 + SYMBOLS, size).tolist() for size in sizes]


class Copying:
    """Its own source is each target. ``seen`` are the rows of every batch that was made."""

    def __init__(self, rows: Rows, batch_tokens: int = 32, seed: int = 1, plan: list[list[int]] | None = None) -> None:
        self.rows, self.seen = rows, list[list[int]]()
        self.lengths = np.array([[len(row), len(row)] for row in rows])
        self.batch_tokens, self.seed, self.plan = batch_tokens, seed, plan

    def epoch(self, number: int) -> list[np.ndarray]:
        if self.plan is not None:
            return [np.array(rows) for rows in self.plan]
        return plan_batches(self.lengths, self.batch_tokens, self.seed, number)

    def collate(self, chosen: np.ndarray) -> Batch:
        self.seen.append(chosen.tolist())
        rows = [[*self.rows[row], VOCABULARY.eos] for row in chosen]
        width = max(map(len, rows))
        ids = torch.tensor([row + [VOCABULARY.pad] * (width - len(row)) for row in rows])
        count = sum(map(len, rows))
        return Batch(ids, ids.clone(), count, count)

    @property
    def feed(self) -> Feed:
        return Feed(self.epoch, self.collate)


def make_trainer(
    data: Copying, *, task: Any = None, model: dict[str, Any] | None = None, double: bool = False, **settings: Any
) -> Trainer:
    """A trainer with fresh weights; ``settings`` are those of training, ``model`` changes the toy size."""
    given = TrainSettings(
        **{
            "precision": "float32",
            "learning_rate": 0.01,
            "warmup": 3,
            "steps": 12,
            "seed": data.seed,
            "label_smoothing": 0.1,
            **settings,
        }
    )
    torch.manual_seed(given.seed)
    size = replace(transformer.TOY, **{"layers": 1, "heads": 2, **(model or {})})
    built = transformer.build(size, VOCABULARY)
    schedule = Schedule(given.schedule, given.learning_rate or 0.0, given.warmup or 1, given.steps or 1)
    return Trainer(
        built.double() if double else built, task or Translation(given.label_smoothing), data.feed, schedule, given
    )


@pytest.fixture
def copying() -> Callable[..., Copying]:
    """Forty strings of 2 to 6 symbols, in batches of 32 tokens: about eight an epoch."""

    def make(count: int = 40, shortest: int = 2, longest: int = 6, **plan: Any) -> Copying:
        return Copying(strings(count, shortest, longest), **plan)

    return make


@pytest.fixture
def trainer_of() -> Callable[..., Trainer]:
    return make_trainer
