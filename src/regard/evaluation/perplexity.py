"""Perplexity: how surprised a model is, on average, by the next token of a known target.

    nats per token = −(1/n) Σ log P(y_t | y_<t, source)        perplexity = exp(nats per token)

over the n target tokens, ``</s>`` among them and padding not, and without label smoothing, so that runs with
different smoothing compare. Perplexities of different vocabularies do not compare: nats per word do, and where a text
has no blanks between words nats, or bits, per byte of its UTF-8.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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
    """Nats per target token and their exponential; per word and per byte too where these were counted."""

    nats_per_token: float
    tokens: int
    words: int | None = None
    bytes: int | None = None

    @property
    def perplexity(self) -> float:
        """exp(nats per token); infinite where that is beyond a float."""
        return math.inf if self.nats_per_token > 709 else math.exp(self.nats_per_token)

    @property
    def nats_per_word(self) -> float | None:
        """All nats shared among the text's words instead of among its tokens."""
        return None if self.words is None else self.nats_per_token * self.tokens / self.words

    @property
    def nats_per_byte(self) -> float | None:
        """All nats shared among the bytes of the text in UTF-8."""
        return None if self.bytes is None else self.nats_per_token * self.tokens / self.bytes

    @property
    def bits_per_byte(self) -> float | None:
        """Nats per byte in bits: a bit is ln 2 nats."""
        return None if self.nats_per_byte is None else self.nats_per_byte / math.log(2)

    def to_dict(self) -> dict[str, Any]:
        """The numbers as plain values for JSON."""
        further = ("perplexity", "nats_per_word", "nats_per_byte", "bits_per_byte")
        return {**asdict(self), **{name: getattr(self, name) for name in further}}


def perplexity(model: Model, batches: Iterable[Pairs], *, words: int | None = None) -> Perplexity:
    """The perplexity of ``model`` on ``batches``, dropout off; ``words`` are those of all references together.

    Raises DataError where the batches hold no target token, SettingError for fewer than one word.
    """
    _check_count(words)
    with _at_rest(model) as device:
        nats, tokens = _total(
            _surprise(model, *_pairs(model, batch.source.to(device), batch.target.to(device))) for batch in batches
        )
    return Perplexity(nats / tokens, tokens, words)


def _check_count(words: int | None) -> None:
    if words is not None and words < 1:
        raise SettingError.because("words", words, "at least one reference word", "count them, or leave words out")


@contextmanager
def _at_rest(model: Model) -> Iterator[torch.device]:
    """Without dropout and gradients meanwhile; yields the device of the weights."""
    was_training = model.training
    model.train(False)
    try:
        with torch.no_grad():
            yield next(iter(model.parameters())).device
    finally:
        model.train(was_training)


def _total(parts: Iterable[tuple[float, int]]) -> tuple[float, int]:
    nats, tokens = 0.0, 0
    for more, counted in parts:
        nats += more
        tokens += counted
    if tokens == 0:
        raise DataError.because("perplexity", "no target tokens", "at least one", "give a test set that is not empty")
    return nats, tokens


def _pairs(model: Model, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The states of the real target tokens [n D], and these tokens [n]."""
    start = torch.full_like(target[:, :1], model.start)
    real = target != model.pad
    return model(source, torch.cat([start, target[:, :-1]], dim=1))[real], target[real]


def _surprise(model: Model, hidden: Tensor, labels: Tensor) -> tuple[float, int]:
    """The nats of ``labels`` [n] given their states [n D], and n; only these states reach the output layer."""
    tokens = len(labels)
    nats, rows, vocabulary = 0.0, 1, 0  # the first chunk is one row, which tells how wide the others may be
    while len(labels):
        logits = model.logits(hidden[:rows]).float()
        log_sum = logits.logsumexp(-1)
        chosen = logits.gather(-1, labels[:rows, None])[:, 0]
        nats += float((log_sum - chosen).double().sum())
        hidden, labels = hidden[rows:], labels[rows:]
        vocabulary = logits.shape[-1]
        rows = max(1, LOGITS_AT_ONCE // vocabulary)
    return nats, tokens
