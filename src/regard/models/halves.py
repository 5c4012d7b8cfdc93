"""What an encoder–decoder asks of its two halves, whatever they are made of: attention, recurrence or convolution."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from regard.layers.attention import Recorder
from regard.notation import Hidden, Ids, ImageSource, Mask, StepHidden, StepIds


@runtime_checkable
class Recorded(Protocol):
    """A layer with attention, whose weights [B, H, T, S] of each call its ``recorder`` receives, where it is set."""

    recorder: Recorder | None


Attentions = Mapping[str, Sequence[Recorded]]
"""The attention of a model, layer by layer: of its "encoder" and "decoder" to themselves, and "cross" between them."""


@runtime_checkable
class StepCache(Protocol):
    """What a decoder remembers of R = sentences × beams hypotheses, a sentence's beams in adjacent rows."""

    def reorder(self, rows: Tensor) -> None:
        """Hypothesis i goes on from what hypothesis ``rows[i]`` was."""

    def keep(self, sentences: Tensor, rows: Tensor) -> None:
        """Only these sentences, and their rows, go on."""


class SourceEncoder(nn.Module, ABC):
    """Reads a source. What it makes of it, the memory, is between it and its decoder.

    It is a tensor [B, S, D], or has one called ``states``: what was made of each token.
    """

    @abstractmethod
    def forward(self, ids: ImageSource, mask: Mask | None) -> Any:
        """The memory of a source, whose padding ``mask`` hides: no part of the memory that counts depends on it."""

    def self_attentions(self) -> Sequence[Recorded]:
        """The attention of the source to itself, layer by layer; none where there is no such thing."""
        return ()


class TargetDecoder(nn.Module, ABC):
    """Writes a target, by itself or under teacher forcing."""

    @abstractmethod
    def forward(self, ids: Ids, memory: Any, memory_mask: Mask | None) -> Hidden:
        """The states of all positions of a known target (teacher forcing): position t has seen ids 0 … t."""

    @abstractmethod
    def start(self, memory: Any, beams: int) -> Sequence[StepCache]:
        """What there is to remember before the first step, with room for ``beams`` hypotheses a sentence."""

    @abstractmethod
    def step(self, tokens: StepIds, position: int, caches: Any, memory_mask: Mask | None) -> StepHidden:
        """The state [R, 1, D] of the newest token of each hypothesis, which stands at ``position``."""

    def self_attentions(self) -> Sequence[Recorded]:
        """The attention of the target to itself, layer by layer."""
        return ()

    @abstractmethod
    def cross_attentions(self) -> Sequence[Recorded]:
        """The attention of the target to the source, layer by layer."""
