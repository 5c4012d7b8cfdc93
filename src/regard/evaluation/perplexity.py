"""Perplexity: how surprised a model is, on average, by the next token of a known target.

    nats per token = −(1/n) Σ log P(y_t | y_<t, source)        perplexity = exp(nats per token)

over the n target tokens, ``</s>`` among them and padding not, and without label smoothing, so that runs with
different smoothing compare. Perplexities of different vocabularies do not compare: nats per reference word do.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from regard.errors import DataError, SettingError

LOGITS_AT_ONCE = 2**22  # float32 logits held at a time: 16 MiB


class Model(Protocol):
    """What is asked of a model: the states for a known target, and their logits."""

    training: bool

    @property
    def pad(self) -> int:
        """The id of padding in the target."""

    @property
    def start(self) -> int:
        """The id that the decoder is fed first."""

    def __call__(self, source: Tensor, target_in: Tensor) -> Tensor:
        """[B S], [B T] → the states [B T D]."""

    def logits(self, hidden: Tensor) -> Tensor:
        """[… D] → [… V]."""

    def parameters(self) -> Iterator[Tensor]:
        """The weights; the first says on which device they are."""

    def train(self, mode: bool = True) -> Any:
        """Turn dropout on or off."""


class Pairs(Protocol):
    """What is asked of a batch: ids that end in ``</s>`` and are padded."""

    @property
    def source(self) -> Tensor:
        """[B S]."""

    @property
    def target(self) -> Tensor:
        """[B T]."""


@dataclass(frozen=True)
class Perplexity:
    """Nats per target token and their exponential; per reference word too where the words were counted."""

    nats_per_token: float
    tokens: int
    words: int | None = None

    @property
    def perplexity(self) -> float:
        """exp(nats per token); infinite where that is beyond a float."""
        return math.inf if self.nats_per_token > 709 else math.exp(self.nats_per_token)

    @property
    def nats_per_word(self) -> float | None:
        """All nats shared among the reference's words instead of among its tokens."""
        return None if self.words is None else self.nats_per_token * self.tokens / self.words

    def to_dict(self) -> dict[str, Any]:
        """The numbers as plain values for JSON."""
        return {**asdict(self), "perplexity": self.perplexity, "nats_per_word": self.nats_per_word}


def perplexity(model: Model, batches: Iterable[Pairs], *, words: int | None = None) -> Perplexity:
    """The perplexity of ``model`` on ``batches``, dropout off; ``words`` are those of all references together.

    Raises DataError where the batches hold no target token, SettingError for fewer than one word.
    """
    if words is not None and words < 1:
        raise SettingError.because("words", words, "at least one reference word", "count them, or leave words out")
    device = next(iter(model.parameters())).device
    was_training = model.training
    model.train(False)
    nats, tokens = 0.0, 0
    try:
        with torch.no_grad():
            for batch in batches:
                more, counted = _surprise(model, batch.source.to(device), batch.target.to(device))
                nats += more
                tokens += counted
    finally:
        model.train(was_training)
    if tokens == 0:
        raise DataError.because("perplexity", "no target tokens", "at least one", "give a test set that is not empty")
    return Perplexity(nats / tokens, tokens, words)


def _surprise(model: Model, source: Tensor, target: Tensor) -> tuple[float, int]:
    """The nats of a batch's target and its number of tokens; only real tokens' states reach the output layer."""
    start = torch.full_like(target[:, :1], model.start)
    real = target != model.pad
    hidden = model(source, torch.cat([start, target[:, :-1]], dim=1))[real]
    labels = target[real]
    nats, rows, vocabulary = 0.0, 1, 0  # the first chunk is one row, which tells how wide the others may be
    while len(labels):
        logits = model.logits(hidden[:rows]).float()
        log_sum = logits.logsumexp(-1)
        chosen = logits.gather(-1, labels[:rows, None])[:, 0]
        nats += float((log_sum - chosen).double().sum())
        hidden, labels = hidden[rows:], labels[rows:]
        vocabulary = logits.shape[-1]
        rows = max(1, LOGITS_AT_ONCE // vocabulary)
    return nats, int(real.sum())
