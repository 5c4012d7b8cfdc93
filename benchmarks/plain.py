"""What a careful user writes in plain PyTorch, to stand beside ours on a GPU: fused attention, autocast, torch.compile.

An encoder–decoder around torch.nn.Transformer, and a GPT-2 with pre-norm blocks. Both give the mean loss of a batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LONGEST = 2048


class Sizes(NamedTuple):
    layers: int
    d_model: int
    heads: int
    d_ff: int
    vocabulary: int


class EncoderDecoder(nn.Module):
    """Section 3 of the paper with torch's own blocks, and one matrix for both embeddings and the softmax."""

    def __init__(self, sizes: Sizes, dropout: float = 0.1, smoothing: float = 0.1) -> None:
        super().__init__()
        self.tokens = nn.Embedding(sizes.vocabulary, sizes.d_model)
        nn.init.normal_(self.tokens.weight, std=sizes.d_model**-0.5)
        self.blocks = nn.Transformer(
            sizes.d_model, sizes.heads, sizes.layers, sizes.layers, sizes.d_ff, dropout, batch_first=True
        )
        self.dropout, self.smoothing = nn.Dropout(dropout), smoothing
        angles = torch.arange(LONGEST)[:, None] / 10000 ** (torch.arange(0, sizes.d_model, 2) / sizes.d_model)
        self.register_buffer("places", torch.cat((angles.sin(), angles.cos()), 1))

    def embed(self, ids: Tensor) -> Tensor:
        return self.dropout(self.tokens(ids) * math.sqrt(self.tokens.embedding_dim) + self.places[: ids.shape[1]])

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        read = F.pad(target[:, :-1], (1, 0))
        future = nn.Transformer.generate_square_subsequent_mask(read.shape[1], device=read.device)
        states = self.blocks(self.embed(source), self.embed(read), tgt_mask=future, tgt_is_causal=True)
        logits = F.linear(states, self.tokens.weight)
        return F.cross_entropy(logits.flatten(0, 1).float(), target.flatten(), label_smoothing=self.smoothing)


class Block(nn.Module):
    """x + attention(norm(x)), then the same with the feed-forward network."""

    def __init__(self, sizes: Sizes, dropout: float) -> None:
        super().__init__()
        self.heads, self.rate = sizes.heads, dropout
        self.first, self.second = nn.LayerNorm(sizes.d_model), nn.LayerNorm(sizes.d_model)
        self.qkv = nn.Linear(sizes.d_model, 3 * sizes.d_model)
        self.out = nn.Linear(sizes.d_model, sizes.d_model)
        self.inner, self.outer = nn.Linear(sizes.d_model, sizes.d_ff), nn.Linear(sizes.d_ff, sizes.d_model)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(self.first(x)).chunk(3, -1)
        )
        rate = self.rate if self.training else 0.0
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=True, dropout_p=rate)
        x = x + F.dropout(self.out(seen.transpose(1, 2).flatten(-2)), self.rate, self.training)
        inner = F.gelu(self.inner(self.second(x)), approximate="tanh")
        return x + F.dropout(self.outer(inner), self.rate, self.training)


class GPT(nn.Module):
    """Radford et al. 2019."""

    def __init__(self, sizes: Sizes, length: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.tokens = nn.Embedding(sizes.vocabulary, sizes.d_model)
        self.places = nn.Embedding(length, sizes.d_model)
        for table in (self.tokens, self.places):
            nn.init.normal_(table.weight, std=0.02)
        self.blocks = nn.Sequential(*(Block(sizes, dropout) for _ in range(sizes.layers)))
        self.norm = nn.LayerNorm(sizes.d_model)

    def forward(self, ids: Tensor, labels: Tensor) -> Tensor:
        x = self.blocks(self.tokens(ids) + self.places.weight[: ids.shape[1]])
        logits = F.linear(self.norm(x), self.tokens.weight)
        return F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten())


def compile_in(model: nn.Module, way: str, device: str) -> None:
    """Compile where ``way`` is "compiled" or "CUDA graphs"; on a processor without making code, to see that it can."""
    if way == "eager":
        return
    if device != "cuda":
        model.compile(backend="eager")
    else:
        model.compile(mode="reduce-overhead" if way == "CUDA graphs" else "default")


def stepper(model: nn.Module, device: str, inputs: tuple[Tensor, Tensor], way: str) -> Callable[[], float]:
    """One update of Adam on the same batch, in bfloat16 on a GPU, each time that it is called; its loss."""
    model = model.to(device).train()
    compile_in(model, way, device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, betas=(0.9, 0.98), fused=True)
    given = tuple(side.to(device) for side in inputs)

    def step() -> float:
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            loss = model(*given)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    return step
