"""Models of one width that read a text from left to right and say at its end which word it began with."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import nn

from regard.layers.feedforward import FeedForward
from regard.layers.mask import past
from regard.layers.multihead import MultiHeadAttention
from regard.layers.norm import LayerNorm
from regard.layers.position import SinusoidalPositions
from regard.layers.recurrent import CELLS, Recurrence
from regard.layers.residual import PreNorm
from regard.models.block import EncoderBlock
from regard.notation import ClassLogits, Hidden, Ids

HEADS = 4
LAYERS = 2  # of the Transformer


class Reader(nn.Module):
    """softmax(W y_T + b), where y_T is what the layer above the embeddings puts out at the last position."""

    def __init__(self, vocabulary: int, answers: int, d_model: int, reads: nn.Module) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, d_model)  # components from N(0, 1)
        self.reads = reads
        self.answer = nn.Linear(d_model, answers)

    def classify(self, ids: Ids, types: Ids | None = None) -> ClassLogits:
        """The logits of the words that a text may begin with."""
        return self.judge(self.embed(ids))

    def judge(self, x: Hidden) -> ClassLogits:
        """The same, from the embeddings."""
        return self.answer(self.reads(x)[:, -1])


class Recurrent(nn.Module):
    """One recurrent layer, as the baselines have it."""

    def __init__(self, layer: Recurrence) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Hidden) -> Hidden:
        """Every position's state."""
        return self.layer(x)[0]


class Attending(nn.Module):
    """Blocks of a Transformer, of which no position sees its future."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.positions = SinusoidalPositions(d_model)
        width = d_model // HEADS
        self.blocks = nn.ModuleList(
            EncoderBlock(
                MultiHeadAttention(d_model, HEADS, width, width),
                FeedForward(d_model, 4 * d_model),
                PreNorm(LayerNorm(d_model), 0.0),
                PreNorm(LayerNorm(d_model), 0.0),
            )
            for _ in range(LAYERS)
        )
        self.norm = LayerNorm(d_model)

    def forward(self, x: Hidden) -> Hidden:
        """Every position, after it has looked at those before."""
        places = torch.arange(x.shape[1], device=x.device)[None]
        x, mask = self.positions(x, places), past(places, places)
        for block in self.blocks:
            x = block(x, mask)
        return self.norm(x)


def recurrent(cell: str) -> Callable[[int], nn.Module]:
    """A layer of the cell, as its baseline begins."""
    return lambda d_model: Recurrent(Recurrence(d_model, d_model, CELLS[cell]))


def small_uniform(d_model: int) -> nn.Module:
    """A plain RNN whose U begins uniform in ±1/√d, as ``torch.nn.RNN`` has it, not orthogonal."""
    reads = Recurrent(Recurrence(d_model, d_model, CELLS["rnn"]))
    nn.init.uniform_(reads.layer.recurrent.weight, -(d_model**-0.5), d_model**-0.5)
    return reads


def forget_bias(value: float) -> Callable[[int], nn.Module]:
    """An LSTM whose forget gate begins with this bias, as σ(bias) of the cell is kept."""

    def build(d_model: int) -> nn.Module:
        reads = Recurrent(Recurrence(d_model, d_model, CELLS["lstm"]))
        with torch.no_grad():
            reads.layer.input.bias.chunk(4)[1].fill_(value)
        return reads

    return build


RNN, LSTM, GRU, TRANSFORMER = "RNN", "LSTM", "GRU", "Transformer"
READERS: Mapping[str, Callable[[int], nn.Module]] = {
    RNN: recurrent("rnn"),
    LSTM: recurrent("lstm"),
    GRU: recurrent("gru"),
    TRANSFORMER: Attending,
}
OTHER_BEGINNINGS: Mapping[str, Callable[[int], nn.Module]] = {
    "RNN, U uniform": small_uniform,
    "LSTM, forget bias 0": forget_bias(0.0),
    "LSTM, forget bias 3": forget_bias(3.0),
}
