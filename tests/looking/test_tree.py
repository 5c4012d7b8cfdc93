"""The tree of a beam search, of a model whose probabilities are a table."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from tests.decoding.conftest import EOS, TableModel

from regard.decoding.settings import DecodingSettings
from regard.looking.tree import searched

SETTINGS = DecodingSettings(beam=4, length_penalty=1.0, penalty="plain", max_extra=6)


def tree_of(source: int):
    """The search of a source, with the model that was searched in; a token's piece is its id."""
    model = TableModel(vocabulary=20, seed=3, ends=1.0)
    read = [source % 18 + 1, source // 18 + 1, EOS]
    tree, best = searched(model, read, SETTINGS, lambda ids: [str(index) for index in ids], str)
    return model, read, tree, best


def test_the_marked_way_is_the_best_output_wherever_its_branches_stand():
    """Where others end before it, a branch's column is not the rank that it lives on as."""
    moved = 0
    for source in range(40):
        model, read, tree, best = tree_of(source)
        won = [[(column, branch) for column, branch in enumerate(step) if branch.won] for step in tree.steps]
        way = [step[0] for step in won if step]
        assert all(len(step) <= 1 for step in won)
        assert [branch.piece for _, branch in way] == [*map(str, best.ids), str(EOS)]
        for place, (_, branch) in enumerate(way):
            expected = model.log_probabilities(read, best.ids[:place])
            assert branch.log_probability == pytest.approx(expected[int(branch.piece)], abs=1e-9)
        assert math.fsum(branch.log_probability for _, branch in way) == pytest.approx(way[-1][1].total, abs=1e-9)
        for (_, before), (_, after) in pairwise(way):
            assert after.parent == before.rank
        moved += sum(branch.rank is not None and branch.rank != column for column, branch in way)
    assert moved > 10


def test_what_ends_does_not_live_on_and_the_next_step_continues_what_does():
    ended = 0
    for source in range(40):
        _, _, tree, _ = tree_of(source)
        for step, after in pairwise(tree.steps):
            living = sorted(branch.rank for branch in step if branch.rank is not None)
            assert living == list(range(len(living)))
            assert len(living) <= tree.beam
            assert {branch.parent for branch in after} <= set(living)
        for step in tree.steps:
            assert [branch.total for branch in step] == sorted((branch.total for branch in step), reverse=True)
            for branch in step:
                assert branch.rank is None or branch.piece != str(EOS)
                ended += branch.ended
    assert ended > 40


def test_the_outputs_are_the_n_best_best_first():
    _, _, tree, best = tree_of(5)
    scores = [output.score for output in tree.outputs]
    assert len(scores) == SETTINGS.beam
    assert scores == sorted(scores, reverse=True)
    assert tree.outputs[0].text == str(best.ids)
