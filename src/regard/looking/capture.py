"""What attended to what, taken from the model's own attention through its recorder hook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from regard.layers.multihead import MultiHeadAttention
from regard.looking.align import pharaoh
from regard.models.transformer import EncoderDecoder
from regard.tasks.text_to_text import shift_right


@dataclass(frozen=True)
class Attention:
    """The weights of one sentence pair: [layers, heads, looking positions, positions looked at], rows sum to one."""

    encoder: Tensor
    decoder: Tensor
    cross: Tensor


@contextmanager
def capture(modules: Sequence[MultiHeadAttention]) -> Iterator[list[list[Tensor]]]:
    """While entered, each module's weights [B, H, T, S] of each call are appended to its list."""
    records: list[list[Tensor]] = [[] for _ in modules]
    for module, record in zip(modules, records, strict=True):
        module.recorder = record.append
    try:
        yield records
    finally:
        for module in modules:
            module.recorder = None


def attention_of(model: EncoderDecoder, source: Sequence[int], target: Sequence[int]) -> Attention:
    """The attention of a model that is told the translation. Ids are without ``</s>``, which is appended to both.

    Row t of ``cross`` and ``decoder`` is what the model looked at to predict token t of the target.
    """
    stacks = {
        "encoder": _attentions(model.encoder.blocks, "self_attention"),
        "decoder": _attentions(model.decoder.blocks, "self_attention"),
        "cross": _attentions(model.decoder.blocks, "cross_attention"),
    }
    ids = torch.tensor([[*source, model.eos]]), torch.tensor([[*target, model.eos]])
    was_training = model.training
    model.eval()
    try:
        assert model.start is not None, "a decoder needs an id to start from"
        with torch.inference_mode(), capture([module for stack in stacks.values() for module in stack]) as records:
            model(ids[0], shift_right(ids[1], model.start))
    finally:
        model.train(was_training)
    layers = iter(records)
    return Attention(**{name: torch.stack([next(layers)[0][0] for _ in stack]) for name, stack in stacks.items()})


def _attentions(blocks: Any, name: str) -> list[MultiHeadAttention]:
    assert isinstance(blocks, nn.ModuleList)
    return [getattr(block, name) for block in blocks]


def alignment_matrix(attention: Attention) -> Tensor:
    """[T, S]: the mean over the heads of the last but one decoder layer.

    In trained translators that layer's attention to the source agrees best with word alignments (Garg et al. 2019).
    """
    cross = attention.cross
    return cross[max(0, len(cross) - 2)].mean(0)


def word_alignment(
    model: EncoderDecoder, source: Sequence[int], target: Sequence[int], pieces: tuple[Sequence[str], Sequence[str]]
) -> str:
    """Which word of the target came from which of the source, in Pharaoh format (``0-0 1-2``)."""
    matrix = alignment_matrix(attention_of(model, source, target))
    return pharaoh(matrix[: len(target), : len(source)].numpy(), *pieces)
