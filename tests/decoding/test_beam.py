from __future__ import annotations

import itertools
import math

import pytest
import torch

from regard.decoding.beam import beam_search
from regard.decoding.greedy import greedy_search
from regard.decoding.settings import DecodingSettings

PENALTIES = [("paper", 0.6), ("paper", 0.0), ("paper", 2.0), ("plain", 1.0), ("plain", 0.0)]


def every_output(model, source, limit):
    """(ids, log-probability) of every output of at most ``limit`` tokens, </s> included."""
    words = range(1, model.vocabulary - 1)
    for length in range(limit):
        for ids in itertools.product(words, repeat=length):
            terms = [model.log_probabilities(source, ids[:i])[token] for i, token in enumerate((*ids, model.eos))]
            yield ids, sum(terms)


def slow_beam_search(model, source, limit, settings, penalty_of):
    """The same rules, with lists: the paper's penalty or the plain one, both stop rules."""
    live, ends = [((), 0.0)], []
    exact = settings.rules == "exact"

    def lp(length):
        return penalty_of(length, settings.penalty, settings.length_penalty)

    for length in range(1, limit + 1):
        options = []
        for rank, (ids, total) in enumerate(live):
            for token, log in enumerate(model.log_probabilities(source, ids)):
                if length == limit:
                    log = -math.inf if token != model.eos else (log if exact else 0.0)
                if log > -math.inf:
                    options.append((-(total + log), rank, -log, token, (*ids, token)))
        options = sorted(options)[: 2 * settings.beam]
        ends += [(-total / lp(length), ids[:-1]) for total, *_, token, ids in options[: settings.beam] if token == 0]
        ends = sorted(ends, key=lambda end: -end[0])[: settings.n_best if exact else settings.beam]
        live = [(ids, -total) for total, *_, token, ids in options if token != 0][: settings.beam]
        if not live:
            break
        full = len(ends) == (settings.n_best if exact else settings.beam)
        if full and live[0][1] / lp(limit if exact else length) <= ends[-1][0]:
            break
    return [(ids, score) for score, ids in ends[: settings.n_best]]


@pytest.mark.parametrize(("penalty", "alpha"), PENALTIES)
@pytest.mark.parametrize("ends", [-1.0, 2.0])
def test_a_wide_beam_finds_what_enumeration_finds(table_model, sources, penalty_of, penalty, alpha, ends):
    for seed in range(4):
        model = table_model(seed=seed, ends=ends)
        source, limits = sources(model, 2, limit=4, seed=seed)
        settings = DecodingSettings(beam=60, n_best=12, penalty=penalty, length_penalty=alpha)
        found = beam_search(model, source, limits, settings)
        for row, hypotheses in zip(source.tolist(), found, strict=True):
            every = [
                (total / penalty_of(len(ids) + 1, penalty, alpha), ids, total)
                for ids, total in every_output(model, row, 4)
            ]
            assert len(every) == 1 + 3 + 9 + 27
            best = sorted(every, reverse=True)[:12]
            assert [one.ids for one in hypotheses] == [ids for _, ids, _ in best]
            assert [one.score for one in hypotheses] == pytest.approx([score for score, _, _ in best], abs=1e-12)
            assert [one.log_probability for one in hypotheses] == pytest.approx([t for _, _, t in best], abs=1e-12)


@pytest.mark.parametrize(("penalty", "alpha"), PENALTIES)
@pytest.mark.parametrize("rules", ["exact", "transformers"])
@pytest.mark.parametrize("beam", [1, 2, 3, 5])
def test_the_search_agrees_with_its_slow_twin(table_model, sources, penalty_of, penalty, alpha, rules, beam):
    for seed, ends in itertools.product(range(2), (-2.0, 0.0, 1.0)):
        model = table_model(vocabulary=9, seed=seed, ends=ends, spread=1.5)
        source, limits = sources(model, 5, limit=9, seed=seed)
        limits = limits - torch.arange(5)
        for n_best in {1, beam}:
            settings = DecodingSettings(beam=beam, n_best=n_best, penalty=penalty, length_penalty=alpha, rules=rules)
            found = beam_search(model, source, limits, settings)
            for row, limit, hypotheses in zip(source.tolist(), limits.tolist(), found, strict=True):
                expected = slow_beam_search(model, row, limit, settings, penalty_of)
                assert [one.ids for one in hypotheses] == [ids for ids, _ in expected]
                assert [one.score for one in hypotheses] == pytest.approx([score for _, score in expected], abs=1e-12)


def test_a_beam_of_one_without_length_penalty_is_greedy_search(table_model, sources):
    for seed in range(5):
        model = table_model(vocabulary=12, seed=seed, spread=2.0)
        source, limits = sources(model, 20, limit=15, seed=seed)
        settings = DecodingSettings(beam=1, length_penalty=0.0)
        beam = beam_search(model, source, limits, settings)
        greedy = greedy_search(model, source, limits, settings)
        for (first,), (second,) in zip(beam, greedy, strict=True):
            assert first.ids == second.ids
            assert first.score == pytest.approx(second.score, abs=1e-12)
            assert first.token_log_probabilities == second.token_log_probabilities


def test_the_n_best_are_sorted_distinct_and_add_up(table_model, sources, penalty_of):
    model = table_model(vocabulary=20, seed=3, ends=1.0)
    source, limits = sources(model, 10, limit=12)
    for hypotheses in beam_search(model, source, limits, DecodingSettings(beam=6, n_best=6)):
        scores = [one.score for one in hypotheses]
        assert len({one.ids for one in hypotheses}) == 6
        assert scores == sorted(scores, reverse=True)
        for one in hypotheses:
            assert len(one.token_log_probabilities) == len(one.ids) + 1
            assert sum(one.token_log_probabilities) == pytest.approx(one.log_probability, abs=1e-12)
            assert one.score == pytest.approx(
                one.log_probability / penalty_of(len(one.ids) + 1, "paper", 0.6), abs=1e-12
            )


def test_fewer_outputs_than_n_best_come_back_where_no_more_exist(table_model, sources):
    model = table_model(vocabulary=3)  # </s>, one word, padding: two outputs of at most one word
    source, limits = sources(model, 1, limit=2)
    (hypotheses,) = beam_search(model, source, limits, DecodingSettings(beam=4, n_best=4))
    assert sorted(one.ids for one in hypotheses) == [(), (1,)]


def test_exact_search_stops_early_but_not_too_early(table_model, sources):
    model = table_model(vocabulary=9, ends=3.0)
    source, limits = sources(model, 30, limit=12)
    settings = DecodingSettings(beam=4, length_penalty=1.0)
    found = beam_search(model, source, limits, settings)
    fed = model.fed
    everything = beam_search(model, source, limits, DecodingSettings(beam=4, n_best=4, length_penalty=1.0))
    assert fed < 0.9 * 30 * 4 * 12
    assert [one[0] for one in found] == [one[0] for one in everything]


def test_equal_totals_rank_by_parent_then_by_lower_id(table_model, sources):
    model = table_model(vocabulary=6, spread=0.0)  # every token is as likely as every other, always
    source, limits = sources(model, 1, limit=3)
    (hypotheses,) = beam_search(model, source, limits, DecodingSettings(beam=3, n_best=3, length_penalty=0.0))
    # Ranks after one token: </s> 1 2 | 3 4. The first ends; 1, 2 and 3 live. After two: 1</s> 11 12 | 13 14 2</s>.
    # The first ends, the last ranks too low to end, and 11, 12 and 13 live; then all must end.
    assert [one.ids for one in hypotheses] == [(), (1,), (1, 1)]


def test_the_last_token_is_forced_and_costs_its_probability_or_nothing(table_model, sources):
    model = table_model(vocabulary=8, ends=-30.0)  # ends only when it must
    source, limits = sources(model, 6, limit=4)
    limits = limits + torch.tensor([0, 1, 2, 0, 1, 2])
    settings = DecodingSettings(beam=3, penalty="plain", length_penalty=0.0)
    for (one,), limit in zip(beam_search(model, source, limits, settings), limits.tolist(), strict=True):
        assert len(one.ids) + 1 == limit
        assert one.token_log_probabilities[-1] < -20
    free = DecodingSettings(beam=3, penalty="plain", length_penalty=0.0, rules="transformers")
    for (one,), limit in zip(beam_search(model, source, limits, free), limits.tolist(), strict=True):
        assert len(one.ids) + 1 == limit
        assert one.token_log_probabilities[-1] == 0.0


def test_a_recorder_sees_the_whole_search(table_model, sources):
    model = table_model(vocabulary=9, ends=1.0)
    source, limits = sources(model, 5, limit=8)
    steps = []
    found = beam_search(model, source, limits, DecodingSettings(beam=3), record=steps.append)
    assert [step.length for step in steps] == list(range(1, len(steps) + 1))
    for sentence, hypotheses in enumerate(found):
        written, ends = {0: ((), 0.0)}, []  # rank → hypothesis
        for step in steps:
            if sentence not in step.sentences.tolist():
                break
            place = step.sentences.tolist().index(sentence)
            options = zip(
                *(x[place].tolist() for x in (step.parents, step.tokens, step.logs, step.totals)), strict=True
            )
            grown = []
            for parent, token, log, total in options:
                if total == -math.inf:
                    grown.append(None)
                    continue
                ids, before = written[parent]
                assert total == pytest.approx(before + log)
                grown.append(((*ids, token), total))
            ends += [ids[:-1] for ids, _ in filter(None, grown[:3]) if ids[-1] == model.eos]
            written = {rank: grown[column] for rank, column in enumerate(step.survivors[place].tolist())}
        assert hypotheses[0].ids in ends
