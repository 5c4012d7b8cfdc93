"""Every summary of one text side by side, by its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from regard.looking.alignments import alignment_matrix
from regard.looking.attribution.gradients import input_times_gradient, shares
from regard.looking.attribution.heads import confidence, mean_of_heads, surest_head
from regard.looking.attribution.rollout import decoder_rollout, rollout
from regard.looking.attribution.value_norms import value_norms
from regard.looking.look import CROSS, DECODER, ENCODER, Attention
from regard.looking.replay import attention_of

MEAN, ALIGNING, BEST, SUREST, ROLLOUT, NORMS, GRADIENT = (
    "mean of heads",
    "mean of the last layer but one",
    "best head",
    "surest head",
    "rollout",
    "value-weighted norms",
    "input × gradient",
)
Head = tuple[int, int]


def summaries(
    model: Any,
    read: Sequence[int],
    written: Sequence[int] = (),
    attention: Attention | None = None,
    head: Head | None = None,
    text: Sequence[int] = (),
) -> dict[str, Tensor]:
    """[T, S] by name, rows that sum to one: how much each token written (else: each token read) owes to those read.

    Of a model without attention, only the gradients; of one that predicts no tokens, none. ``attention``: that of the
    text, where it is known already. ``head`` (layer, head): the best (``best_head``), without which there is none here.
    ``text``: the places in ``read`` that are no special tokens, by which the surest head of this text is found, where
    there are several. Value norms are brought to one sum in each layer, and averaged over layers; gradients lose their
    signs. Call it outside of ``torch.inference_mode``.
    """
    attention = attention_of(model, read, written) if attention is None else attention
    stack = summed(attention)
    found: dict[str, Tensor] = {}
    if stack is not None:
        weights = attention.of(stack)
        found[MEAN] = mean_of_heads(weights)
        if stack == CROSS and len(weights) > 1:
            found[ALIGNING] = alignment_matrix(weights)
        if head is not None:
            found[BEST] = weights[head]
        if len(text) and weights.shape[0] * weights.shape[1] > 1:
            found[SUREST] = weights[surest_head([confidence(weights, text)])]
        found[ROLLOUT] = shares(decoder_rollout(attention).source if stack == CROSS else rollout(weights))
        found[NORMS] = shares(value_norms(model, read, written, stack)).mean(0)
    if model.output is not None:
        found[GRADIENT] = shares(input_times_gradient(model, read, written))
    return found


def summed(attention: Attention) -> str | None:
    """The stack that tells what the output owes to what was read; None in a model without attention."""
    return next((stack for stack in (CROSS, DECODER, ENCODER) if len(attention.of(stack))), None)
