"""What decoding asks of a model and of a tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from jaxtyping import Bool, Float, Int
from torch import Tensor

from regard.notation import SourceIds, StepIds, StepLogits

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
    """What a model remembers of the rows that it is writing; the rows of one sentence lie side by side."""

    def reorder(self, rows: StepIds) -> None:
        """Row i goes on as what row ``rows[i]`` was; rows stay within their sentence."""

    def keep(self, sentences: Places) -> None:
        """Only these sentences go on, in this order."""


@runtime_checkable
class Decodable(Protocol):
    """A model that writes one token at a time. ``pad`` is never generated: its logit is -inf."""

    @property
    def source_pad(self) -> int:
        """The id that fills up sources."""

    @property
    def pad(self) -> int:
        """The id that fills up outputs."""

    @property
    def start(self) -> int:
        """The id that is fed first."""

    @property
    def eos(self) -> int:
        """The id that ends an output."""

    def start_decoding(self, source: SourceIds, beams: int = 1) -> DecodingState:
        """Read the sources (pieces, then ``</s>``, then padding) and make room for ``beams`` rows of each."""

    def step(self, tokens: StepIds, state: DecodingState) -> StepLogits:
        """Feed one token a row (``start`` at first) and return the logits of the next."""


@runtime_checkable
class TextCoder(Protocol):
    """The part of a tokenizer that a translator uses."""

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        """The ids of each text, without ``</s>``."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of these ids."""
