"""Batches under a budget of tokens: pairs of like length together, in an order that (seed, epoch) decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from regard.data.store import PairStore
from regard.errors import DataError
from regard.notation import Ids, SourceIds


@dataclass(frozen=True)
class Batch:
    """Pairs side by side, each sentence ending in ``</s>`` and filled up with ``<pad>``."""

    source: SourceIds
    target: Ids
    source_tokens: int  # without <pad>, with </s>
    target_tokens: int


def plan_batches(lengths: np.ndarray, tokens: int, seed: int, epoch: int) -> list[np.ndarray]:
    """The rows of each batch of one epoch: every pair once, pairs of like length together, shuffled.

    rows × longest sentence of the batch, source or target, ``</s>`` included ≤ ``tokens``.
    ``lengths`` is [pairs, 2] without ``</s>``. The same (lengths, tokens, seed, epoch) give the same plan.
    Raises DataError where a single pair is over the budget.
    """
    generator = np.random.Generator(np.random.Philox(key=np.array([seed, epoch], dtype=np.uint64)))
    shuffled = generator.permutation(len(lengths))
    batches = _cut(lengths, shuffled[_by_length(lengths[shuffled])], tokens)
    return [batches[index] for index in generator.permutation(len(batches))]


def plan_sequential(lengths: np.ndarray, tokens: int) -> list[np.ndarray]:
    """As ``plan_batches``, from the shortest to the longest: for validation, where order does not matter."""
    return _cut(lengths, _by_length(lengths), tokens)


def _by_length(lengths: np.ndarray) -> np.ndarray:
    """An order in which neighbours have nearly the same length on both sides; ties stay as they are.

    First by the longer side, then by how much longer it is (source minus target), up and down in turns so that
    this does not jump where the longer side grows by one.
    """
    source, target = lengths[:, 0].astype(np.int64), lengths[:, 1].astype(np.int64)
    longest = np.maximum(source, target)
    turn = np.where(longest % 2 == 0, 1, -1)
    return np.lexsort(((source - target) * turn, longest))


def _cut(lengths: np.ndarray, order: np.ndarray, tokens: int) -> list[np.ndarray]:
    cost = lengths.max(axis=1)[order].astype(np.int64) + 1  # with </s>; it only grows along the order
    if len(cost) and cost[-1] > tokens:
        got = f"a pair of {cost[-1]} tokens (</s> included)"
        action = "raise the budget or lower the longest length that the data may have"
        raise DataError.because(f"pair {order[-1] + 1}", got, f"at most the batch's {tokens} tokens", action)
    batches = []
    begin = 0
    while begin < len(order):
        window = cost[begin : begin + tokens // int(cost[begin])]
        rows = int(np.searchsorted(window * np.arange(1, len(window) + 1), tokens, side="right"))
        batches.append(order[begin : begin + rows])
        begin += rows
    return batches


def collate(
    store: PairStore, rows: Sequence[int] | np.ndarray, pad: int, eos: int, target_pad: int | None = None
) -> Batch:
    """The pairs of ``rows`` as one batch. ``target_pad`` is for a target vocabulary of its own."""
    rows = np.asarray(rows, dtype=np.int64)
    source, source_tokens = _rectangle(store, 0, rows, pad, eos)
    target, target_tokens = _rectangle(store, 1, rows, pad if target_pad is None else target_pad, eos)
    return Batch(source, target, source_tokens, target_tokens)


def _rectangle(store: PairStore, side: int, rows: np.ndarray, pad: int, eos: int) -> tuple[torch.Tensor, int]:
    begins = store.offsets[side][rows].astype(np.int64)
    lengths = store.offsets[side][rows + 1].astype(np.int64) - begins
    positions = np.arange(int(lengths.max()) + 1)
    filled = np.full((len(rows), len(positions)), pad, dtype=np.int64)
    inside = positions < lengths[:, None]
    filled[inside] = store.ids[side][(begins[:, None] + positions)[inside]]
    filled[np.arange(len(rows)), lengths] = eos
    return torch.from_numpy(filled), int(lengths.sum()) + len(rows)


def rectangles(
    sides: tuple[Sequence[Sequence[int]], Sequence[Sequence[int]]],
    tokens: int,
    pads: tuple[int, int],
    eos: int,
) -> Iterator[Batch]:
    """Ids that are in memory as batches of at most ``tokens``, from the shortest pair to the longest.

    A pair that exceeds the budget by itself gets a batch by itself.
    """
    lengths = np.array([[len(source), len(target)] for source, target in zip(*sides, strict=True)])
    for rows in plan_sequential(lengths, max(tokens, int(lengths.max(initial=0)) + 1)):
        source, target = (_fill([side[row] for row in rows], pad, eos) for side, pad in zip(sides, pads, strict=True))
        yield Batch(source, target, int((source != pads[0]).sum()), int((target != pads[1]).sum()))


def _fill(sentences: Sequence[Sequence[int]], pad: int, eos: int) -> torch.Tensor:
    width = max(map(len, sentences)) + 1
    return torch.tensor([[*ids, eos, *[pad] * (width - 1 - len(ids))] for ids in sentences])
