"""Batches under a budget of tokens: texts of like length together, in an order that (seed, epoch) decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from regard.data.store import Store
from regard.errors import DataError
from regard.notation import Ids, ImageSource, SourceIds

IGNORED = -100  # a label that is no label: nothing is predicted there


@dataclass(frozen=True)
class Batch:
    """Pairs side by side, each text ending in ``</s>`` and filled up with ``<pad>``; sources may be pictures."""

    source: ImageSource
    target: Ids
    source_tokens: int  # without <pad>, with </s>
    target_tokens: int
    which: Tensor | None = None  # the source of each target, where these are not one and one


@dataclass(frozen=True)
class TextBatch:
    """Texts [B T] with what is to be predicted at each place, or IGNORED.

    ``texts`` [B T] numbers the text of its row that a token belongs to, from 1 (0: padding); None where a row is one
    text. ``target_tokens``: the labels that count.
    """

    ids: Ids
    labels: Ids
    texts: Ids | None
    target_tokens: int


@dataclass(frozen=True)
class LabelledBatch:
    """Texts [B T], or pairs as one text, ``types`` [B T] telling first from second; their classes [B] or [B T]."""

    ids: Ids
    types: Ids
    labels: Tensor
    target_tokens: int  # the labels that count


@dataclass(frozen=True)
class CouplesBatch:
    """Texts that belong together, row by row."""

    first: SourceIds
    second: Ids
    target_tokens: int  # the couples


def plan_batches(lengths: np.ndarray, tokens: int, seed: int, epoch: int, extra: int = 1) -> list[np.ndarray]:
    """The rows of each batch of one epoch: every row once, rows of like length together, shuffled.

    rows × (longest text of the batch + ``extra``) ≤ ``tokens``, with ``extra`` the tokens that collating adds to each
    text (``</s>``). ``lengths`` is [rows, columns] without them; two columns are of like length both, of more or one
    the longest counts. The same (lengths, tokens, seed, epoch) give the same plan.
    Raises DataError where a single row is over the budget.
    """
    generator = order_of(seed, epoch)
    shuffled = generator.permutation(len(lengths))
    batches = _cut(lengths, shuffled[_by_length(lengths[shuffled])], tokens, extra)
    return [batches[index] for index in generator.permutation(len(batches))]


def plan_sequential(lengths: np.ndarray, tokens: int, extra: int = 1) -> list[np.ndarray]:
    """As ``plan_batches``, from the shortest to the longest: for validation, where order does not matter."""
    return _cut(lengths, _by_length(lengths), tokens, extra)


def order_of(seed: int, epoch: int) -> np.random.Generator:
    """The chance that an epoch's order is drawn from: a pure function of (seed, epoch)."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, epoch], dtype=np.uint64)))


def _by_length(lengths: np.ndarray) -> np.ndarray:
    """An order in which neighbours have nearly the same length in all columns; ties stay as they are.

    First by the longest column, then, of two, by how much longer it is (source minus target), up and down in turns so
    that this does not jump where the longer side grows by one.
    """
    longest = lengths.max(axis=1, initial=0).astype(np.int64)
    if lengths.shape[1] != 2:
        return np.argsort(longest, kind="stable")
    source, target = lengths[:, 0].astype(np.int64), lengths[:, 1].astype(np.int64)
    turn = np.where(longest % 2 == 0, 1, -1)
    return np.lexsort(((source - target) * turn, longest))


def _cut(lengths: np.ndarray, order: np.ndarray, tokens: int, extra: int) -> list[np.ndarray]:
    cost = lengths.max(axis=1, initial=0)[order].astype(np.int64) + extra  # it only grows along the order
    cost = np.maximum(cost, 1)
    if len(cost) and cost[-1] > tokens:
        what = "pair" if lengths.shape[1] == 2 else "text"
        ends = " (</s> included)" if extra == 1 else ""
        got = f"a {what} of {cost[-1]} tokens{ends}"
        action = "raise the budget or lower the longest length that the data may have"
        raise DataError.because(f"{what} {order[-1] + 1}", got, f"at most the batch's {tokens} tokens", action)
    batches = []
    begin = 0
    while begin < len(order):
        window = cost[begin : begin + tokens // int(cost[begin])]
        rows = int(np.searchsorted(window * np.arange(1, len(window) + 1), tokens, side="right"))
        batches.append(order[begin : begin + rows])
        begin += rows
    return batches


def collate(
    store: Store,
    rows: Sequence[int] | np.ndarray,
    pad: int,
    eos: int,
    target_pad: int | None = None,
    columns: tuple[str, str] = ("source", "target"),
) -> Batch:
    """The pairs of ``rows`` as one batch. ``target_pad`` is for a target vocabulary of its own."""
    rows = np.asarray(rows, dtype=np.int64)
    source, source_tokens = _rectangle(store, columns[0], rows, pad, eos)
    target, target_tokens = _rectangle(store, columns[1], rows, pad if target_pad is None else target_pad, eos)
    return Batch(source, target, source_tokens, target_tokens)


def _rectangle(store: Store, name: str, rows: np.ndarray, pad: int, eos: int) -> tuple[Tensor, int]:
    begins = store.offsets[name][rows].astype(np.int64)
    lengths = store.offsets[name][rows + 1].astype(np.int64) - begins
    positions = np.arange(int(lengths.max()) + 1)
    filled = np.full((len(rows), len(positions)), pad, dtype=np.int64)
    inside = positions < lengths[:, None]
    filled[inside] = store.ids[name][(begins[:, None] + positions)[inside]]
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
    lengths = np.array([[len(source), len(target)] for source, target in zip(*sides, strict=True)]).reshape(-1, 2)
    for rows in plan_sequential(lengths, max(tokens, int(lengths.max(initial=0)) + 1)):
        source, target = ([side[row] for row in rows] for side in sides)
        yield batch_of(source, target, pads, eos)


def batch_of(
    sources: Sequence[Sequence[int] | np.ndarray],
    targets: Sequence[Sequence[int] | np.ndarray],
    pads: tuple[int, int],
    eos: int,
) -> Batch:
    """Pairs of ids that are in memory, without ``</s>``, as one batch."""
    source, target = filled(sources, pads[0], eos), filled(targets, pads[1], eos)
    return Batch(source, target, sum(map(len, sources)) + len(sources), sum(map(len, targets)) + len(targets))


def filled(texts: Sequence[Sequence[int] | np.ndarray], pad: int, eos: int | None = None) -> Tensor:
    """Texts with ``eos`` behind each (None: nothing), filled up to the longest: [B T]."""
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    width = int(lengths.max(initial=0)) + (eos is not None)
    rectangle = np.full((len(texts), width), pad, dtype=np.int64)
    if len(texts):
        rectangle[np.arange(width) < lengths[:, None]] = np.concatenate(texts).astype(np.int64)
    if eos is not None:
        rectangle[np.arange(len(texts)), lengths] = eos
    return torch.from_numpy(rectangle)
