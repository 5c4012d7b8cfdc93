"""A model without one of its heads (Michel et al. 2019; Voita et al. 2019), and what that costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from regard.evaluation.interval import bootstrap_means
from regard.evaluation.translation import against
from regard.layers.multihead import MultiHeadAttention
from regard.studies.frame.arms import surprise, translate
from regard.studies.frame.pairs import SentencePairs
from regard.studies.frame.watch import Watch
from regard.studies.head_maps.distance import KINDS


@dataclass(frozen=True)
class Pruned:
    """What the model loses without one head: positive is a loss. Layers and heads count from 0.

    ``nats`` are per target token; ``sure_*``: 95 % of the resamples of the test's sentences agree (two-sided).
    """

    kind: str
    layer: int
    head: int
    nats: float
    sure_nats: bool
    bleu: float
    sure_bleu: bool


def spared(pruned: Sequence[Pruned]) -> tuple[int, int]:
    """How many heads may go, one at a time, without a sure loss of BLEU, and without a surely larger loss."""
    return sum(not one.sure_bleu for one in pruned), sum(not one.sure_nats for one in pruned)


@contextmanager
def without(layer: MultiHeadAttention, head: int) -> Iterator[None]:
    """While entered, the head's d_v columns of W^O are zero, so that nobody hears what it says."""
    weight = layer.output.weight
    width = weight.shape[1] // layer.heads
    columns = slice(head * width, (head + 1) * width)
    with torch.no_grad():
        kept = weight[:, columns].clone()
        weight[:, columns] = 0.0
        try:
            yield
        finally:
            weight[:, columns] = kept


def attentions(model: Any) -> dict[str, Sequence[MultiHeadAttention]]:
    """The layers of each kind of attention."""
    return dict(
        zip(
            KINDS,
            (model.encoder.self_attentions(), model.decoder.self_attentions(), model.decoder.cross_attentions()),
            strict=True,
        )
    )


def prune_each(model: Any, pairs: SentencePairs, watch: Watch, told: str) -> list[Pruned]:
    """One head at a time, of every layer of every kind: the test's loss and BLEU without it, against those with all."""
    places = [
        (kind, number, layer, head)
        for kind, layers in attentions(model).items()
        for number, layer in enumerate(layers)
        for head in range(layer.heads)
    ]
    watch.begin(told, len(places))
    whole = translate(model, pairs, pairs.sources)
    nats, tokens = surprise(model, pairs, pairs.test)
    found = []
    for done, (kind, number, layer, head) in enumerate(places):
        with without(layer, head):
            texts = translate(model, pairs, pairs.sources)
            change = surprise(model, pairs, pairs.test)[0] - nats
        bleu = against(whole, texts, pairs.references).bleu
        low = float(np.percentile(bootstrap_means(change), 2.5))
        lost = float(change.sum() / tokens.sum())
        found.append(Pruned(kind, number, head, lost, low > 0, -bleu.delta, bool(bleu.significant) and bleu.delta < 0))
        watch.done(done + 1)
    return found
