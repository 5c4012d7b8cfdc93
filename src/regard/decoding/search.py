"""One batch, decoded as the settings say."""

from __future__ import annotations

from regard.decoding.batches import SourceBatch
from regard.decoding.beam import beam_search
from regard.decoding.greedy import greedy_search
from regard.decoding.hypothesis import Hypothesis
from regard.decoding.interface import Decodable
from regard.decoding.sample import sample
from regard.decoding.settings import DecodingSettings


def search(
    model: Decodable, batch: SourceBatch, settings: DecodingSettings, continues: bool = False
) -> list[list[Hypothesis]]:
    """Sampling, greedy or beam search. ``continues``: the outputs complete their sources (``Constraints``)."""
    if settings.sample:
        return sample(model, batch.source, batch.limits, settings, batch.numbers, continues)
    if settings.beam == 1:
        return greedy_search(model, batch.source, batch.limits, settings, continues)
    return beam_search(model, batch.source, batch.limits, settings, continues=continues)
