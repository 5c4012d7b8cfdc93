"""What the blocks of a stack are made of: a family says it once, and takes as many blocks as it has layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from regard.errors import SettingError
from regard.layers.embedding import TokenEmbedding
from regard.layers.feedforward import FeedForward
from regard.layers.multihead import MultiHeadAttention
from regard.layers.rotary import Rotary
from regard.layers.similarity import Similarity, scaled_dot_product
from regard.models.block import DecoderBlock, EncoderBlock, Residual


@dataclass(frozen=True)
class Parts:
    """Widths, rates and kinds. ``norm`` makes a new norm, ``placement`` says where it stands.

    ``d_k`` and ``d_v`` are d_model / heads where not given. ``bias`` is that of every linear map,
    ``attention_bias`` that of attention's where it differs, ``output_bias`` that of the last of these where it differs
    again.
    """

    d_model: int
    heads: int
    d_ff: int
    norm: Callable[[], nn.Module]
    placement: Callable[[nn.Module, float], Residual]
    d_k: int | None = None
    d_v: int | None = None
    groups: int | None = None
    activation: str = "relu"
    gated: bool = False
    bias: bool = True
    attention_bias: bool | None = None
    output_bias: bool | None = None
    dropout: float = 0.0
    attention_dropout: float = 0.0
    activation_dropout: float = 0.0
    similarity: Similarity = scaled_dot_product
    rotary: Rotary | None = None

    def encoder_block(self) -> EncoderBlock:
        """Self-attention and feed-forward."""
        return EncoderBlock(self.self_attention(), self.feed_forward(), self.residual(), self.residual())

    def decoder_block(self) -> DecoderBlock:
        """Masked self-attention, cross attention and feed-forward."""
        residuals = (self.residual(), self.residual(), self.residual())
        return DecoderBlock(self.self_attention(), self.attention(None), self.feed_forward(), *residuals)

    def self_attention(self) -> MultiHeadAttention:
        """Attention of a text to itself."""
        return self.attention(self.rotary)

    def attention(self, rotary: Rotary | None) -> MultiHeadAttention:
        """Attention with h heads."""
        return MultiHeadAttention(
            self.d_model,
            self.heads,
            self.d_k or self.d_model // self.heads,
            self.d_v or self.d_model // self.heads,
            groups=self.groups,
            bias=self.bias if self.attention_bias is None else self.attention_bias,
            output_bias=self.output_bias,
            dropout_rate=self.attention_dropout,
            similarity=self.similarity,
            rotary=rotary,
        )

    def feed_forward(self) -> FeedForward:
        """The network at each position."""
        return FeedForward(
            self.d_model,
            self.d_ff,
            activation=self.activation,
            gated=self.gated,
            bias=self.bias,
            dropout_rate=self.activation_dropout,
        )

    def residual(self) -> Residual:
        """The connection around a sub-layer."""
        return self.placement(self.norm(), self.dropout)


def check_heads(heads: int, d_model: int) -> None:
    """Raises SettingError where the heads cannot share d_model equally; it names the nearest number that can."""
    if d_model % heads:
        fitting = [n for n in range(1, min(d_model, 2 * heads) + 1) if d_model % n == 0]
        nearest = min(fitting, key=lambda n: abs(n - heads))
        got = f"{heads} with d_model {d_model}"
        raise SettingError.because("heads", got, "a divisor of d_model", f"use {nearest}")


def draw_normal(model: nn.Module, deviation: float) -> None:
    """Draw every weight of linear maps and tables from N(0, deviation²), biases 0 (BERT, GPT-2 and their kind).

    Norms keep their ones and zeros, and the row of padding its zeros.
    """
    for name, weight in model.named_parameters():
        if name.endswith("bias") and weight.dim() == 1:
            nn.init.zeros_(weight)
        elif weight.dim() > 1:
            nn.init.normal_(weight, std=deviation)
    for module in model.modules():
        if isinstance(module, TokenEmbedding) and module.pad is not None:
            nn.init.zeros_(module.weight.data[module.pad])
