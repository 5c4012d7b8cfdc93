"""What stands on top of a stack: an output layer over the vocabulary, or over classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from regard.errors import SettingError
from regard.layers.dropout import Dropout
from regard.layers.feedforward import ACTIVATIONS
from regard.notation import Hidden, ImageInput, TokenClassLogits

KINDS = ("language", "classification", "tokens", "detection", "none")
LEAST_LABELS = {"classification": 2, "tokens": 2, "detection": 1}
Pool = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Head:
    """Which head a model has: over the vocabulary, over classes (of all, of each token, of each object), or none."""

    kind: str = "language"
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises SettingError for an unknown kind, and for classes with too few names to tell apart."""
        if self.kind not in KINDS:
            raise SettingError.because("head", repr(self.kind), "one of " + ", ".join(KINDS), "use one of these")
        if len(self.labels) < LEAST_LABELS.get(self.kind, 0):
            least = "two classes" if LEAST_LABELS[self.kind] > 1 else "a class"
            got = f"{len(self.labels)} labels"
            raise SettingError.because("head", got, f"{least} or more", "check the column of labels")


LANGUAGE = Head()
POOLED = Head("none")


class Transform(nn.Module):
    """norm(activation(x W + b)): what BERT and its kind do before their output layer."""

    def __init__(self, d_model: int, width: int, activation: str, norm: nn.Module) -> None:
        super().__init__()
        self.dense = nn.Linear(d_model, width)
        self.activation = ACTIVATIONS[activation]
        self.norm = norm

    def forward(self, hidden: Tensor) -> Tensor:
        """[…, D] → […, E]."""
        return self.norm(self.activation(self.dense(hidden)))


class Scale(nn.Module):
    """x · factor before the output layer (T5 v1.0: d_model^−½)."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, hidden: Tensor) -> Tensor:
        """[…, D] → […, D]."""
        return hidden * self.factor


class TextHead(nn.Module):
    """Classes of a text: dropout, tanh(p W + b), dropout, linear, for the one state p that ``pool`` picks.

    Without ``dense`` the linear map reads p itself; without ``classes`` the pooled vector is the result.
    """

    def __init__(
        self,
        pool: Pool,
        d_model: int,
        classes: int | None,
        *,
        dense: bool = True,
        bias: bool = True,
        dropout_rate: float = 0.0,
        dropout_before: float = 0.0,
    ) -> None:
        super().__init__()
        self.pool = pool
        self.before = Dropout(dropout_before)
        self.dense = nn.Linear(d_model, d_model) if dense else None
        self.dropout = Dropout(dropout_rate)
        self.output = nn.Linear(d_model, classes, bias) if classes is not None else None

    def forward(self, hidden: Hidden, ids: ImageInput) -> Tensor:
        """[B, T, D] → [B, C], or [B, D] without classes."""
        pooled = self.before(self.pool(hidden, ids))
        if self.dense is not None:
            pooled = self.dense(pooled).tanh()
        return pooled if self.output is None else self.output(self.dropout(pooled))


class TokenHead(nn.Module):
    """Classes of each token: dropout, linear."""

    def __init__(self, d_model: int, classes: int, dropout_rate: float = 0.0) -> None:
        super().__init__()
        self.dropout = Dropout(dropout_rate)
        self.output = nn.Linear(d_model, classes)

    def forward(self, hidden: Hidden, ids: ImageInput) -> TokenClassLogits:
        """[B, T, D] → [B, T, C]."""
        return self.output(self.dropout(hidden))


def reader_head(
    head: Head, d_model: int, dropout_rate: float, dropout_before: float = 0.0
) -> TextHead | TokenHead | None:
    """The classes, or the pooled vector, of an encoder that reads from its first token (BERT and its kind)."""
    if head.kind == "language":
        return None
    if head.kind == "tokens":
        return TokenHead(d_model, len(head.labels), dropout_rate)
    classes = len(head.labels) if head.kind == "classification" else None
    before = 0.0 if classes is None else dropout_before
    return TextHead(first_token, d_model, classes, dropout_rate=dropout_rate, dropout_before=before)


def first_token(hidden: Tensor, ids: Tensor) -> Tensor:
    """The state of the first token ([CLS], <s>)."""
    return hidden[:, 0]


def last_token(pad: int | None) -> Pool:
    """The state of the last token that is no padding."""

    def pool(hidden: Tensor, ids: Tensor) -> Tensor:
        if pad is None:
            return hidden[:, -1]
        return _at_last(hidden, ids != pad)

    return pool


def last_end(eos: int) -> Pool:
    """The state of the last ``eos``."""
    return lambda hidden, ids: _at_last(hidden, ids == eos)


def _at_last(hidden: Tensor, wanted: Tensor) -> Tensor:
    places = torch.arange(wanted.shape[1], device=wanted.device)
    last = torch.where(wanted, places, -1).amax(1).clamp(min=0)
    return hidden[torch.arange(len(hidden), device=hidden.device), last]
