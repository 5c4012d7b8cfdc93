"""What a model could have written next, at each position: its likeliest tokens, at several temperatures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from regard.looking.look import Choices

SHOWN = 20  # tokens of each position
TEMPERATURES = tuple(round(0.1 * step, 1) for step in range(1, 21))


def choices(logits: Tensor, pieces_of: Callable[[Sequence[int]], list[str]], shown: int = SHOWN) -> Choices:
    """Of logits [T, V], the ``shown`` likeliest tokens, and what makes probabilities of them at TEMPERATURES."""
    logits = logits.double().cpu()
    best = logits.topk(min(shown, logits.shape[1]), dim=1)
    normalisers = torch.stack([(logits / temperature).logsumexp(1) for temperature in TEMPERATURES], dim=1)
    pieces = [pieces_of(row) for row in best.indices.tolist()]
    return Choices(pieces, best.values, TEMPERATURES, normalisers)
