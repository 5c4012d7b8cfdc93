"""The attention of texts that are finished: the model reads them again, all at once, with its weights recorded.

Decoding step by step from a cache gives the same numbers, position by position (a law that tests hold), so that this
is the attention of the winning hypothesis of any search, whatever its beams, batches and caches did.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from regard.decoding.batches import plan_sources
from regard.decoding.inference import inference
from regard.looking.look import CROSS, DECODER, ENCODER, STACKS, Attention
from regard.looking.recording import capture
from regard.tasks.text_to_text import shift_right

BATCH_TOKENS = 2048

Text = tuple[Sequence[int], Sequence[int]]
"""What an encoder reads, special tokens included, and what its decoder writes, ``</s>`` included (() without one)."""


def attention_of(model: Any, read: Sequence[int], written: Sequence[int] = ()) -> Attention:
    """The attention of a model that reads ``read`` and, if it has a decoder over it, is told what it writes.

    Ids are those that the model sees: ``wrap_source`` puts special tokens around a source, and what is written ends
    in ``</s>``. Row t of ``cross`` and ``decoder`` is what the model looked at to predict ``written[t]``.
    """
    [(_, found)] = attentions_of(model, [(read, written)])
    return found


def attentions_of(
    model: Any,
    texts: Sequence[Text],
    layers: Collection[int] | None = None,
    stacks: Collection[str] = STACKS,
    batch_tokens: int = BATCH_TOKENS,
) -> Iterator[tuple[int, Attention]]:
    """The same of many texts, in batches of similar lengths: each text's number with its attention, longest first.

    ``layers`` and ``stacks``: as ``capture`` takes them.
    """
    for places in _batches(model, texts, batch_tokens):
        with torch.no_grad(), inference(model, threads=0) as device, capture(model, layers, stacks=stacks) as trace:
            run(model, [texts[i] for i in places], device)
        weights = {stack: trace.of(stack).cpu() for stack in STACKS}
        for row, i in enumerate(places):
            yield i, _of_row(weights, row, *map(len, texts[i]))


def _batches(model: Any, texts: Sequence[Text], batch_tokens: int) -> list[list[int]]:
    """Places of texts that are read together; each by itself, where the model has no id to fill up short ones."""
    if None in (model.ids.pad, model.ids.source_pad):
        return [[place] for place in range(len(texts))]
    return plan_sources([max(len(read), len(written)) for read, written in texts], 1, batch_tokens)


def run(model: Any, texts: Sequence[Text], device: torch.device) -> Tensor:
    """One forward pass over a batch: the states [B, T, D] of the last layer."""
    read = _padded([text[0] for text in texts], model.ids.source_pad, device)
    if not writes(model):
        states: Tensor = model(read)
        return states
    written = _padded([text[1] for text in texts], model.ids.pad, device)
    states = model(read, shift_right(written, model.start))
    return states


def writes(model: Any) -> bool:
    """Whether the model has a decoder over an encoder."""
    return hasattr(model, "decoder")


def _padded(texts: Sequence[Sequence[int]], pad: int | None, device: torch.device) -> Tensor:
    width = max(map(len, texts))
    filler = 0 if pad is None else pad  # without an id for padding each text is by itself
    return torch.tensor([[*ids, *[filler] * (width - len(ids))] for ids in texts], device=device)


def _of_row(weights: Mapping[str, Tensor], row: int, read: int, written: int) -> Attention:
    sizes = {ENCODER: (read, read), DECODER: (written or read, written or read), CROSS: (written, read)}

    def of(stack: str) -> Tensor:
        rows, columns = sizes[stack]
        found = weights[stack]
        return found[:, row, :, :rows, :columns] if len(found) else torch.empty(0, 0, 0, 0)

    return Attention(of(ENCODER), of(DECODER), of(CROSS))
