from __future__ import annotations

import random

import pytest
import torch

from regard.decoding.batches import padded_length, plan_sources, source_batches
from regard.decoding.beam import beam_search
from regard.decoding.search import search
from regard.decoding.settings import DecodingSettings
from regard.families import transformer

CPU = torch.device("cpu")


def test_the_padded_length_is_the_next_multiple_of_8():
    assert [padded_length(length) for length in (1, 7, 8, 9, 16, 17)] == [8, 8, 8, 16, 16, 24]


@pytest.mark.parametrize("rows_each", [1, 4])
def test_every_sentence_is_planned_once_within_the_budget_and_with_its_like(rows_each):
    lengths = [random.randint(1, 90) for _ in range(500)]
    plan = plan_sources(lengths, rows_each, 600)
    assert sorted(i for group in plan for i in group) == list(range(500))
    for group in plan:
        assert len({padded_length(lengths[i]) for i in group}) == 1
        assert len(group) == 1 or len(group) * padded_length(lengths[group[0]]) * rows_each <= 600
    longest = [lengths[group[0]] for group in plan]
    assert longest == sorted(longest, reverse=True)
    widths = {padded_length(length) for length in lengths}
    full = sum(max(1, 600 // (width * rows_each)) for width in widths)
    assert len(plan) <= full + sum(len(g) == max(1, 600 // (padded_length(lengths[g[0]]) * rows_each)) for g in plan)


def test_batches_carry_the_sources_their_numbers_and_their_limits():
    sources = {7: [5, 6, 0], 3: [4, 0], 9: [2] * 9 + [0]}
    first, second = source_batches(sources, 99, DecodingSettings(max_extra=50), CPU)
    assert first.numbers.tolist() == [9]
    assert first.source.tolist() == [[2] * 9 + [0] + [99] * 6]
    assert second.numbers.tolist() == [7, 3]
    assert second.source.tolist() == [[5, 6, 0, 99, 99, 99, 99, 99], [4, 0, 99, 99, 99, 99, 99, 99]]
    assert (first.limits.tolist(), second.limits.tolist()) == ([60], [53, 52])


@pytest.mark.parametrize(
    "settings",
    [
        DecodingSettings(beam=1, max_extra=3),
        DecodingSettings(beam=3, n_best=2, max_extra=3),
        DecodingSettings(sample=True, max_extra=3),
    ],
)
def test_a_sentence_gets_bit_for_bit_the_same_alone_and_in_any_batch(lively, settings):
    size = transformer.Config(layers=1, d_model=96, d_ff=160, heads=4)
    model = lively(size, 500)
    sources = {i: [random.randrange(2, 499) for _ in range(random.randint(1, 20))] + [0] for i in range(16)}

    def results(order, batch_tokens):
        chosen = DecodingSettings(**{**vars(settings), "batch_tokens": batch_tokens})
        found = {}
        for batch in source_batches({i: sources[i] for i in order}, model.source_pad, chosen, CPU):
            found.update(zip(batch.numbers.tolist(), search(model, batch, chosen), strict=True))
        return [found[i] for i in range(16)]

    alone = results(range(16), 1)
    assert results(range(16), 100_000) == alone
    assert len({hypotheses[0].ids for hypotheses in alone}) > 4
    shuffled = random.sample(range(16), 16)
    assert results(shuffled, 200) == alone


def test_the_order_of_a_batch_does_not_matter(table_model, sources):
    model = table_model(vocabulary=15)
    source, limits = sources(model, 20, limit=9)
    found = beam_search(model, source, limits, DecodingSettings(n_best=4))
    order = torch.randperm(20)
    assert beam_search(model, source[order], limits[order], DecodingSettings(n_best=4)) == [
        found[i] for i in order.tolist()
    ]
