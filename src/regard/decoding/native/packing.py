"""From a plan to what the C++ code is handed: widths padded, heads side by side, scales folded in."""

from __future__ import annotations

import ctypes

import numpy as np
import torch
from numpy.typing import NDArray

from regard.decoding.native import views
from regard.decoding.native.plan import (
    AttentionPlan,
    BlockPlan,
    FeedForwardPlan,
    LinearPlan,
    ModelPlan,
    NormPlan,
    NotSupported,
    PositionsPlan,
    StackPlan,
    Weight,
)
from regard.layers.kernels.library import UNIT
from regard.layers.position import sinusoids

Floats = NDArray[np.float32]
Map = tuple[Floats, Floats]  # W [outputs, inputs] and b


def padded(width: int) -> int:
    """The next multiple of UNIT, to which every width but d_model is padded."""
    return -(-width // UNIT) * UNIT


class Packing:
    """The views of a model. Whatever they point to lives as long as this."""

    def __init__(self, plan: ModelPlan, *, in_bytes: bool) -> None:
        self._kept: list[object] = [plan]
        self.view = views.ModelView(
            self._stack(plan.encoder),
            self._stack(plan.decoder),
            self._linear(output_map(plan.output, plan.never)),
            plan.width,
            plan.output.weight.tensor.shape[0],
            plan.start,
            in_bytes,
        )

    def _stack(self, plan: StackPlan) -> views.StackView:
        blocks = (views.BlockView * len(plan.blocks))(*map(self._block, plan.blocks))
        self._kept.append(blocks)
        return views.StackView(
            plan.tokens.address,
            ctypes.cast(blocks, ctypes.POINTER(views.BlockView)),
            self._norm(plan.embedding_norm),
            self._norm(plan.final_norm),
            plan.scale,
            len(plan.blocks),
        )

    def _block(self, plan: BlockPlan) -> views.BlockView:
        norms = [self._norm(norm) for norm in plan.norms]
        own = self._attention(plan.attention, among_itself=True)
        network = self._feed_forward(plan.feed_forward)
        if plan.cross is None:
            return views.BlockView(
                own, views.AttentionView(), network, norms[0], views.NormView(), norms[1], plan.norm_first
            )
        return views.BlockView(own, self._attention(plan.cross, among_itself=False), network, *norms, plan.norm_first)

    def _attention(self, plan: AttentionPlan, *, among_itself: bool) -> views.AttentionView:
        query, key, value = (
            heads_map(one, count)
            for one, count in ((plan.query, plan.heads), (plan.key, plan.groups), (plan.value, plan.groups))
        )
        query = scaled(query, plan.scale)
        output = gathering_map(plan.output, plan.heads)
        key_width, value_width = len(key[0]) // plan.groups, len(value[0]) // plan.groups
        first = self._linear(side_by_side(query, key, value) if among_itself else query)
        second = views.LinearView() if among_itself else self._linear(side_by_side(key, value))
        turned = 0 if plan.frequencies is None else 2 * len(plan.frequencies.tensor)
        return views.AttentionView(
            first, second, self._linear(output), plan.heads, plan.groups, key_width, value_width, turned
        )

    def _feed_forward(self, plan: FeedForwardPlan) -> views.FeedForwardView:
        inner, outer = heads_map(plan.inner, 1), gathering_map(plan.outer, 1)
        if plan.gate is not None:
            inner = side_by_side(inner, heads_map(plan.gate, 1))
        return views.FeedForwardView(self._linear(inner), self._linear(outer), plan.activation, plan.gate is not None)

    def _linear(self, given: Map) -> views.LinearView:
        weight, bias = (np.ascontiguousarray(part, dtype=np.float32) for part in given)
        if not np.isfinite(weight).all():
            raise NotSupported("weights that are no numbers")
        self._kept += (weight, bias)
        return views.LinearView(weight.ctypes.data, bias.ctypes.data, weight.shape[1], weight.shape[0])

    def _norm(self, plan: NormPlan | None) -> views.NormView:
        if plan is None:
            return views.NormView()
        bias = None if plan.bias is None else plan.bias.address
        return views.NormView(plan.weight.address, bias, plan.epsilon, plan.kind)


def array(weight: Weight) -> Floats:
    """The numbers themselves, not a copy."""
    found: Floats = weight.tensor.detach().numpy()
    return found


def _map(plan: LinearPlan) -> Map:
    weight = array(plan.weight)
    return weight, np.zeros(len(weight), np.float32) if plan.bias is None else array(plan.bias)


def heads_map(plan: LinearPlan, heads: int) -> Map:
    """A map to several heads, with zeros after each up to a padded width."""
    weight, bias = _map(plan)
    width = len(bias) // heads
    beyond = padded(width) - width
    if not beyond:
        return weight, bias
    weight = np.pad(weight.reshape(heads, width, -1), ((0, 0), (0, beyond), (0, 0)))
    bias = np.pad(bias.reshape(heads, width), ((0, 0), (0, beyond)))
    return weight.reshape(-1, weight.shape[2]), bias.reshape(-1)


def gathering_map(plan: LinearPlan, heads: int) -> Map:
    """A map from several heads, padded likewise."""
    weight, bias = _map(plan)
    width = weight.shape[1] // heads
    beyond = padded(width) - width
    if not beyond:
        return weight, bias
    weight = np.pad(weight.reshape(-1, heads, width), ((0, 0), (0, 0), (0, beyond)))
    return weight.reshape(len(weight), -1), bias


def output_map(plan: LinearPlan, never: int | None) -> Map:
    """The output layer. What is no prediction, and what fills up the vocabulary, has a logit of −∞."""
    weight, bias = _map(plan)
    beyond = padded(len(bias)) - len(bias)
    if beyond:
        weight = np.pad(weight, ((0, beyond), (0, 0)))
    bias = np.pad(bias, (0, beyond), constant_values=-np.inf)
    if never is not None:
        bias[never] = -np.inf
    return weight, bias


def scaled(given: Map, factor: float) -> Map:
    """Both parts times ``factor``."""
    weight, bias = ((part.astype(np.float64) * factor).astype(np.float32) for part in given)
    return weight, bias


def side_by_side(*maps: Map) -> Map:
    """One map that yields what each of them yields."""
    return np.concatenate([weight for weight, _ in maps]), np.concatenate([bias for _, bias in maps])


def positions_table(plan: PositionsPlan, places: int, width: int) -> Floats | None:
    """[at least ``places``, width], what each place adds to a vector; None where nothing is added."""
    if plan.layout is not None:
        return sinusoids(places, width, plan.layout).numpy()
    return None if plan.table is None else array(plan.table)[plan.offset :]


def rotation_tables(plan: ModelPlan, places: int) -> tuple[Floats | None, Floats | None]:
    """Cosines and sines [places, d_k / 2] of every place's angles; None where nothing is turned."""
    blocks = (*plan.encoder.blocks, *plan.decoder.blocks)
    frequencies = next((one.attention.frequencies for one in blocks if one.attention.frequencies), None)
    if frequencies is None:
        return None, None
    angles = torch.arange(places)[:, None].float() * frequencies.tensor
    return angles.cos().numpy(), angles.sin().numpy()
