"""Which sentences are decoded together, such that no result depends on it.

Padding a sentence further changes the last bits of its sums. So every source is padded to a length that its own length
alone decides, and only sources of one padded length share a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from regard.decoding.interface import PerSentence
from regard.decoding.settings import DecodingSettings
from regard.notation import SourceIds

BUCKET = 8


@dataclass(frozen=True)
class SourceBatch:
    """Sources of one padded length. ``numbers`` say which sentence of the whole input each is, counted from 0.

    ``limits`` bound the generated tokens of each, ``</s>`` included: with and without ``</s>``, an output is at most
    ``max_extra`` tokens longer than its source (section 6.1).
    """

    numbers: PerSentence
    source: SourceIds
    limits: PerSentence


def padded_length(length: int) -> int:
    """The next multiple of 8."""
    return -(-length // BUCKET) * BUCKET


def plan_sources(lengths: Sequence[int], rows_each: int, batch_tokens: int) -> list[list[int]]:
    """Places in ``lengths``, longest first, grouped by padded length.

    Sentences × padded length × rows_each stays within ``batch_tokens``. A sentence that exceeds it by itself gets a
    batch by itself.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-padded_length(lengths[i]), -lengths[i], i))
    plan: list[list[int]] = []
    for i in order:
        width = padded_length(lengths[i])
        room = max(1, batch_tokens // (width * rows_each))
        if not plan or padded_length(lengths[plan[-1][0]]) != width or len(plan[-1]) >= room:
            plan.append([])
        plan[-1].append(i)
    return plan


def source_batches(
    sources: Mapping[int, Sequence[int]], pad: int, settings: DecodingSettings, device: torch.device
) -> Iterator[SourceBatch]:
    """Numbered sources, each with its ``</s>``, as batches within ``batch_tokens``."""
    numbers = list(sources)
    lengths = [len(source) for source in sources.values()]
    for places in plan_sources(lengths, settings.rows, settings.batch_tokens):
        width = padded_length(lengths[places[0]])
        rows = [[*sources[numbers[i]], *[pad] * (width - lengths[i])] for i in places]
        yield SourceBatch(
            torch.tensor([numbers[i] for i in places], device=device),
            torch.tensor(rows, device=device),
            torch.tensor([lengths[i] + settings.max_extra for i in places], device=device),
        )
