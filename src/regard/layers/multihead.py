"""Multi-head attention, section 3.2.2."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from regard.layers.attention import Recorder, attention
from regard.layers.rotary import Rotary
from regard.layers.similarity import Similarity, scaled_dot_product
from regard.notation import Bias, Hidden, KeyPlaces, Keys, Mask, Memory, Places, Values


class KeyValues(NamedTuple):
    """What queries look at: a memory, projected once for every head."""

    key: Keys
    value: Values


class MultiHeadAttention(nn.Module):
    """Concat(head_1 … head_h) W^O with head_i = attention(x W_i^Q, m W_i^K, m W_i^V).

    ``d_k`` and ``d_v`` may differ (row B of Table 3). ``groups`` key/value heads serve all ``heads``. ``rotary`` turns
    queries and keys by their places. ``recorder``, where set, receives the weights of every call.
    """

    def __init__(
        self,
        d_model: int,
        heads: int,
        d_k: int,
        d_v: int,
        *,
        groups: int | None = None,
        bias: bool = True,
        output_bias: bool | None = None,
        dropout_rate: float = 0.0,
        similarity: Similarity = scaled_dot_product,
        rotary: Rotary | None = None,
    ) -> None:
        super().__init__()
        groups = heads if groups is None else groups
        self.heads, self.groups = heads, groups
        self.query = nn.Linear(d_model, heads * d_k, bias)
        self.key = nn.Linear(d_model, groups * d_k, bias)
        self.value = nn.Linear(d_model, groups * d_v, bias)
        self.output = nn.Linear(heads * d_v, d_model, bias if output_bias is None else output_bias)
        self.similarity = similarity
        self.rotary = rotary
        self.dropout_rate = dropout_rate
        self.recorder: Recorder | None = None

    def remember(self, memory: Memory, places: KeyPlaces | None = None, marked: Memory | None = None) -> KeyValues:
        """The memory's keys and values, which do not depend on who asks.

        ``marked``: the memory with something added that keys are to show and values not (positions, in DETR).
        """
        key = split_heads(self.key(memory if marked is None else marked), self.groups)
        if self.rotary is not None:
            key = self.rotary(key, _given(places))
        return KeyValues(key, split_heads(self.value(memory), self.groups))

    def forward(
        self,
        x: Hidden,
        remembered: KeyValues,
        mask: Mask | None = None,
        bias: Bias | None = None,
        places: Places | None = None,
    ) -> Hidden:
        """What each position of ``x`` gathers from ``remembered``. ``places`` are for rotary positions alone."""
        query = split_heads(self.query(x), self.heads)
        gathered = attention(
            query if self.rotary is None else self.rotary(query, _given(places)),
            remembered.key,
            remembered.value,
            mask=mask,
            bias=bias,
            similarity=self.similarity,
            dropout_rate=self.dropout_rate if self.training else 0.0,
            recorder=self.recorder,
        )
        return self.output(join_heads(gathered))


def _given(places: Tensor | None) -> Tensor:
    assert places is not None, "rotary positions need places"
    return places


def split_heads(x: Tensor, heads: int) -> Tensor:
    """[B, T, heads·width] → [B, heads, T, width]."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """[B, heads, T, width] → [B, T, heads·width]."""
    return x.transpose(1, 2).flatten(-2)
