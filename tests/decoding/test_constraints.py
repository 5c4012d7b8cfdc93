from __future__ import annotations

import math

import pytest
import torch

from regard.decoding.beam import beam_search
from regard.decoding.constraints import Constraints, forbid_repeats
from regard.decoding.greedy import greedy_search
from regard.decoding.sample import sample
from regard.decoding.settings import DecodingSettings


def outputs(model, source, limits, **rules):
    """Of all three searches."""
    numbers = torch.arange(len(source))
    found = beam_search(model, source, limits, DecodingSettings(beam=3, n_best=3, **rules))
    found += greedy_search(model, source, limits, DecodingSettings(beam=1, **rules))
    found += sample(model, source, limits, DecodingSettings(sample=True, n_best=2, **rules), numbers)
    return [one for hypotheses in found for one in hypotheses]


def ngrams(ids, size):
    return [tuple(ids[i : i + size]) for i in range(len(ids) - size + 1)]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_no_ngram_occurs_twice(table_model, sources, size):
    model = table_model(vocabulary=6, ends=-3.0, spread=0.5)
    source, limits = sources(model, 12, limit=25)
    free = outputs(model, source, limits)
    assert any(len(set(ngrams(one.ids, size))) < len(ngrams(one.ids, size)) for one in free)
    for one in outputs(model, source, limits, no_repeat_ngram=size):
        assert len(set(ngrams(one.ids, size))) == len(ngrams(one.ids, size))


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_exactly_the_tokens_that_complete_a_known_ngram_are_forbidden(size):
    generator = torch.Generator().manual_seed(size)
    for length in range(9):
        written = torch.randint(0, 3, (50, length), generator=generator)
        logs = torch.zeros(50, 3)
        forbid_repeats(logs, written, size)
        for row, log in zip(written.tolist(), logs.tolist(), strict=True):
            for token in range(3):
                repeats = (*row, token)[length + 1 - size :] in [tuple(gram) for gram in ngrams(row, size)]
                assert (log[token] == -math.inf) == (repeats and length >= size)


def test_no_output_is_longer_than_its_limit_and_all_end(table_model, sources):
    model = table_model(vocabulary=7, ends=-50.0)
    source, limits = sources(model, 9, limit=1)
    limits = limits + torch.arange(9)
    for hypotheses, limit in zip(
        beam_search(model, source, limits, DecodingSettings(beam=2)), limits.tolist(), strict=True
    ):
        assert [len(one.ids) + 1 for one in hypotheses] == [limit]
    for (one,), limit in zip(greedy_search(model, source, limits, DecodingSettings()), limits.tolist(), strict=True):
        assert len(one.ids) + 1 == limit


def test_no_output_is_shorter_than_min_length(table_model, sources):
    model = table_model(vocabulary=7, ends=4.0)
    source, limits = sources(model, 9, limit=12)
    assert min(len(one.ids) for one in outputs(model, source, limits)) == 0
    assert min(len(one.ids) for one in outputs(model, source, limits, min_length=4)) == 4


def test_where_everything_is_forbidden_the_output_ends(table_model, sources):
    model = table_model(vocabulary=4, ends=-2.0)
    source, limits = sources(model, 5, limit=9)
    for one in outputs(model, source, limits, no_repeat_ngram=1, min_length=5):
        assert sorted(one.ids) == [1, 2]
        assert one.log_probability > -math.inf


def test_a_limit_wins_over_min_length(table_model, sources):
    model = table_model()
    source, limits = sources(model, 3, limit=3)
    assert {len(one.ids) for one in outputs(model, source, limits, min_length=10)} == {2}


def test_forbidden_tokens_leave_the_others_as_they_were():
    logs = torch.log_softmax(torch.tensor([[0.3, 0.1, 2.0, 1.0]]), dim=1)
    before = logs.clone()
    allowed = Constraints(eos=0, no_repeat_ngram=1)(logs, torch.tensor([[2]]), torch.tensor([9]))
    assert allowed[0, [0, 1, 3]].tolist() == before[0, [0, 1, 3]].tolist()
    assert allowed[0, 2].item() == -math.inf
