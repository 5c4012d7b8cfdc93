"""A translator whose weights are set so that it counts, whatever it is told: its output is known without computing.

Each token is a unit vector. Attention adds nothing. The feed-forward network keeps the one positive feature that a
norm leaves of a unit vector, and adds a vector twenty times as long in the direction of the next token. From the start
token, whose vector is zero, only the bias speaks, for token 1. The last piece is followed by ``</s>``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from regard.decoding.batches import source_batches
from regard.decoding.native.choice import Engines
from regard.decoding.search import search
from regard.decoding.settings import DecodingSettings
from regard.families import transformer
from regard.models.vocabulary import joint_vocabulary
from regard.runs.doctor.known_answers import NOTHING_COMPILED, Answer, LeftOut

PIECES = 14
VOCABULARY = joint_vocabulary(PIECES + 2)  # </s>, the pieces, the start: 16, which fills the engine's registers
COUNTED = tuple(range(1, PIECES + 1))
SOURCES = {0: [3, 0], 1: [5, 2, 4, 0], 2: [1, 1, 1, 6, 6, 0]}
CLEAR = 10.0  # times a unit vector, so that every choice is nearly certain
FAR = 20.0


def counting_model() -> Any:
    """The model; its encoder, which nothing listens to, has weights by chance."""
    size = PIECES + 2
    torch.manual_seed(1)
    config = transformer.Config(layers=1, d_model=size, d_ff=size, heads=2, dropout=0.0, positions="none")
    model: Any = transformer.build(config, VOCABULARY).eval()
    block = model.decoder.blocks[0]
    with torch.no_grad():
        model.decoder.embed.tokens.weight.copy_(CLEAR * torch.eye(size))
        model.decoder.embed.tokens.weight[VOCABULARY.start].zero_()
        for layer in (block.self_attention.output, block.cross_attention.output):
            _set(layer, torch.zeros(size, size))
        _set(block.feed_forward.inner, torch.eye(size))
        step = torch.zeros(size, size)
        for token in COUNTED:
            step[(token + 1) % (PIECES + 1), token] = FAR
        _set(block.feed_forward.outer, step)
        block.feed_forward.outer.bias[COUNTED[0]] = 1.0
    return model


def _set(layer: nn.Linear, weight: torch.Tensor) -> None:
    layer.weight.copy_(weight)
    layer.bias.zero_()


def counting() -> Iterator[Answer]:
    """Greedy search and a beam of four, by torch."""
    model = counting_model()
    for beam in (1, 4):
        settings = DecodingSettings(beam=beam, engine="torch")
        found: dict[int, tuple[int, ...]] = {}
        with torch.inference_mode():
            for batch in source_batches(SOURCES, VOCABULARY.source_pad or 0, settings, torch.device("cpu"), None):
                results = search(model, batch, settings)
                pairs = zip(batch.numbers.tolist(), results, strict=True)
                found |= {number: hypotheses[0].ids for number, hypotheses in pairs}
        for number in SOURCES:
            yield Answer(f"beam {beam}, source {number}", found.get(number), COUNTED)


def compiled_counting() -> Iterator[Answer]:
    """The same by the compiled engine, with products of float32 numbers and of bytes."""
    engines = Engines(counting_model())
    for products in ("float32", "int8"):
        settings = DecodingSettings(beam=1, products=products)
        engine = engines.choose(settings).engine
        if engine is None:
            raise LeftOut(NOTHING_COMPILED)
        for number, (best, *_) in enumerate(engine.search(list(SOURCES.values()), settings, workers=1)):
            yield Answer(f"{products}, source {number}", best.ids, COUNTED)
