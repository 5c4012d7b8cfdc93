from __future__ import annotations

import torch

from regard.decoding.beam import beam_search
from regard.decoding.greedy import greedy_search
from regard.decoding.roster import LEAST_ROWS, Roster
from regard.decoding.settings import DecodingSettings


def leave(roster, *done):
    gone, places = roster.leave(torch.tensor([bool(flag) for flag in done]))
    return gone, None if places is None else places.tolist()


def test_the_finished_leave_and_the_others_close_up():
    roster = Roster(6, LEAST_ROWS // 4, torch.device("cpu"))  # never fewer than four sentences
    assert leave(roster, 0, 0, 0, 0, 0, 0) == ([], None)
    assert leave(roster, 0, 1, 0, 0, 1, 0) == ([(1, 1), (4, 4)], [0, 2, 3, 5])
    assert leave(roster, 1, 0, 0, 0) == ([(0, 0)], [1, 2, 3, 0])  # the first stays as filler
    assert leave(roster, 0, 0, 1, 1) == ([(2, 5)], [0, 1, 2, 3])  # filler never leaves with a result
    assert leave(roster, 1, 1, 1, 0) == ([(0, 2), (1, 3)], [])


def test_too_few_sentences_are_filled_up():
    cpu = torch.device("cpu")
    assert Roster(1, 1, cpu).sentences.tolist() == [0] * 16
    assert Roster(1, 2, cpu).sentences.tolist() == [0] * 8
    assert Roster(1, 5, cpu).sentences.tolist() == [0] * 4
    assert Roster(3, 5, cpu).sentences.tolist() == [0, 1, 2, 2]
    assert Roster(1, 16, cpu).sentences.tolist() == [0]
    assert Roster(20, 1, cpu).sentences.tolist() == list(range(20))
    assert Roster(1, 16, cpu, read_each=1).sentences.tolist() == [0] * 16  # each is read one token at a time


def test_a_search_never_runs_fewer_rows_than_the_arithmetic_needs(table_model, sources):
    for count in (1, 2, 7):
        for beam in (1, 2, 3):
            model = table_model(vocabulary=9, ends=1.0)
            source, limits = sources(model, count, limit=12)
            settings = DecodingSettings(beam=beam)
            search = greedy_search if beam == 1 else beam_search
            assert all(len(found) == 1 for found in search(model, source, limits, settings))
            assert model.least_rows >= LEAST_ROWS


def test_sentences_that_are_done_cost_nothing_more(table_model, sources):
    model = table_model(vocabulary=9, ends=-50.0)
    source, limits = sources(model, 40, limit=10)
    greedy_search(model, source, limits + 10 * (torch.arange(40) >= 20), DecodingSettings())
    assert model.fed == 40 * 10 + 20 * 10
