"""Texts to be written on: blocks of a stream, or short texts packed side by side."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from regard.data.batching import TextBatch
from regard.data.packing import Packing, Stream, collate_windows, sequential_windows, windows
from regard.data.store import Store
from regard.runs.material.texts import TEXT, TextMaterial
from regard.tasks.next_token import NextToken


class NextTokenMaterial(TextMaterial):
    """Blocks of a stream of texts, or texts packed side by side."""

    every_token = True

    def task(self) -> NextToken:
        """Cross entropy of each token given those before it."""
        return NextToken(label_smoothing=self.smoothing)

    def longest(self) -> int:
        """A block."""
        return self.block

    def plan(self, store: Store, epoch: int | None) -> list[np.ndarray]:
        """Where blocks begin, or which texts go side by side."""
        tokens, seed = self.tokens, self.settings.seed
        if self.recipe.task.packed:
            packing = self._packing(store)
            return packing.sequential(tokens) if epoch is None else packing.plan(tokens, seed, epoch)
        stream = self._stream(store)
        if epoch is None:
            return sequential_windows(stream, self.block, tokens)
        return windows(stream, self.block, tokens, seed, epoch)

    def collate(self, store: Store, rows: np.ndarray) -> TextBatch:
        """Each token with the next one as its label."""
        if self.recipe.task.packed:
            return self._packing(store).collate(rows)
        return collate_windows(self._stream(store), rows, self.block)

    def _stream(self, store: Store) -> Stream:
        return self._streams["train" if store is self.train else "valid"]

    def _packing(self, store: Store) -> Packing:
        return self._packings["train" if store is self.train else "valid"]

    @cached_property
    def _streams(self) -> dict[str, Stream]:
        eos, (pad, _) = self.end, self.pads()
        return {name: Stream(store, TEXT, eos, self.source.bos, pad) for name, store in self._stores()}

    @cached_property
    def _packings(self) -> dict[str, Packing]:
        eos, (pad, _) = self.end, self.pads()
        return {name: Packing(store, TEXT, self.block, eos, pad, self.source.bos) for name, store in self._stores()}

    def _stores(self) -> tuple[tuple[str, Store], tuple[str, Store]]:
        return ("train", self.train), ("valid", self.valid)
