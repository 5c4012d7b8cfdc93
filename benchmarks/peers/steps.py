"""The training that every peer does: the same batches in the same order, the same rates, Adam, no clipping.

This file runs in the peers' environments: it knows nothing of regard. Every peer starts from the weights of one file
in Marian's layout, except those whose architecture has no place for them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from turns import Record, Turns

EOS = 0
SMOOTHING, BETAS, EPSILON = 0.1, (0.9, 0.98), 1e-9


class Pairs(NamedTuple):
    """Ids [B S] and [B T], each text ending in EOS and filled up with the last id of the vocabulary."""

    source: Tensor
    target: Tensor


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--batches", type=Path, required=True, help="npz of material.py")
    parser.add_argument("--weights", type=Path, required=True, help="model folder of material.py")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--warm-up-steps", type=int, default=2)
    return parser.parse_args()


def read_batches(path: Path) -> list[Pairs]:
    with np.load(path, allow_pickle=False) as arrays:
        names = sorted(name for name in arrays if name.startswith("source"))
        sides = [[arrays[name.replace("source", side)] for name in names] for side in ("source", "target")]
    return [Pairs(*map(torch.from_numpy, pair)) for pair in zip(*sides, strict=True)]


def read_config(weights: Path) -> dict:
    return json.loads((weights / "config.json").read_text(encoding="utf-8"))


def shifted(target: Tensor, start: int) -> Tensor:
    """What a decoder reads: ``start``, and the target but for its last token."""
    return torch.cat((torch.full((len(target), 1), start), target[:, :-1]), 1)


def smoothed_loss(logits: Tensor, target: Tensor, pad: int) -> Tensor:
    """The mean over the target's tokens, in nats."""
    return F.cross_entropy(logits.float().flatten(0, 1), target.flatten(), ignore_index=pad, label_smoothing=SMOOTHING)


class Training:
    """Steps of Adam that go on where the last call stopped."""

    def __init__(
        self, model: nn.Module, loss_of: Callable[[Pairs], Tensor], pad: int, options: argparse.Namespace
    ) -> None:
        self.loss_of, self.pad, self.options = loss_of, pad, options
        self.batches = read_batches(options.batches)
        self.optimizer = torch.optim.Adam(model.parameters(), lr=0.0, betas=BETAS, eps=EPSILON, fused=True)
        self.number = 0

    def steps(self, count: int) -> Iterator[Record]:
        for _ in range(count):
            yield self._step(self.batches[self.number % len(self.batches)])

    def _step(self, pairs: Pairs) -> Record:
        began = time.perf_counter()
        self.number += 1
        self.optimizer.param_groups[0]["lr"] = self.options.rate * min(1.0, self.number / self.options.warmup)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.options.precision == "bfloat16"):
            loss = self.loss_of(pairs)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        found = loss.item()
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "loss": found, "target_tokens": int((pairs.target != self.pad).sum())}


def serve(turns: Turns, name: str, training: Training) -> None:
    turns.serve(name, training.steps, training.options.warm_up_steps)
