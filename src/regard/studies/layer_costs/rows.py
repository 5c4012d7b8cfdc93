"""The rows of Table 1 as layers of one width, and what is put beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from regard.layers.attention import Recorder, attention
from regard.layers.convolution import Convolution
from regard.layers.mask import Within
from regard.layers.multihead import MultiHeadAttention
from regard.layers.recurrent import CELLS, Recurrence
from regard.layers.window import attention_within

SELF_ATTENTION, RECURRENT, CONVOLUTIONAL, WITHIN = "self-attention", "recurrent", "convolutional", "within r"
WEIGHTS_MADE, MASKED, MULTI_HEAD = "weights made", "within r, by a mask", "multi-head layer"
TABLE_1 = (SELF_ATTENTION, RECURRENT, CONVOLUTIONAL, WITHIN)


@dataclass(frozen=True)
class Layer:
    """A layer of fixed n and d: what it computes of [B, n, d], and its weights."""

    call: Callable[[Tensor], Tensor]
    weights: Sequence[Tensor] = ()


@dataclass(frozen=True)
class Row:
    """A kind of layer: ``build`` makes one for n positions of width d; ``n`` and ``d`` are the exponents of its time.

    None: between two terms, so that there is no one exponent. ``memory`` are those of the largest tensors it makes.
    """

    told: str
    build: Callable[[int, int], Layer]
    n: float | None
    d: float | None
    memory: tuple[float, float]


def rows(width: int, reach: int, heads: int) -> Mapping[str, Row]:
    """The four rows of Table 1 (convolution of k = ``width``, r = ``reach``), then three others of self-attention.

    Attention is the products of equation 1 alone, of one head as wide as the layer, x being query, key and value:
    what Table 1 counts. The multi-head layer has the projections as well, O(n·d²).
    """
    return {
        SELF_ATTENTION: Row("O(n²·d)", lambda n, d: Layer(_attends(None)), 2, 1, (1, 1)),
        RECURRENT: Row("O(n·d²)", lambda n, d: _recurrent(d), 1, 2, (1, 1)),
        CONVOLUTIONAL: Row("O(k·n·d²)", lambda n, d: _convolution(d, width), 1, 2, (1, 1)),
        WITHIN: Row("O(r·n·d)", lambda n, d: Layer(lambda x: _one(attention_within(*_three(x), reach))), 1, 1, (1, 1)),
        WEIGHTS_MADE: Row("O(n²·d)", lambda n, d: Layer(_attends(lambda weights: None)), 2, 1, (2, 0)),
        MASKED: Row("O(n²·d)", lambda n, d: _masked(n, reach), 2, 1, (2, 0)),
        MULTI_HEAD: Row("O(n²·d + n·d²)", lambda n, d: _multi_head(d, heads), None, None, (1, 1)),
    }


def _attends(recorder: Recorder | None) -> Callable[[Tensor], Tensor]:
    """Attention as the project runs it, fused; with a recorder, the weights [n, n] are made."""
    return lambda x: _one(attention(*_three(x), recorder=recorder))


def _masked(n: int, reach: int) -> Layer:
    places = torch.arange(n)[None]
    mask = Within(reach, ahead=True)(places, places)
    return Layer(lambda x: _one(attention(*_three(x), mask=mask)))


def _recurrent(d: int) -> Layer:
    layer = Recurrence(d, d, CELLS["rnn"])
    return Layer(lambda x: layer(x)[0], list(layer.parameters()))


def _convolution(d: int, width: int) -> Layer:
    return _of(Convolution(d, d, width))


def _multi_head(d: int, heads: int) -> Layer:
    layer = MultiHeadAttention(d, heads, d // heads, d // heads)
    return Layer(lambda x: layer(x, layer.remember(x)), list(layer.parameters()))


def _of(layer: nn.Module) -> Layer:
    return Layer(layer, list(layer.parameters()))


def _three(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return x[:, None], x[:, None], x[:, None]


def _one(heads: Tensor) -> Tensor:
    return heads[:, 0]
