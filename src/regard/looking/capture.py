"""What attended to what, taken from the model's own attention through its recorder hook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.decoding.inference import inference
from regard.errors import RunError
from regard.looking.align import pharaoh
from regard.models.halves import Recorded
from regard.models.transformer import EncoderDecoder
from regard.tasks.text_to_text import shift_right


@dataclass(frozen=True)
class Attention:
    """The weights of one sentence pair: [layers, heads, looking positions, positions looked at], rows sum to one.

    A half of the model without attention has no layers here.
    """

    encoder: Tensor
    decoder: Tensor
    cross: Tensor


@contextmanager
def capture(modules: Sequence[Recorded]) -> Iterator[list[list[Tensor]]]:
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
        "encoder": model.encoder.self_attentions(),
        "decoder": model.decoder.self_attentions(),
        "cross": model.decoder.cross_attentions(),
    }
    assert model.start is not None, "a decoder needs an id to start from"
    modules = [module for stack in stacks.values() for module in stack]
    with torch.inference_mode(), inference(model, threads=0) as device, capture(modules) as records:
        read, written = (torch.tensor([[*ids, model.eos]], device=device) for ids in (source, target))
        model(read, shift_right(written, model.start))
    layers = iter(
        [torch.cat(record, dim=2)[0].cpu() for record in records]
    )  # a recurrent decoder looks once a position
    return Attention(**{name: _stacked([next(layers) for _ in stack]) for name, stack in stacks.items()})


def _stacked(layers: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(layers)) if layers else torch.empty(0, 0, 0, 0)


def alignment_matrix(attention: Attention) -> Tensor:
    """[T, S]: the mean over the heads of the last but one decoder layer.

    In trained translators that layer's attention to the source agrees best with word alignments (Garg et al. 2019).
    Raises RunError for a model that does not look at its source.
    """
    cross = attention.cross
    if not len(cross):
        action = "take one that was trained with attention"
        raise RunError.because("alignment", "a model whose decoder looks at nothing", "one with attention", action)
    return cross[max(0, len(cross) - 2)].mean(0)


def word_alignment(
    model: EncoderDecoder, source: Sequence[int], target: Sequence[int], pieces: tuple[Sequence[str], Sequence[str]]
) -> str:
    """Which word of the target came from which of the source, in Pharaoh format (``0-0 1-2``)."""
    matrix = alignment_matrix(attention_of(model, source, target))
    return pharaoh(matrix[: len(target), : len(source)].numpy(), *pieces)
