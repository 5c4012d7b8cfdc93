"""Texts, or pairs of texts, as batches of one length: what a model reads that does not write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import nn

from regard.data.template import Template, cut_lengths
from regard.decoding.batches import equal_lengths
from regard.decoding.interface import Wrapped, most_tokens_of
from regard.errors import DataError
from regard.notation import Ids

Text = str | tuple[str, str]


@runtime_checkable
class TextReader(Protocol):
    """The part of a tokenizer that reading needs."""

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        """The ids of each text, without special tokens."""

    def wrap(self, first: Sequence[int], second: Sequence[int] | None = None) -> Wrapped:
        """One text, or a pair, with its special tokens."""


@dataclass(frozen=True)
class TextsOfOneLength:
    """``places`` say which text each row is; a row may be there several times."""

    places: list[int]
    ids: Ids
    types: Ids


def one_length_batches(
    model: nn.Module,
    tokenizer: TextReader,
    texts: Sequence[Text],
    batch_tokens: int,
    device: torch.device,
    *,
    cut: bool = False,
    one_row: bool = False,
) -> Iterator[TextsOfOneLength]:
    """All texts with their special tokens, the longest first, in batches without padding.

    ``one_row``: the model makes one vector of a text, or reads it token by token (``equal_lengths``).
    With ``cut``, texts that are longer than the model's positions lose their end, as in training (``cut_lengths``).
    Raises DataError, before the first batch, for a text that is longer than the model's positions, or that is nothing
    at all.
    """
    most = most_tokens_of(model)
    read = _wrap(tokenizer, texts, most if cut else None)
    for number, (ids, _) in enumerate(read, start=1):
        if most is not None and len(ids) > most:
            expected = f"at most {most}, the model's positions"
            raise DataError.because(f"text {number}", f"{len(ids)} tokens", expected, "shorten it")
        if not ids:
            raise DataError.because(f"text {number}", "no token", "some text", "leave it out")
    for places in equal_lengths([ids for ids, _ in read], batch_tokens, one_row=one_row):
        yield TextsOfOneLength(
            places,
            torch.tensor([read[place][0] for place in places], device=device),
            torch.tensor([read[place][1] for place in places], device=device),
        )


def _wrap(tokenizer: TextReader, texts: Sequence[Text], longest: int | None) -> list[tuple[list[int], list[int]]]:
    if not texts:
        return []
    pairs = [(text,) if isinstance(text, str) else text for text in texts]
    flat = iter(tokenizer.encode_batch([side for pair in pairs for side in pair]))
    encoded = [[next(flat) for _ in pair] for pair in pairs]
    if longest is not None:
        template = Template.of(tokenizer.wrap)
        encoded = [_cut(sides, longest - template.specials(len(sides))) for sides in encoded]
    wrapped = (tokenizer.wrap(*sides) for sides in encoded)
    return [(list(one.ids), list(one.types)) for one in wrapped]


def _cut(sides: list[list[int]], room: int) -> list[list[int]]:
    (kept,) = cut_lengths(np.array([[len(ids) for ids in sides]]), room).tolist()
    return [ids[:count] for ids, count in zip(sides, kept, strict=True)]
