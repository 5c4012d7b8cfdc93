"""Documents as blocks for learning the next token: one long stream that is cut, or whole short texts side by side.

Every token is predicted once an epoch from those before it in its block. All of it is a pure function of
(seed, epoch); a plan's batches are small arrays of numbers, and the ids are read when a batch is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from regard.data.batching import IGNORED, TextBatch, order_of
from regard.data.store import Store
from regard.errors import DataError


@dataclass(frozen=True)
class Stream:
    """All rows of a column one after the other: ``[bos] first eos [bos] second eos … last``.

    ``bos`` None: no row has one. ``bos`` = ``eos`` (GPT-2's <|endoftext|>): one token between two rows, and one
    before the first.
    """

    store: Store
    column: str
    eos: int
    bos: int | None = None
    pad: int = 0  # stands behind the end of the stream, where nothing is predicted

    @property
    def _ends(self) -> int:
        return int(self.bos != self.eos)  # tokens behind a row

    @cached_property
    def _offsets(self) -> np.ndarray:
        return self.store.offsets[self.column][:].astype(np.int64)

    @cached_property
    def _starts(self) -> np.ndarray:
        """Where each row, with what stands before it, begins in the stream, and where the next would: [rows + 1]."""
        around = int(self.bos is not None) + self._ends
        return self._offsets + around * np.arange(len(self._offsets))

    def __len__(self) -> int:
        return int(self._starts[-1]) - self._ends

    def read(self, starts: np.ndarray, width: int) -> np.ndarray:
        """``width`` tokens from each of ``starts`` on, ``pad`` behind the end: [starts, width], int64."""
        positions = np.asarray(starts, dtype=np.int64)[:, None] + np.arange(width)
        beyond = positions >= len(self)
        positions[beyond] = 0
        rows = np.searchsorted(self._starts, positions, side="right") - 1
        before = int(self.bos is not None)
        place = positions - self._starts[rows] - before  # within the row: -1 is bos, its length is eos
        begins, ends = self._offsets[rows], self._offsets[rows + 1]
        inside = (place >= 0) & (begins + place < ends)
        found = np.where(place < 0, -1 if self.bos is None else self.bos, self.eos)
        found[inside] = self.store.ids[self.column][(begins + place)[inside]]
        found[beyond] = self.pad
        return found


def windows(stream: Stream, block: int, tokens: int, seed: int, epoch: int) -> list[np.ndarray]:
    """Where the blocks of one epoch begin in the stream, those of a batch together, shuffled.

    A block is ``block`` tokens to read and as many to predict; the cuts shift by what (seed, epoch) draws, so that at
    most a block at each end is left out. Blocks a batch: ⌊tokens / block⌋. Raises DataError where nothing can be
    predicted.
    """
    width, batch = _sizes(stream, block, tokens)
    generator = order_of(seed, epoch)
    shift = int(generator.integers(0, min(width, len(stream) - width)))
    starts = np.arange(shift, len(stream) - width, width)
    return [starts[rows] for rows in _split(generator.permutation(len(starts)), batch)]


def sequential_windows(stream: Stream, block: int, tokens: int) -> list[np.ndarray]:
    """As ``windows``, in order and of every token but the first, exactly once: for validation."""
    width, batch = _sizes(stream, block, tokens)
    return _split(np.arange(0, len(stream) - 1, width), batch)


def _sizes(stream: Stream, block: int, tokens: int) -> tuple[int, int]:
    if len(stream) < 2:
        raise DataError.because(stream.store.folder, f"{len(stream)} tokens", "at least 2", "check the corpus")
    if block > tokens:
        got = f"a block of {block} tokens"
        raise DataError.because("block", got, f"at most the batch's {tokens} tokens", "raise the budget or lower it")
    return min(block, len(stream) - 1), max(1, tokens // block)


def _split(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[begin : begin + size] for begin in range(0, len(rows), size)]


def collate_windows(stream: Stream, starts: np.ndarray, block: int) -> TextBatch:
    """The blocks that begin at ``starts``: each token's label is the next token.

    A ``bos`` that stands behind an ``eos`` is certain, and no label.
    """
    width = min(block, len(stream) - 1 - int(np.min(starts)))
    read = stream.read(starts, width + 1)
    labels = read[:, 1:].copy()
    labels[np.asarray(starts)[:, None] + np.arange(1, width + 1) >= len(stream)] = IGNORED
    if stream.bos is not None and stream.bos != stream.eos:
        labels[labels == stream.bos] = IGNORED
    return TextBatch(
        torch.from_numpy(read[:, :-1].copy()), torch.from_numpy(labels), None, int((labels != IGNORED).sum())
    )


@dataclass(frozen=True)
class Packing:
    """Whole rows of a column side by side in blocks, none of which sees another.

    A text is read as ``[bos] x_1 … x_n`` and predicts ``x_1 … x_n eos`` (without ``bos``: ``x_2 … x_n eos``); the
    ``eos`` itself is never read, since nothing follows it. A text of more than ``block`` tokens is cut into pieces.
    """

    store: Store
    column: str
    block: int
    eos: int
    pad: int
    bos: int | None = None

    def plan(self, tokens: int, seed: int, epoch: int) -> list[np.ndarray]:
        """The batches of one epoch, shuffled: each [pieces, 4] with (block of the batch, row, first token, tokens)."""
        generator = order_of(seed, epoch)
        pieces = self._pieces()
        pieces = pieces[generator.permutation(len(pieces))]
        blocks = self._fit(pieces)
        return self._batches(pieces, blocks, generator.permutation(int(blocks.max(initial=-1)) + 1), tokens)

    def sequential(self, tokens: int) -> list[np.ndarray]:
        """As ``plan``, the same each time: for validation."""
        pieces = self._pieces()
        blocks = self._fit(pieces)
        return self._batches(pieces, blocks, np.arange(int(blocks.max(initial=-1)) + 1), tokens)

    def _pieces(self) -> np.ndarray:
        """(row, first token, tokens) of everything that is read: [pieces, 3]."""
        offsets = self.store.offsets[self.column][:].astype(np.int64)
        lengths = offsets[1:] - offsets[:-1] + (self.bos is not None)
        counts = -(-lengths // self.block)
        if not self.store.tokens[self.column]:
            raise DataError.because(self.store.folder, "texts without tokens", "some tokens", "check the corpus")
        rows = np.repeat(np.arange(len(lengths)), counts)
        number = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        first = number * self.block
        return np.stack((rows, first, np.minimum(lengths[rows] - first, self.block)), axis=1)

    def _fit(self, pieces: np.ndarray) -> np.ndarray:
        """The block of each piece: from the longest piece on, the fullest block that has room for it.

        ``open_blocks[r]`` are the blocks with room for r more, and bit r of ``rooms`` says that there are any.
        """
        found = np.empty(len(pieces), dtype=np.int64)
        open_blocks: list[list[int]] = [[] for _ in range(self.block + 1)]
        rooms, blocks = 0, 0
        lengths = pieces[:, 2].tolist()
        for piece in np.argsort(-pieces[:, 2], kind="stable").tolist():
            length = lengths[piece]
            above = rooms >> length
            if above:
                room = length + (above & -above).bit_length() - 1
                number = open_blocks[room].pop()
                if not open_blocks[room]:
                    rooms ^= 1 << room
            else:
                room, number, blocks = self.block, blocks, blocks + 1
            found[piece] = number
            if room > length:
                open_blocks[room - length].append(number)
                rooms |= 1 << (room - length)
        return found

    def _batches(self, pieces: np.ndarray, blocks: np.ndarray, order: np.ndarray, tokens: int) -> list[np.ndarray]:
        if self.block > tokens:
            got = f"a block of {self.block} tokens"
            action = "raise the budget or lower it"
            raise DataError.because("block", got, f"at most the batch's {tokens} tokens", action)
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        place = rank[blocks]
        sort = np.argsort(place, kind="stable")
        size = tokens // self.block
        numbered = np.concatenate((place[sort, None], pieces[sort]), axis=1)
        bounds = np.searchsorted(numbered[:, 0], np.arange(size, len(order), size))
        batches = np.split(numbered, bounds)
        for batch in batches:
            batch[:, 0] %= size
        return batches

    def collate(self, pieces: np.ndarray) -> TextBatch:
        """One batch of a plan. ``texts`` numbers the pieces of each block from 1."""
        block, row, first, count = (pieces[:, column] for column in range(4))
        begin = np.cumsum(count) - count  # of each piece among all tokens of the batch
        new = np.r_[True, block[1:] != block[:-1]]
        of_block = np.maximum.accumulate(np.where(new, np.arange(len(pieces)), 0))  # the first piece of its block
        piece = np.repeat(np.arange(len(pieces)), count)
        within = np.arange(len(piece)) - begin[piece]
        column = within + (begin - begin[of_block])[piece]
        before = int(self.bos is not None)
        offsets, ids = self.store.offsets[self.column], self.store.ids[self.column]
        starts, ends = offsets[row].astype(np.int64)[piece], offsets[row + 1].astype(np.int64)[piece]
        place = starts + first[piece] + within - before  # of what is read; the label is one further
        shape = int(block[-1]) + 1, int(column.max()) + 1
        at = block[piece], column
        read, labels = (np.full(shape, value, dtype=np.int64) for value in (self.pad, IGNORED))
        texts = np.zeros(shape, dtype=np.int64)
        read[at] = np.where(
            place < starts, -1 if self.bos is None else self.bos, ids[np.clip(place, starts, len(ids) - 1)]
        )
        labels[at] = np.where(place + 1 < ends, ids[np.minimum(place + 1, len(ids) - 1)], self.eos)
        texts[at] = (np.arange(len(pieces)) - of_block + 1)[piece]
        return TextBatch(torch.from_numpy(read), torch.from_numpy(labels), torch.from_numpy(texts), len(piece))
