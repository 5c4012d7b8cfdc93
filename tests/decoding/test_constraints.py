from __future__ import annotations

import math

import pytest
import torch

from regard.decoding.beam import beam_search
from regard.decoding.constraints import Constraints, forbid_repeats, penalise_repeats
from regard.decoding.greedy import greedy_search
from regard.decoding.sample import sample
from regard.decoding.settings import DecodingSettings
from regard.errors import SettingError


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
    start, written, limits = torch.tensor([[1]]), torch.tensor([[2]]), torch.tensor([9])
    allowed = Constraints(ends=(0,), no_repeat_ngram=1)(logs, start, written, limits)
    assert allowed[0, [0, 1, 3]].tolist() == before[0, [0, 1, 3]].tolist()
    assert allowed[0, 2].item() == -math.inf


def test_what_changes_nothing_changes_nothing(table_model, sources):
    model = table_model(vocabulary=9, ends=-1.0)
    source, limits = sources(model, 8, limit=9)
    off = {"min_p": 0.0, "repetition_penalty": 1.0, "forced_first": None, "suppress": (), "ends": ()}
    assert outputs(model, source, limits, **off) == outputs(model, source, limits)
    assert outputs(model, source, limits, ends=(0,)) == outputs(model, source, limits)


def test_a_forced_first_token_is_first_and_costs_its_probability_or_nothing(table_model, sources):
    model = table_model(vocabulary=9)
    source, limits = sources(model, 6, limit=9)
    for one in outputs(model, source, limits, forced_first=6, suppress=(6,), no_repeat_ngram=1, min_length=3):
        assert one.ids[0] == 6
        assert 6 not in one.ids[1:]
    for row, (one,) in zip(
        source.tolist(), greedy_search(model, source, limits, DecodingSettings(forced_first=6)), strict=True
    ):
        assert one.token_log_probabilities[0] == pytest.approx(model.log_probabilities(row, ())[6], abs=1e-12)
    free = beam_search(model, source, limits, DecodingSettings(forced_first=6, rules="transformers"))
    assert {one.token_log_probabilities[0] for (one,) in free} == {0.0}


def test_where_there_is_room_for_the_end_alone_the_forced_first_token_gives_way(table_model, sources):
    model = table_model()
    source, limits = sources(model, 3, limit=1)
    assert {one.ids for one in outputs(model, source, limits, forced_first=2)} == {()}


def test_suppressed_tokens_never_occur(table_model, sources):
    model = table_model(vocabulary=9, ends=-2.0)
    source, limits = sources(model, 9, limit=9)
    assert {1, 4} <= {token for one in outputs(model, source, limits) for token in one.ids}
    assert not {1, 4} & {token for one in outputs(model, source, limits, suppress=(1, 4)) for token in one.ids}
    for one in outputs(model, source, limits, suppress=tuple(range(1, 8))):
        assert one.ids == ()
    endless = outputs(model, source, limits, suppress=(0,))
    assert {len(one.ids) for one in endless} == {8}  # at the limit even a suppressed end comes


def test_any_of_several_ends_ends_an_output(table_model, sources):
    model = table_model(vocabulary=9, ends=-1.0)
    source, limits = sources(model, 20, limit=9)
    found = outputs(model, source, limits, ends=(3, 5))
    assert not {0, 3, 5} & {token for one in found for token in one.ids}
    assert all(len(one.token_log_probabilities) == len(one.ids) + 1 for one in found)
    plain = greedy_search(model, source, limits, DecodingSettings())
    several = greedy_search(model, source, limits, DecodingSettings(ends=(3, 5)))
    for (one,), (other,) in zip(plain, several, strict=True):
        cut = next((i for i, token in enumerate(one.ids) if token in (3, 5)), len(one.ids))
        assert other.ids == one.ids[:cut]
        assert other.token_log_probabilities == one.token_log_probabilities[: cut + 1]


def test_a_penalty_divides_what_is_above_0_and_multiplies_what_is_below():
    scores = torch.tensor([[2.0, -2.0, 1.0, -1.0, 0.0]])
    penalise_repeats(scores, torch.tensor([[0, 1, 4, 0]]), 2.0)  # 0 stands there twice and is penalised once
    assert scores.tolist() == [[1.0, -4.0, 1.0, -1.0, 0.0]]


def test_a_high_penalty_stops_repeats_and_is_not_in_the_log_probability(table_model, sources):
    model = table_model(vocabulary=12, rows=1)  # one distribution, whatever came before
    source, limits = sources(model, 4, limit=8)
    free = greedy_search(model, source, limits, DecodingSettings())
    assert all(len(set(one.ids)) < len(one.ids) for (one,) in free if len(one.ids) > 1)
    for search in (greedy_search, beam_search):
        for (one,) in search(model, source, limits, DecodingSettings(repetition_penalty=1e6)):
            assert len(set(one.ids)) == len(one.ids)
    for (one,) in greedy_search(model, source, limits, DecodingSettings(repetition_penalty=1e6)):
        log = model.log_probabilities((), ())
        assert one.token_log_probabilities == pytest.approx([log[i] for i in (*one.ids, 0)], abs=1e-12)


def test_with_greater_min_p_fewer_tokens_are_drawn(table_model, sources):
    model = table_model(vocabulary=12, rows=1)
    source, limits = sources(model, 300, limit=4)
    log = model.log_probabilities((), ())[:11]
    for min_p in (0.1, 0.5, 1.0):
        found = sample(model, source, limits, DecodingSettings(sample=True, min_p=min_p), torch.arange(300))
        allowed = {i for i, x in enumerate(log) if math.exp(x) >= min_p * math.exp(max(log))}
        assert {token for (one,) in found for token in one.ids} == allowed - {0}


@pytest.mark.parametrize("name", ["forced_first", "suppress", "ends"])
@pytest.mark.parametrize("search", [greedy_search, beam_search])
def test_an_id_beyond_the_vocabulary_is_refused(table_model, sources, name, search):
    model = table_model(vocabulary=5)
    source, limits = sources(model, 3, limit=4)
    settings = DecodingSettings(**{name: 5 if name == "forced_first" else (1, 5)})
    with pytest.raises(SettingError, match=f"^{name}: got 5; expected ids below 5, the vocabulary's size; look it up"):
        search(model, source, limits, settings)


def test_no_repeat_never_forbids_the_end_that_stands_in_a_prompt():
    logs = torch.log_softmax(torch.tensor([[0.3, 0.1, 2.0]]), dim=1)
    prompt, written, limits = torch.tensor([[2, 0, 1]]), torch.zeros((1, 0), dtype=torch.int64), torch.tensor([9])
    allowed = Constraints(ends=(0,), no_repeat_ngram=1, continues=True)(logs, prompt, written, limits)
    assert [value > -math.inf for value in allowed[0].tolist()] == [True, False, False]
