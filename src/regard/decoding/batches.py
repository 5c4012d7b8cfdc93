"""Which sentences are decoded together, such that no result depends on it.

Padding a sentence further changes the last bits of its sums. So every source is padded to a length that its own length
alone decides, and only sources of one padded length share a batch. Prompts and texts without a decoder are not padded
at all: only those of one length share a batch.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from regard.decoding.interface import PerSentence
from regard.decoding.roster import least_sentences
from regard.decoding.settings import DecodingSettings
from regard.notation import ImageSource

BUCKET = 8


@dataclass(frozen=True)
class SourceBatch:
    """Sources of one padded length. ``numbers`` say which sentence of the whole input each is, counted from 0.

    ``limits`` bound the generated tokens of each, ``</s>`` included: with and without ``</s>``, an output is at most
    ``max_extra`` tokens longer than its source (section 6.1). Of a prompt they bound what a completion adds.
    """

    numbers: PerSentence
    source: ImageSource
    limits: PerSentence


def padded_length(length: int, bucket: int = BUCKET) -> int:
    """The next multiple of ``bucket``."""
    return -(-length // bucket) * bucket


def plan_sources(lengths: Sequence[int], rows_each: int, batch_tokens: int, bucket: int = BUCKET) -> list[list[int]]:
    """Places in ``lengths``, longest first, grouped by padded length.

    Sentences × padded length × rows_each stays within ``batch_tokens``. A sentence that exceeds it by itself gets a
    batch by itself.
    """
    widths = [padded_length(length, bucket) for length in lengths]
    order = sorted(range(len(lengths)), key=lambda i: (-widths[i], -lengths[i], i))
    plan: list[list[int]] = []
    for i in order:
        room = max(1, batch_tokens // (widths[i] * rows_each))
        if not plan or widths[plan[-1][0]] != widths[i] or len(plan[-1]) >= room:
            plan.append([])
        plan[-1].append(i)
    return plan


def source_batches(
    sources: Mapping[int, Sequence[int]],
    pad: int,
    settings: DecodingSettings,
    device: torch.device,
    most_tokens: int | None = None,
) -> Iterator[SourceBatch]:
    """Numbered sources, each with its ``</s>``, as batches within ``batch_tokens``.

    No output is longer than ``most_tokens``.
    """
    most = sys.maxsize if most_tokens is None else most_tokens
    numbers = list(sources)
    lengths = [len(source) for source in sources.values()]
    for places in plan_sources(lengths, settings.rows, settings.batch_tokens):
        width = padded_length(lengths[places[0]])
        rows = [[*sources[numbers[i]], *[pad] * (width - lengths[i])] for i in places]
        yield SourceBatch(
            torch.tensor([numbers[i] for i in places], device=device),
            torch.tensor(rows, device=device),
            torch.tensor([min(lengths[i] + settings.max_extra, most) for i in places], device=device),
        )


def prompt_batches(
    prompts: Mapping[int, Sequence[int]],
    settings: DecodingSettings,
    device: torch.device,
    most_tokens: int | None = None,
) -> Iterator[SourceBatch]:
    """Numbered prompts, those of one length together, within ``batch_tokens``.

    Their limits are ``max_new`` or as far as ``most_tokens`` positions reach; the last token written needs none.
    """
    numbers = list(prompts)
    lengths = [len(prompt) for prompt in prompts.values()]
    for places in plan_sources(lengths, settings.rows, settings.batch_tokens, bucket=1):
        length = lengths[places[0]]
        limit = settings.max_new if most_tokens is None else min(settings.max_new, most_tokens - length + 1)
        yield SourceBatch(
            torch.tensor([numbers[i] for i in places], device=device),
            torch.tensor([list(prompts[numbers[i]]) for i in places], device=device),
            torch.full((len(places),), limit, device=device),
        )


def equal_lengths(texts: Sequence[Sequence[int]], batch_tokens: int, *, one_row: bool) -> Iterator[list[int]]:
    """Places of texts of one length, at most ``batch_tokens`` together.

    Where they are fewer than ``least_sentences``, the last is there several times: their result does not then depend on
    how many they are (``roster``). A text has a row for each of its tokens; ``one_row``: for some product, only one.
    """
    for places in plan_sources([len(ids) for ids in texts], 1, batch_tokens, bucket=1):
        least = least_sentences(1 if one_row else len(texts[places[0]]))
        yield [*places, *[places[-1]] * (least - len(places))]
