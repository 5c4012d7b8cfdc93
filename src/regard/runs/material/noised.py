"""Texts with noise: hidden tokens (BERT), spans left out (T5), a text to be restored (BART)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from regard.data.batching import Batch, TextBatch
from regard.data.noise import longest_uncut
from regard.data.store import Store
from regard.data.template import wrapped_pieces
from regard.data.tokenizers.tokenizer import Tokenizer
from regard.errors import SettingError
from regard.runs.material.texts import TEXT, TextMaterial
from regard.runs.recipe import Recipe
from regard.tasks.denoising import Infilling, SpanCorruption
from regard.tasks.masked_token import MaskedToken


class MaskedTokenMaterial(TextMaterial):
    """Texts with some tokens hidden."""

    def __init__(self, recipe: Recipe, folder: Path, source: Tokenizer, target: Tokenizer) -> None:
        super().__init__(recipe, folder, source, target)
        if source.mask is None:
            action = "take the family bert, roberta or albert"
            raise SettingError.because("tokenizer", "no mask to hide tokens", "one", action)

    def task(self) -> MaskedToken:
        """Cross entropy of the hidden tokens."""
        return MaskedToken(self.recipe.task.masking, self.smoothing)

    def longest(self) -> int:
        """A block without the template's own tokens."""
        return self.block - self.template.specials(1)

    def collate(self, store: Store, rows: np.ndarray) -> TextBatch:
        """Texts in their template, newly masked."""
        ids = wrapped_pieces(store, TEXT, self.pieces(store)[rows], self.template, self.pads()[0])
        return self.task().collate(ids, self.noise_pieces)


class DenoisingMaterial(TextMaterial):
    """Texts with noise, to be restored (BART)."""

    def __init__(self, recipe: Recipe, folder: Path, source: Tokenizer, target: Tokenizer) -> None:
        super().__init__(recipe, folder, source, target)
        if source.mask is None:
            raise SettingError.because("tokenizer", "no mask to fill", "one", "take the family bart")

    def task(self) -> Infilling:
        """Cross entropy of the whole text."""
        return Infilling(self.recipe.task.infilling, self.smoothing)

    def longest(self) -> int:
        """A block without the template's own tokens."""
        return self.block - self.template.specials(1)

    def collate(self, store: Store, rows: np.ndarray) -> Batch:
        """Texts, newly noised."""
        batch = self.task().collate(_texts(store, self.pieces(store)[rows]), self.noise_pieces, self.pads(), self.end)
        return _begun(batch, self.template.before)


class SpanCorruptionMaterial(TextMaterial):
    """Texts with spans left out, to be written (T5)."""

    def __init__(self, recipe: Recipe, folder: Path, source: Tokenizer, target: Tokenizer) -> None:
        super().__init__(recipe, folder, source, target)
        if not source.sentinels:
            action = "take the family t5"
            raise SettingError.because("tokenizer", "no <extra_id_0> and so on", "sentinels", action)

    def task(self) -> SpanCorruption:
        """Cross entropy of the spans."""
        return SpanCorruption(self.recipe.task.spans, self.smoothing)

    def longest(self) -> int:
        """What fills a block once spans are left out."""
        return longest_uncut(self.block, self.recipe.task.spans)

    def read_lengths(self, lengths: np.ndarray) -> np.ndarray:
        """What ``leave_out_spans`` makes of so many tokens: the longer of what is read and what is written."""
        noise = self.recipe.task.spans
        missing = np.maximum(np.round(lengths * noise.share), 1)
        spans = np.maximum(np.round(missing / noise.mean_length), 1)
        return np.maximum(lengths - missing + spans + 1, missing + spans + 2).astype(np.int64)

    def collate(self, store: Store, rows: np.ndarray) -> Batch:
        """Texts, newly noised."""
        texts = _texts(store, self.pieces(store)[rows])
        return self.task().collate(texts, self.source.sentinels, self.pads(), self.end)


def _texts(store: Store, pieces: np.ndarray) -> list[np.ndarray]:
    return [store.ids[TEXT][begin : begin + count] for begin, count in pieces.tolist()]


def _begun(batch: Batch, before: tuple[int, ...]) -> Batch:
    """The batch with the template's first tokens on both sides."""
    if not before:
        return batch
    first = torch.tensor(before).expand(len(batch.source), -1)
    more = first.numel()
    return Batch(
        torch.cat((first, batch.source), 1),
        torch.cat((first, batch.target), 1),
        batch.source_tokens + more,
        batch.target_tokens + more,
    )
