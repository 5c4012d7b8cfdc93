"""What decoding asks of a model and of a tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from regard.notation import ImageSource, StepIds, StepLogits

PerSentence = Int[Tensor, " B"]
Places = Int[Tensor, " kept"]
SentenceFlags = Bool[Tensor, " B"]
Beams = Float[Tensor, "B beams"]
BeamIds = Int[Tensor, "B beams"]
Histories = Int[Tensor, "B beams T"]
HistoryLogs = Float[Tensor, "B beams T"]
Options = Float[Tensor, "B options"]
OptionIds = Int[Tensor, "B options"]
OptionFlags = Bool[Tensor, "B options"]


@runtime_checkable
class DecodingState(Protocol):
    """What a model remembers of the rows that it is writing; the rows of one sentence lie side by side.

    ``first`` are the tokens to feed at the first step: the id that a decoder starts from, or the last token of each
    row's prompt, the rest of which has been read.
    """

    first: StepIds

    def reorder(self, rows: StepIds) -> None:
        """Row i goes on as what row ``rows[i]`` was; rows stay within their sentence."""

    def keep(self, sentences: Places) -> None:
        """Only these sentences go on, in this order."""


@runtime_checkable
class Decodable(Protocol):
    """A model that writes one token at a time. It may have ``most_tokens`` (``most_tokens_of``)."""

    @property
    def source_pad(self) -> int | None:
        """The id that fills up sources; None where nothing does."""

    @property
    def eos(self) -> int:
        """The id that ends an output."""

    def start_decoding(self, source: ImageSource, beams: int = 1) -> DecodingState:
        """Read the sources (ids as a tokenizer wraps them, then padding) and make room for ``beams`` rows of each."""

    def step(self, tokens: StepIds, state: DecodingState) -> StepLogits:
        """Feed one token a row (``state.first`` at first) and return the logits of the next."""


@runtime_checkable
class TextCoder(Protocol):
    """The part of a tokenizer that every use of a model needs."""

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        """The ids of each text, without special tokens."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of these ids."""


@runtime_checkable
class Wrapped(Protocol):
    """A text with the special tokens around it."""

    @property
    def ids(self) -> Sequence[int]:
        """The text's ids between the special ones."""

    @property
    def types(self) -> Sequence[int]:
        """Of each id: 0 in the first text, 1 in the second."""


@runtime_checkable
class Wrapping(Protocol):
    """A tokenizer that knows which special tokens its models expect around a text."""

    def wrap(self, first: Sequence[int], second: Sequence[int] | None = None) -> Wrapped:
        """One text, or a pair, with its special tokens."""


def wrap_source(tokenizer: object, ids: Sequence[int], eos: int) -> list[int]:
    """What an encoder reads: as the tokenizer wraps a text, or else the text and ``</s>``."""
    return list(tokenizer.wrap(ids).ids) if isinstance(tokenizer, Wrapping) else [*ids, eos]


def most_tokens_of(model: object) -> int | None:
    """The most tokens that the model has positions for; None where there is no such limit."""
    found = getattr(model, "most_tokens", None)
    return None if found is None else int(found)


def reads_one_by_one(model: object) -> bool:
    """Whether the model's encoder, if it has one, has as many rows as there are sentences, and not tokens."""
    return bool(getattr(getattr(model, "encoder", None), "reads_one_by_one", False))


def ended_by(tokens: Int[Tensor, "..."], ends: tuple[int, ...]) -> Bool[Tensor, "..."]:
    """Which of the tokens end an output."""
    return torch.isin(tokens, torch.tensor(ends, device=tokens.device))
