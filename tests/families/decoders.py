"""What the parity tests of decoder-only families share: padded texts, and greedy continuations here and there."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from regard.decoding.greedy import greedy_search
from regard.decoding.settings import DecodingSettings


def texts(pad: int = 0) -> Tensor:
    """Four texts of at most nine tokens of 40, padded to the right and to the left."""
    ids = torch.randint(3, 40, (4, 9))
    ids[1, 5:] = pad
    ids[2, :3] = pad
    return ids


def real(ids: Tensor, pad: int = 0) -> Tensor:
    """Which tokens are no padding."""
    return ids != pad


def places(ids: Tensor, pad: int = 0) -> Tensor:
    """Where each token stands among the real ones, as ``generate`` numbers them."""
    return (real(ids, pad).long().cumsum(1) - 1).clamp(min=0)


def states_of_real_tokens(states: Tensor, ids: Tensor, pad: int = 0) -> Tensor:
    """[B, T, D] with zeros where padding is: nobody reads what stands there. Classes of whole texts as they are."""
    return states * real(ids, pad)[..., None] if states.shape[:2] == ids.shape else states


def mixed_prompts(pad: int = 0) -> Tensor:
    """Four prompts of 6, 3, 1 and 5 tokens, padding after them."""
    ids = torch.randint(3, 40, (4, 6))
    for row, length in enumerate((6, 3, 1, 5)):
        ids[row, length:] = pad
    return ids


def greedily(model: Any, prompts: Tensor, steps: int) -> list[list[int]]:
    """The continuation of each prompt."""
    limits = torch.full((len(prompts),), steps)
    found = greedy_search(model, prompts, limits, DecodingSettings(beam=1), continues=True)
    return [list(hypotheses[0].ids) for hypotheses in found]


def greedily_there(model: Any, prompts: Tensor, steps: int, pad: int, eos: int) -> list[list[int]]:
    """As ``greedily``, by transformers, which wants the padding before the prompts."""
    found = []
    order = (prompts != pad).long().argsort(dim=1, stable=True)
    turned = prompts.gather(1, order)
    with torch.no_grad():
        written = model.generate(
            turned,
            attention_mask=(turned != pad).long(),
            max_new_tokens=steps,
            do_sample=False,
            pad_token_id=pad,
            eos_token_id=eos,
        )
    for row in written[:, prompts.shape[1] :].tolist():
        found.append(row[: row.index(eos)] if eos in row else row)
    return found
