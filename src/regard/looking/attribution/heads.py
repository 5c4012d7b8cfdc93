"""Attention heads as one matrix: their mean, or the one head that tells most.

Weights are [N, H, T, S], as in ``look.Attention``; layers and heads count from 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.errors import DataError
from regard.evaluation.alignment import Gold, alignment_error_rate
from regard.looking.alignments import word_links
from regard.looking.look import Words


@dataclass(frozen=True)
class Aligned:
    """A sentence pair whose attention is known: weights [N, H, T, S], both texts, and the true links."""

    weights: Tensor
    source: Words
    target: Words
    gold: Gold


def mean_of_heads(weights: Tensor, layer: int | None = None) -> Tensor:
    """Σ_n Σ_h α_nh / NH: [N, H, T, S] → [T, S], of all layers or of one. Rows sum to one.

    Raises DataError where there are no layers.
    """
    if not weights.numel():
        raise DataError.because("attention", "no layers", "one or more", "choose a model with attention")
    return weights.mean((0, 1)) if layer is None else weights[layer].mean(0)


def best_head(pairs: Sequence[Aligned]) -> tuple[int, int]:
    """(layer, head) with the lowest alignment error rate; of equals, the first.

    Links are those of ``word_links``. Choose on one set of pairs and report on another: the best of many heads looks
    good by chance alone. Raises DataError without pairs.
    """
    golds = [pair.gold for pair in pairs]
    layers, heads = pairs[0].weights.shape[:2] if pairs else (1, 1)

    def error(place: int) -> float:
        layer, head = divmod(place, heads)
        found = [word_links(pair.weights[layer, head], pair.source, pair.target) for pair in pairs]
        return alignment_error_rate(found, golds, resamples=1).error_rate.value

    layer, head = divmod(min(range(layers * heads), key=error), heads)
    return layer, head


def confidence(weights: Tensor, words: Sequence[int]) -> Tensor:
    """[N, H]: mean_t max_s α_nh[t, s] over the source tokens ``words`` (Voita et al. 2019, section 4).

    Special tokens are left out of ``words``, for a head may rest there when it has nothing to look for.
    """
    return weights[..., list(words)].amax(-1).mean(-1)


def surest_head(confidences: Iterable[Tensor]) -> tuple[int, int]:
    """(layer, head) whose ``confidence`` is highest over several texts: what to show where no alignment is known.

    A sure head is seldom an idle one (Voita et al. 2019: those that matter most are among the most confident), but it
    need not align: it may look at one neighbour always. ``best_head`` asks the right question.
    """
    mean = torch.stack([one.double() for one in confidences]).mean(0)
    layer, head = divmod(int(mean.argmax()), mean.shape[1])
    return layer, head
