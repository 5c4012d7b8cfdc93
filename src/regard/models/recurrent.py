"""Recurrent halves of an encoder–decoder: before the Transformer, Sutskever et al. 2014 to Luong et al. 2015.

Without an alignment, all that the decoder knows of the source is the state that it begins with.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from regard.layers.alignment import Alignment
from regard.layers.dropout import Dropout
from regard.layers.multihead import KeyValues
from regard.layers.recurrent import Recurrence, State
from regard.models.embedder import Embedder
from regard.models.halves import SourceEncoder, TargetDecoder
from regard.notation import (
    Contexts,
    Hidden,
    Ids,
    Mask,
    RowGates,
    RowStates,
    SourceIds,
    StepHidden,
    StepIds,
    StepVectors,
    Vectors,
)


class RecurrentMemory(NamedTuple):
    """``states`` [B, S, M] of the last layer, and the last state of every layer, h first."""

    states: Tensor
    last: tuple[tuple[Tensor, ...], ...]


class RecurrentEncoder(SourceEncoder):
    """A layer reads what the layer below put out, in one direction or in both, which are then concatenated.

    ``layers``: the directions of each, which are equally many in all. Dropout stands between the layers, and not
    between the tokens (Zaremba et al. 2014).
    """

    reads_one_by_one = True

    def __init__(self, embed: Embedder, layers: Sequence[Sequence[Recurrence]], dropout_rate: float) -> None:
        super().__init__()
        self.embed = embed
        self.layers = nn.ModuleList(nn.ModuleList(directions) for directions in layers)
        self.dropout = Dropout(dropout_rate)

    def forward(self, ids: SourceIds, mask: Mask | None) -> RecurrentMemory:
        """The states of all tokens. Padding passes a state on as it is, so that the last one is that of the text."""
        real = None if mask is None else mask[:, 0, 0]
        x, last = self.embed(ids), []
        for number, directions in enumerate(_modules(self.layers)):
            found = [direction(x if number == 0 else self.dropout(x), real) for direction in directions]
            x = _joined([outputs for outputs, _ in found])
            last.append(tuple(_joined(tensors) for tensors in zip(*(state for _, state in found), strict=True)))
        return RecurrentMemory(x, tuple(last))


def _joined(tensors: Sequence[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(tuple(tensors), -1)


class Bridge(nn.Module):
    """s_0 = tanh(W m + b), from the encoder's last state m to the decoder's first (Bahdanau et al. 2015, A.2.2).

    One map for each tensor of each layer's state. With two directions, m is both their last states (there: that of the
    backward one).
    """

    def __init__(self, layers: int, tensors: int, d_last: int, d_model: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.ModuleList(nn.Linear(d_last, d_model) for _ in range(tensors)) for _ in range(layers)
        )

    def forward(self, last: tuple[tuple[Tensor, ...], ...]) -> list[State]:
        """The first state of every layer."""
        return [
            tuple(turn(tensor).tanh() for turn, tensor in zip(_modules(turns), state, strict=True))
            for turns, state in zip(_modules(self.layers), last, strict=True)
        ]


class RecurrentCache:
    """The states of R hypotheses, layer by layer, and what B sentences are to the alignment, if there is one."""

    def __init__(self, states: Sequence[State], memory: KeyValues | None) -> None:
        self.states = list(states)
        self.memory = memory

    def reorder(self, rows: Tensor) -> None:
        """Hypothesis i goes on from what hypothesis ``rows[i]`` was."""
        self.states = [tuple(tensor.index_select(0, rows) for tensor in state) for state in self.states]

    def keep(self, sentences: Tensor, rows: Tensor) -> None:
        """Only these sentences, and their rows, go on."""
        if self.memory is not None:
            self.memory = KeyValues(*(kept.index_select(0, sentences) for kept in self.memory))
        self.reorder(rows)


class RecurrentDecoder(TargetDecoder):
    """What the two kinds have in common: layers, and how they begin. ``bridge``: None hands the last states on.

    The states that it puts out are as wide as the embeddings.
    """

    def __init__(
        self,
        embed: Embedder,
        layers: Sequence[Recurrence],
        bridge: Bridge | None,
        alignment: Alignment | None,
        dropout_rate: float,
    ) -> None:
        super().__init__()
        self.embed = embed
        self.layers = nn.ModuleList(layers)
        self.bridge = bridge
        self.alignment = alignment
        self.dropout = Dropout(dropout_rate)

    def first_states(self, memory: RecurrentMemory) -> list[State]:
        """Of each layer."""
        return list(memory.last) if self.bridge is None else self.bridge(memory.last)

    def remember(self, memory: RecurrentMemory) -> KeyValues | None:
        """What the alignment looks at."""
        return None if self.alignment is None else self.alignment.remember(memory.states)

    def start(self, memory: RecurrentMemory, beams: int) -> list[RecurrentCache]:
        """The first states once for every beam; the beams of a sentence share what they look at."""
        states = [tuple(tensor.repeat_interleave(beams, 0) for tensor in state) for state in self.first_states(memory)]
        return [RecurrentCache(states, self.remember(memory))]

    def step(
        self, tokens: StepIds, position: int, caches: Sequence[RecurrentCache], memory_mask: Mask | None
    ) -> StepHidden:
        """The state [R, 1, E] of the newest token of each hypothesis."""
        return self.go_on(self.embed(tokens[:, None]), caches[0], memory_mask)

    @abstractmethod
    def go_on(self, x: StepVectors, cache: RecurrentCache, mask: Mask | None) -> StepVectors:
        """One token on, for R hypotheses whose newest token has the vector ``x``."""

    def climb(self, gates: RowGates, states: Sequence[State]) -> list[State]:
        """One token on in every layer, of which the lowest has read its input already."""
        found: list[State] = []
        for layer, state in zip(_modules(self.layers), states, strict=True):
            found.append(layer.step(layer.input(self.dropout(found[-1][0])) if found else gates, state))
        return found

    def cross_attentions(self) -> list[Alignment]:
        """The alignment, if there is one."""
        return [] if self.alignment is None else [self.alignment]


class LookingAfter(RecurrentDecoder):
    """h_t = recurrence(y_{t−1}, h_{t−1}); out tanh(W [c_t; h_t]) with the context c_t of h_t (Luong et al. 2015).

    Since no context enters the recurrence, all positions of a known target look at once (their "input feeding" is not
    here). Without an alignment: out W h_t (``read_out``), or h_t where it is as wide as the embeddings (Sutskever et
    al. 2014).
    """

    def __init__(
        self,
        embed: Embedder,
        layers: Sequence[Recurrence],
        bridge: Bridge | None,
        alignment: Alignment | None,
        dropout_rate: float,
        read_out: nn.Linear | None,
    ) -> None:
        super().__init__(embed, layers, bridge, alignment, dropout_rate)
        self.read_out = read_out

    def forward(self, ids: Ids, memory: RecurrentMemory, memory_mask: Mask | None) -> Hidden:
        """All positions of a known target, a layer at a time."""
        x = self.embed(ids)
        for layer, state in zip(_modules(self.layers), self.first_states(memory), strict=True):
            x = self.dropout(layer(x, None, state)[0])
        return self._read(x, self.remember(memory), memory_mask)

    def go_on(self, x: StepVectors, cache: RecurrentCache, mask: Mask | None) -> StepVectors:
        """One token on."""
        cache.states = self.climb(_modules(self.layers)[0].input(x[:, 0]), cache.states)
        sentences = len(cache.states[-1][0]) if cache.memory is None else len(cache.memory.key)
        beams_as_positions = self.dropout(cache.states[-1][0]).unflatten(0, (sentences, -1))
        return self._read(beams_as_positions, cache.memory, mask).flatten(0, 1)[:, None]

    def _read(self, h: Tensor, memory: KeyValues | None, mask: Mask | None) -> Tensor:
        if self.alignment is None or memory is None:
            return h if self.read_out is None else self.read_out(h)
        assert self.read_out is not None, "a context is joined to the state by a map"
        return self.read_out(torch.cat((self.alignment(h, memory, mask), h), -1)).tanh()


class LookingBefore(RecurrentDecoder):
    """s_t = recurrence([y_{t−1}; c_t], s_{t−1}) with the context c_t of s_{t−1} (Bahdanau et al. 2015, section 3.1).

    Out: tanh(W [s_t; c_t; y_{t−1}]), where their deep output has s_{t−1} and a pairwise maximum (A.2.2). W [y; c] of
    the lowest layer is taken apart: W_y y of all positions at once, ``context`` c when c is known. The top layer's s is
    what looks.
    """

    def __init__(
        self,
        embed: Embedder,
        layers: Sequence[Recurrence],
        bridge: Bridge | None,
        alignment: Alignment,
        dropout_rate: float,
        context: nn.Linear,
        read_out: nn.Linear,
    ) -> None:
        super().__init__(embed, layers, bridge, alignment, dropout_rate)
        self.context = context
        self.read_out = read_out

    def forward(self, ids: Ids, memory: RecurrentMemory, memory_mask: Mask | None) -> Hidden:
        """All positions of a known target, one after another."""
        x = self.embed(ids)
        cache = RecurrentCache(self.first_states(memory), self.remember(memory))
        found = [
            self._advance(gates, cache, memory_mask)
            for gates in _modules(self.layers)[0].input(x.transpose(0, 1)).unbind(0)
        ]
        tops, contexts = (torch.stack(rows, 1) for rows in zip(*found, strict=True))
        return self._read(tops, contexts, x)

    def go_on(self, x: StepVectors, cache: RecurrentCache, mask: Mask | None) -> StepVectors:
        """One token on."""
        top, context = self._advance(_modules(self.layers)[0].input(x[:, 0]), cache, mask)
        return self._read(top[:, None], context[:, None], x)

    def _advance(self, gates: RowGates, cache: RecurrentCache, mask: Mask | None) -> tuple[RowStates, Tensor]:
        assert self.alignment is not None, "this decoder always looks"
        assert cache.memory is not None, "and there is something to look at"
        beams_as_positions = cache.states[-1][0].unflatten(0, (len(cache.memory.key), -1))
        context = self.alignment(beams_as_positions, cache.memory, mask).flatten(0, 1)
        cache.states = self.climb(torch.addmm(gates, context, self.context.weight.t()), cache.states)
        return cache.states[-1][0], context

    def _read(self, top: Hidden, context: Contexts, x: Vectors) -> Vectors:
        return self.read_out(torch.cat((self.dropout(top), context, x), -1)).tanh()


def _modules(modules: nn.Module) -> list[Any]:
    return list(modules.children())
