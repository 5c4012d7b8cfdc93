"""What padding changes: the same pair, its source filled up with more and more of it."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch

from regard.models.transformer import EncoderDecoder
from regard.studies.frame.pairs import Pair, SentencePairs
from regard.tasks.text_to_text import shift_right


@torch.no_grad()
def changes(model: EncoderDecoder, pairs: SentencePairs, test: Sequence[Pair], extras: Sequence[int]) -> np.ndarray:
    """[extras, test pairs]: log P(target | source with so much padding) − log P(target | source without), in nats.

    In float64, one pair at a time, so that nothing but the padding differs.
    """
    exact = copy.deepcopy(model).double().eval()
    found = np.zeros((len(extras), len(test)))
    for number, ids in enumerate(zip(*pairs.encoded(test), strict=True)):
        source, target = ([*side, pairs.vocabulary.eos] for side in ids)
        plain = log_probability(exact, source, target)
        for row, extra in enumerate(extras):
            padded = [*source, *[pairs.source.size - 1] * extra]
            found[row, number] = log_probability(exact, padded, target) - plain
    return found


def log_probability(model: EncoderDecoder, source: Sequence[int], target: Sequence[int]) -> float:
    """Log P(target | source) in nats, of ids with ``</s>``."""
    assert model.start is not None, "an encoder–decoder has an id to start from"
    wanted = torch.tensor([target])
    logs = model.logits(model(torch.tensor([source]), shift_right(wanted, model.start))).log_softmax(-1)
    return float(logs.gather(2, wanted[:, :, None]).sum())
