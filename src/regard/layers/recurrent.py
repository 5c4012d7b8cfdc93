"""Recurrence: a state that goes on from token to token. W acts on what is read, U on the state.

The products W x of all tokens are one matrix product; only U h waits for the token before.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import Tensor, nn

from regard.notation import Hidden, Real, RowGates, RowStates, Vectors

State = tuple[RowStates, ...]


class Cell(ABC):
    """How a state goes on by one token. The first tensor of a state, h, is also what the layer puts out.

    ``gates`` of the width of h are computed from W x + b, which is given, and from U h. ``bias``: U h has one of its
    own, since the two are not simply added.
    """

    gates: ClassVar[int]
    tensors: ClassVar[int] = 1
    bias: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, x: RowGates, state: State, recurrent: nn.Linear) -> State:
        """The state after W x + b = ``x``; ``recurrent`` is U."""

    def draw_bias(self, bias: Tensor) -> None:
        """The first values of b."""
        nn.init.zeros_(bias)


class Elman(Cell):
    """h' = tanh(W x + U h + b) (Elman 1990)."""

    gates = 1

    def __call__(self, x: RowGates, state: State, recurrent: nn.Linear) -> State:
        """One token on."""
        return (torch.addmm(x, state[0], recurrent.weight.t()).tanh(),)


class LongShortTermMemory(Cell):
    """c' = f ⊙ c + i ⊙ g, h' = o ⊙ tanh(c') (Hochreiter and Schmidhuber 1997; f: Gers et al. 2000).

    i, f, o = σ(W x + U h + b) and g = tanh(W x + U h + b), in this order. b of f begins at 1, so that the cell at
    first remembers (Gers et al. 2000; Józefowicz et al. 2015).
    """

    gates = 4
    tensors = 2

    def __call__(self, x: RowGates, state: State, recurrent: nn.Linear) -> State:
        """One token on."""
        h, c = state
        width = h.shape[1]
        open_, new = torch.addmm(x, h, recurrent.weight.t()).split((3 * width, width), 1)
        i, f, o = open_.sigmoid().chunk(3, 1)
        c = torch.addcmul(f * c, i, new.tanh())
        return o * c.tanh(), c

    def draw_bias(self, bias: Tensor) -> None:
        """Zeros, and ones for f."""
        nn.init.zeros_(bias)
        nn.init.ones_(bias.chunk(4)[1])


class GatedRecurrentUnit(Cell):
    """h' = (1 − z) ⊙ n + z ⊙ h with n = tanh(W x + b + r ⊙ (U h + b')) and r, z = σ(W x + U h + b) (Cho et al. 2014).

    Cho et al. have U (r ⊙ h) in n; here r acts after the product, as in cuDNN and PyTorch, so that U h is one product
    for all gates.
    """

    gates = 3
    bias = True

    def __call__(self, x: RowGates, state: State, recurrent: nn.Linear) -> State:
        """One token on."""
        (h,) = state
        width = h.shape[1]
        x_gates, x_new = x.split((2 * width, width), 1)
        h_gates, h_new = recurrent(h).split((2 * width, width), 1)
        r, z = (x_gates + h_gates).sigmoid().chunk(2, 1)
        new = torch.addcmul(x_new, r, h_new).tanh()
        return (torch.lerp(new, h, z),)


CELLS: Mapping[str, Cell] = MappingProxyType(
    {"rnn": Elman(), "lstm": LongShortTermMemory(), "gru": GatedRecurrentUnit()}
)


class Recurrence(nn.Module):
    """One layer in one direction: state_t = cell(W x_t + b, state_{t−1}); ``reverse``: state_{t+1}, from the end.

    W begins Glorot uniform and U orthogonal (Saxe et al. 2014), gate by gate.
    """

    def __init__(self, d_input: int, d_model: int, cell: Cell, *, reverse: bool = False) -> None:
        super().__init__()
        self.input = nn.Linear(d_input, cell.gates * d_model)
        self.recurrent = nn.Linear(d_model, cell.gates * d_model, bias=cell.bias)
        self.cell = cell
        self.reverse = reverse
        self.initialise()

    def initialise(self) -> None:
        """Draw the weights."""
        for gate in self.input.weight.data.chunk(self.cell.gates):
            nn.init.xavier_uniform_(gate)
        for gate in self.recurrent.weight.data.chunk(self.cell.gates):
            nn.init.orthogonal_(gate)
        self.cell.draw_bias(self.input.bias.data)
        if self.cell.bias:
            nn.init.zeros_(self.recurrent.bias)

    def forward(self, x: Vectors, real: Real | None = None, state: State | None = None) -> tuple[Hidden, State]:
        """What each position puts out, and the last state. ``state``: the one to begin with, zeros unless given.

        Where ``real`` is False, the state stays as it was, and is what the position puts out.
        """
        gates = self.input(x.transpose(0, 1)).unbind(0)
        if state is None:
            state = (x.new_zeros(len(x), self.recurrent.in_features),) * self.cell.tensors
        whole = [True] * len(gates) if real is None else real.all(0).tolist()
        outputs = []
        for t in reversed(range(len(gates))) if self.reverse else range(len(gates)):
            after = self.step(gates[t], state)
            if real is not None and not whole[t]:
                there = real[:, t, None]
                after = tuple(torch.where(there, new, old) for new, old in zip(after, state, strict=True))
            state = after
            outputs.append(state[0])
        return torch.stack(outputs[::-1] if self.reverse else outputs, 1), state

    def step(self, gates: RowGates, state: State) -> State:
        """The next state of each row, from ``gates`` = W x + b."""
        return self.cell(gates, state, self.recurrent)
