"""What an encoder–decoder is made of, as far as the compiled decoder knows such parts.

A plan holds the model's own tensors. Two plans of one model are equal as long as no part and no weight has changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from regard.layers.embedding import OutputLayer, TokenEmbedding
from regard.layers.feedforward import ACTIVATIONS, FeedForward
from regard.layers.kernels.library import UNIT
from regard.layers.mask import past
from regard.layers.multihead import MultiHeadAttention
from regard.layers.norm import LayerNorm, RMSNorm
from regard.layers.position import LearnedPositions, NoPositions, SinusoidalPositions, in_order
from regard.layers.residual import PostNorm, PreNorm
from regard.layers.rotary import Rotary
from regard.layers.similarity import DotProduct
from regard.models.block import DecoderBlock, EncoderBlock
from regard.models.embedder import Embedder
from regard.models.stack import Decoder, Encoder
from regard.models.transformer import EncoderDecoder


class NotSupported(Exception):  # noqa: N818  # no error for a user: the reason why torch does the work
    """A part that the compiled decoder does not know."""


@dataclass(frozen=True, eq=False)
class Weight:
    """A tensor of the model, equal to another if it is the same one and has not been written to since."""

    tensor: Tensor
    address: int
    version: int

    @classmethod
    def of(cls, tensor: Tensor) -> Weight:
        """Of a contiguous float32 tensor on the CPU."""
        if tensor.dtype != torch.float32 or tensor.device.type != "cpu" or not tensor.is_contiguous():
            raise NotSupported(f"weights in {tensor.dtype} on {tensor.device}".replace("torch.", ""))
        if tensor.is_inference():
            raise NotSupported("weights that torch does not track (made under inference_mode)")
        return cls(tensor, tensor.data_ptr(), tensor._version)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Weight) and self._facts() == other._facts()

    def __hash__(self) -> int:
        return hash(self._facts())

    def _facts(self) -> tuple[int, int, int]:
        return id(self.tensor), self.address, self.version


@dataclass(frozen=True)
class LinearPlan:
    """x Wᵀ + b."""

    weight: Weight
    bias: Weight | None


@dataclass(frozen=True)
class NormPlan:
    """``kind``: 1 layer norm, 2 RMS norm."""

    kind: int
    weight: Weight
    bias: Weight | None
    epsilon: float


@dataclass(frozen=True)
class AttentionPlan:
    """``scale`` of the dot products; ``frequencies`` of rotary positions."""

    query: LinearPlan
    key: LinearPlan
    value: LinearPlan
    output: LinearPlan
    heads: int
    groups: int
    scale: float
    frequencies: Weight | None


@dataclass(frozen=True)
class FeedForwardPlan:
    """``activation``: its place in ACTIVATIONS."""

    inner: LinearPlan
    gate: LinearPlan | None
    outer: LinearPlan
    activation: int


@dataclass(frozen=True)
class BlockPlan:
    """``norms``: of self-attention, of attention to the memory, if any, and of the feed-forward network."""

    attention: AttentionPlan
    cross: AttentionPlan | None
    feed_forward: FeedForwardPlan
    norms: tuple[NormPlan, ...]
    norm_first: bool


@dataclass(frozen=True)
class PositionsPlan:
    """Sinusoids in a ``layout``, or a ``table`` whose first place is row ``offset``; or nothing at all."""

    layout: str | None = None
    table: Weight | None = None
    offset: int = 0


@dataclass(frozen=True)
class StackPlan:
    """One half of the model."""

    tokens: Weight
    scale: float
    positions: PositionsPlan
    embedding_norm: NormPlan | None
    blocks: tuple[BlockPlan, ...]
    final_norm: NormPlan | None


@dataclass(frozen=True)
class ModelPlan:
    """The whole model. ``never``: an id that is no prediction."""

    encoder: StackPlan
    decoder: StackPlan
    output: LinearPlan
    never: int | None
    start: int
    eos: int
    source_pad: int
    most_tokens: int | None

    @property
    def width(self) -> int:
        """d_model."""
        return self.output.weight.tensor.shape[1]


def plan_of(model: nn.Module) -> ModelPlan | str:
    """The model's plan, or the reason why there is none."""
    try:
        return _model(model)
    except NotSupported as reason:
        return str(reason)


def _model(model: nn.Module) -> ModelPlan:
    _must_be(model, EncoderDecoder)
    assert isinstance(model, EncoderDecoder)
    if model.before_output is not None or model.start is None or model.source_pad is None:
        raise NotSupported("a model with a transform before its output, or without a start or a padding id")
    output = model.output
    _must_be(output, OutputLayer)
    _must_be(model.encoder, Encoder)
    _must_be(model.decoder, Decoder)
    assert isinstance(output, OutputLayer)
    encoder, decoder = _stack(model.encoder, EncoderBlock, None), _stack(model.decoder, DecoderBlock, past)
    if (encoder.positions.table or decoder.positions.table) and model.most_tokens is None:
        raise NotSupported("learned positions without a longest text")
    turned = {block.attention.frequencies for stack in (encoder, decoder) for block in stack.blocks} - {None}
    if len({tuple(one.tensor.tolist()) for one in turned if one}) > 1:
        raise NotSupported("rotary positions of different frequencies")
    return ModelPlan(
        encoder,
        decoder,
        LinearPlan(Weight.of(output.weight), None if output.bias is None else Weight.of(output.bias)),
        output.never,
        model.start,
        model.eos,
        model.source_pad,
        model.most_tokens,
    )


def _stack(stack: Any, block: type[nn.Module], sees: Any) -> StackPlan:
    embed = stack.embed
    _must_be(embed, Embedder)
    _must_be(embed.tokens, TokenEmbedding)
    if embed.types is not None or embed.wide is not None or embed.numbering is not in_order:
        raise NotSupported("an embedding with types of tokens, widened vectors or places of its own")
    if stack.bias is not None or stack.sees is not sees:
        raise NotSupported("relative positions, or attention to a window")
    tokens = Weight.of(embed.tokens.weight)
    if tokens.tensor.shape[1] % UNIT:
        raise NotSupported(f"d_model {tokens.tensor.shape[1]}, no multiple of {UNIT}")
    return StackPlan(
        tokens,
        embed.tokens.scale,
        _positions(embed.positions),
        None if embed.norm is None else _norm(embed.norm),
        tuple(_block(one, block) for one in stack.blocks),
        None if stack.final_norm is None else _norm(stack.final_norm),
    )


def _positions(positions: nn.Module) -> PositionsPlan:
    _must_be(positions, SinusoidalPositions, LearnedPositions, NoPositions)
    if isinstance(positions, SinusoidalPositions):
        return PositionsPlan(layout=positions.layout)
    if isinstance(positions, LearnedPositions):
        return PositionsPlan(table=Weight.of(positions.weight), offset=positions.offset)
    return PositionsPlan()


def _block(block: Any, kind: type[nn.Module]) -> BlockPlan:
    _must_be(block, kind)
    crosses = kind is DecoderBlock
    residuals = [block.around_self_attention, block.around_feed_forward]
    if crosses:
        residuals.insert(1, block.around_cross_attention)
    for residual in residuals:
        _must_be(residual, PostNorm, PreNorm)
    kinds = {type(residual) for residual in residuals}
    if len(kinds) > 1:
        raise NotSupported("norms before and after sums in one layer")
    return BlockPlan(
        _attention(block.self_attention),
        _attention(block.cross_attention) if crosses else None,
        _feed_forward(block.feed_forward),
        tuple(_norm(residual.norm) for residual in residuals),
        kinds == {PreNorm},
    )


def _attention(attention: Any) -> AttentionPlan:
    _must_be(attention, MultiHeadAttention)
    _must_be(attention.similarity, DotProduct)
    if attention.recorder is not None:
        raise NotSupported("attention that is being recorded")
    if attention.rotary is not None:
        _must_be(attention.rotary, Rotary)
    scale = attention.similarity.factor(attention.query.out_features // attention.heads)
    turned = None if attention.rotary is None else Weight.of(attention.rotary.frequencies)
    return AttentionPlan(
        _linear(attention.query),
        _linear(attention.key),
        _linear(attention.value),
        _linear(attention.output),
        attention.heads,
        attention.groups,
        scale,
        turned,
    )


def _feed_forward(network: Any) -> FeedForwardPlan:
    _must_be(network, FeedForward)
    known = list(ACTIVATIONS.values())
    if network.activation not in known:
        raise NotSupported("another activation")
    gate = None if network.gate is None else _linear(network.gate)
    return FeedForwardPlan(_linear(network.inner), gate, _linear(network.outer), known.index(network.activation))


def _norm(norm: nn.Module) -> NormPlan:
    _must_be(norm, LayerNorm, RMSNorm)
    if isinstance(norm, LayerNorm):
        return NormPlan(1, Weight.of(norm.weight), Weight.of(norm.bias), norm.epsilon)
    assert isinstance(norm, RMSNorm)
    return NormPlan(2, Weight.of(norm.weight), None, norm.epsilon)


def _linear(linear: Any) -> LinearPlan:
    _must_be(linear, nn.Linear)
    return LinearPlan(Weight.of(linear.weight), None if linear.bias is None else Weight.of(linear.bias))


def _must_be(part: object, *kinds: type) -> None:
    """One of these and no subclass, with nothing hooked into it."""
    if type(part) not in kinds:
        raise NotSupported(f"a part of another kind, {type(part).__name__}")
    if isinstance(part, nn.Module) and (part._forward_hooks or part._forward_pre_hooks):
        raise NotSupported("hooks on its parts")
