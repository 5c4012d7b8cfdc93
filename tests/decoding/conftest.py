"""A model small enough to reckon with by hand, slow twins of the searches, and words that are their own tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

from regard.families import transformer
from regard.models.vocabulary import joint_vocabulary

EOS = 0


class TableState:
    def __init__(self, histories: Tensor, beams: int, start: int) -> None:
        self.histories = histories
        self.first = torch.full_like(histories, start)
        self.beams = beams
        self.steps = 0

    def reorder(self, rows: Tensor) -> None:
        sentence_of = torch.arange(len(rows)) // self.beams
        assert torch.equal(rows // self.beams, sentence_of), "a row left its sentence"
        self.histories = self.histories[rows]

    def keep(self, sentences: Tensor) -> None:
        self.histories = self.histories.view(-1, self.beams)[sentences].flatten()


class TableModel(nn.Module):
    """The logits of the next token are a row of a random table, chosen by the source and everything written so far."""

    def __init__(self, vocabulary: int = 5, seed: int = 0, spread: float = 1.0, rows: int = 4999, ends: float = 0.0):
        super().__init__()
        self.pad = self.start = self.source_pad = vocabulary - 1
        self.eos = EOS
        self.vocabulary = vocabulary
        table = (
            torch.randn(rows, vocabulary, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * spread
        )
        table[:, EOS] += ends
        table[:, self.pad] = -torch.inf
        self.table = nn.Parameter(table)
        self.plain_table = table.tolist()
        self.least_rows = 10**9
        self.fed = 0

    def start_decoding(self, source: Tensor, beams: int = 1) -> TableState:
        history = torch.zeros(len(source), dtype=torch.int64)
        for column in source.T:
            history = torch.where(column == self.source_pad, history, self.follow(history, column + self.vocabulary))
        return TableState(history.repeat_interleave(beams), beams, self.start)

    def follow(self, history: Tensor, token: Tensor) -> Tensor:
        return (history * 31 + token + 1) % len(self.table)

    def step(self, tokens: Tensor, state: TableState) -> Tensor:
        assert tokens.shape == state.histories.shape
        self.least_rows = min(self.least_rows, len(tokens))
        self.fed += len(tokens)
        state.histories = self.follow(state.histories, tokens)
        return self.table[state.histories].detach().clone()

    def log_probabilities(self, source: Sequence[int], written: Sequence[int]) -> list[float]:
        """Of the next token, without tensors."""
        history = 0
        read = [token + self.vocabulary for token in source if token != self.source_pad]
        for token in (*read, self.start, *written):
            history = (history * 31 + token + 1) % len(self.table)
        logits = self.plain_table[history]
        total = math.log(sum(math.exp(x) for x in logits))
        return [x - total for x in logits]


@pytest.fixture
def table_model() -> Callable[..., TableModel]:
    return TableModel


def lively_transformer(size: transformer.Config, vocabulary: int) -> transformer.EncoderDecoder:
    """Random weights whose outputs differ from source to source, do not repeat one token, and end now and then.

    A tied output layer likes to repeat its input; a last norm with gains of both signs stops that.
    """
    model = transformer.build(size, joint_vocabulary(vocabulary)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            noise = torch.randn_like(weight) * 0.2
            weight.copy_(weight + noise if weight.ndim == 1 else noise)
        model.encoder.embed.tokens.weight.mul_(1.5)[model.pad].zero_()
        model.decoder.blocks[-1].around_feed_forward.norm.weight.normal_()
        model.output.bias[model.eos] = 2.0
    return model


@pytest.fixture(scope="session")
def lively() -> Callable[..., transformer.EncoderDecoder]:
    return lively_transformer


class CopyState:
    def __init__(self, source: Tensor, beams: int, start: int) -> None:
        self.source = source.repeat_interleave(beams, dim=0)
        self.first = torch.full((len(source) * beams,), start)
        self.beams = beams
        self.position = 0

    def reorder(self, rows: Tensor) -> None:
        self.source = self.source[rows]

    def keep(self, sentences: Tensor) -> None:
        self.source = self.source.unflatten(0, (-1, self.beams))[sentences].flatten(0, 1)


class CopyModel(nn.Module):
    """Its likeliest output, by far, is its source."""

    def __init__(self, vocabulary: int = 50) -> None:
        super().__init__()
        self.pad = self.start = self.source_pad = vocabulary - 1
        self.eos = EOS
        self.vocabulary = vocabulary
        self.weight = nn.Parameter(torch.zeros(1))
        self.inner = nn.Dropout(0.5)
        self.sources: list[list[list[int]]] = []
        self.circumstances: list[tuple[bool, bool, bool, int]] = []

    def start_decoding(self, source: Tensor, beams: int = 1) -> CopyState:
        self.sources.append(source.tolist())
        return CopyState(source, beams, self.start)

    def step(self, tokens: Tensor, state: CopyState) -> Tensor:
        inference = torch.is_inference_mode_enabled()
        self.circumstances.append((self.training, self.inner.training, inference, torch.get_num_threads()))
        last = min(state.position, state.source.shape[1] - 1)  # finished rows may run on
        state.position += 1
        logits = torch.zeros(len(tokens), self.vocabulary)
        logits.scatter_(1, state.source[:, last : last + 1], 20.0)
        logits[:, self.pad] = -torch.inf
        return logits


class Words:
    """The text "7 3" is the tokens 7 and 3; 10 is written as a line break."""

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return [[int(word) for word in text.split()] for text in texts]

    def decode(self, ids: Sequence[int]) -> str:
        return " ".join("\n" if index == 10 else str(index) for index in ids)


@pytest.fixture
def copy_model() -> CopyModel:
    return CopyModel()


@pytest.fixture
def words() -> Words:
    return Words()


@pytest.fixture
def sources() -> Callable[..., tuple[Tensor, Tensor]]:
    """``count`` random sources of the table model's vocabulary, with their limits."""

    def make(model: TableModel, count: int, limit: int, seed: int = 0, width: int = 4) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        source = torch.randint(1, model.vocabulary - 1, (count, width), generator=generator)
        source[:, -1] = EOS
        return source, torch.full((count,), limit)

    return make


def penalise(length: int, penalty: str, alpha: float) -> float:
    return ((5 + length) / 6) ** alpha if penalty == "paper" else length**alpha


@pytest.fixture
def penalty_of() -> Callable[[int, str, float], float]:
    return penalise
