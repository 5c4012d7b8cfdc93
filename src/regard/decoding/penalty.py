"""Length penalties, and when a beam search may stop.

A sum of log-probabilities falls with every token, so that bare sums prefer short outputs. The paper ranks by
score(Y) = log P(Y) / lp(Y) with lp(Y) = ((5 + |Y|) / 6)^α (Wu et al. 2016, equation 14; section 6.1: α = 0.6);
``plain`` is lp(Y) = |Y|^α, as in the transformers library. |Y| counts the generated tokens with ``</s>``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from regard.decoding.interface import PerSentence, SentenceFlags
from regard.decoding.settings import DecodingSettings

PerSentenceNumber = Float[Tensor, " B"]
Table = Float[Tensor, " lengths"]


@dataclass(frozen=True)
class LengthPenalty:
    """lp(Y) = ((offset + |Y|) / (offset + 1))^α; with α ≥ 0 it never falls with the length."""

    alpha: float
    offset: int

    @classmethod
    def of(cls, settings: DecodingSettings) -> LengthPenalty:
        """The penalty that the settings name."""
        return cls(settings.length_penalty, 5 if settings.penalty == "paper" else 0)

    def __call__(self, length: int) -> float:
        """Lp of one length in tokens."""
        return float(((self.offset + length) / (self.offset + 1)) ** self.alpha)

    def table(self, longest: int, like: Tensor) -> Table:
        """Lp of the lengths 0 … longest, as the number type of ``like``."""
        numbers = [self(length) for length in range(longest + 1)]
        return torch.tensor(numbers, dtype=like.dtype, device=like.device)


@dataclass(frozen=True)
class StopRule:
    """A sentence is done when even the best that its live hypotheses could become is no better than its worst kept end.

    ``exact``: a live hypothesis of log-probability p ≤ 0 can only lose probability, and will be divided by at most
    lp(limit), so it scores at most p / lp(limit). Stopping then never changes what the search finds. Otherwise as
    transformers 5 does by default (``early_stopping=False``): it reckons with p / lp(present length), which a longer
    output could still exceed where α > 0.
    """

    exact: bool
    penalties: Table

    def __call__(
        self, best_live: PerSentenceNumber, worst_end: PerSentenceNumber, length: int, limits: PerSentence
    ) -> SentenceFlags:
        """Which sentences are done after ``length`` tokens; a total or score of -inf means that there is none."""
        divisor = self.penalties[limits] if self.exact else self.penalties[length]
        return (best_live / divisor <= worst_end) | (limits <= length)
