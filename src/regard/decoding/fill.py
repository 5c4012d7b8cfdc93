"""What may stand in the gaps of a text: the task that BERT and its kind learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from regard.decoding.inference import inference
from regard.decoding.interface import Wrapped, most_tokens_of
from regard.decoding.roster import least_sentences
from regard.errors import CheckpointError, DataError, SettingError
from regard.notation import Hidden, Ids

MARKS = ("[MASK]", "<mask>")


@runtime_checkable
class Guessing(Protocol):
    """A model that guesses hidden tokens."""

    def __call__(self, ids: Ids, types: Ids | None = None) -> Hidden:
        """The state of every token."""

    def logits(self, hidden: Tensor) -> Tensor:
        """[…, D] → [… V]."""


@runtime_checkable
class MaskCoder(Protocol):
    """The part of a tokenizer that filling gaps needs."""

    @property
    def mask(self) -> int | None:
        """The id that stands for a hidden token."""

    def encode_marked(self, text: str) -> list[int]:
        """The ids of a text in which the mask may be written out."""

    def pieces_of(self, ids: Sequence[int]) -> list[str]:
        """Each id's piece as a reader may see it."""

    def wrap(self, first: Sequence[int], second: Sequence[int] | None = None) -> Wrapped:
        """A text with its special tokens."""


@dataclass(frozen=True)
class Guess:
    """One piece for one gap. ``piece`` is as a reader may see it: ``▁`` for a space."""

    id: int
    piece: str
    probability: float


class Filler:
    """A model that guesses hidden tokens, and its tokenizer."""

    def __init__(self, model: Guessing, tokenizer: MaskCoder) -> None:
        """Raises TypeError for a model that is no torch module, CheckpointError where the vocabulary has no mask."""
        if not isinstance(model, nn.Module):
            raise TypeError(f"the model is a {type(model).__name__}, not a torch module")
        if tokenizer.mask is None:
            action = "use a model that learnt to fill gaps (bert, roberta, albert)"
            raise CheckpointError.because("tokenizer", "no mask token", "one", action)
        self.model: Guessing = model
        self.module: nn.Module = model
        self.tokenizer = tokenizer
        self.mask = tokenizer.mask

    @torch.inference_mode()
    def fill(self, text: str, top: int = 5, threads: int = 1) -> list[list[Guess]]:
        """For each gap, from left to right, the ``top`` likeliest pieces: P(piece | the text with all gaps open).

        A gap is written as the tokenizer's own mask, ``[MASK]`` or ``<mask>``. Raises DataError where there is none,
        or the text is longer than the model's positions.
        """
        if top < 1:
            raise SettingError.because("top", top, "at least 1", "use 5")
        wrapped = self.tokenizer.wrap(self._encode(text))
        ids, types = list(wrapped.ids), list(wrapped.types)
        most = most_tokens_of(self.module)
        if most is not None and len(ids) > most:
            expected = f"at most {most}, the model's positions"
            raise DataError.because("text", f"{len(ids)} tokens", expected, "shorten it")
        gaps = [place for place, index in enumerate(ids) if index == self.mask]
        with inference(self.module, threads) as device:
            copies = least_sentences(len(ids))
            hidden = self.model(
                torch.tensor([ids] * copies, device=device), torch.tensor([types] * copies, device=device)
            )
            probabilities = self.model.logits(hidden)[0, gaps].double().softmax(dim=-1)
        found = probabilities.sort(dim=-1, descending=True, stable=True)
        return [
            self._guesses(values, indices)
            for values, indices in zip(found.values[:, :top].tolist(), found.indices[:, :top].tolist(), strict=True)
        ]

    def _guesses(self, values: list[float], indices: list[int]) -> list[Guess]:
        pieces = self.tokenizer.pieces_of(indices)
        return [Guess(*one) for one in zip(indices, pieces, values, strict=True)]

    def _encode(self, text: str) -> list[int]:
        (own,) = self.tokenizer.pieces_of([self.mask])
        for mark in MARKS:
            text = text.replace(mark, own)
        ids = self.tokenizer.encode_marked(text)
        if self.mask not in ids:
            expected = f"{own} where a piece is to be guessed"
            raise DataError.because("text", "no gap", expected, f'write it like "Paris is the {own} of France."')
        return ids
