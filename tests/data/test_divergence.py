"""The search for lines out of step, beside slower ways of computing the same."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from regard.data import divergence
from regard.data.divergence import find_runs
from regard.data.line_facts import Facts, SideReader


def facts(lines: list[str]) -> Facts:
    reader = SideReader()
    for line in lines:
        reader.add(line)
    return reader.facts()


@pytest.mark.parametrize("seed", range(5))
def test_the_best_path_is_the_best_of_all_paths(seed: int) -> None:
    evidence = np.random.default_rng(seed).normal(size=(len(divergence._SHIFTS) + 1, 3)) * 15
    in_step = divergence._SHIFTS.index(0)

    def worth(path: tuple[int, ...]) -> float:
        changes = sum(one != other for one, other in zip((in_step, *path), path, strict=False))
        return sum(evidence[state, block] for block, state in enumerate(path)) - 20.0 * changes

    best = max(product(range(len(evidence)), repeat=3), key=worth)
    assert tuple(divergence._best_path(evidence)) == best


def test_the_evidence_of_a_block_is_that_of_its_lines() -> None:
    lines = ["x" * (7 * number % 83 + 1) + "." for number in range(70)]
    source, target = facts(lines), facts([line + "ab" for line in lines])
    model = divergence._first_model(source, target)
    table = divergence._line_evidence(source, target, model, np.arange(70))
    blocks = divergence._evidence(source, target, model)
    assert blocks.shape == (22, 5)
    for block in range(5):
        np.testing.assert_allclose(blocks[:, block], table[:, 16 * block : 16 * block + 16].sum(axis=1))


def test_a_pair_of_fitting_lengths_speaks_for_itself_and_a_misfit_against() -> None:
    lengths = [20, 35, 50, 80, 120] * 20
    source, target = facts(["x" * length for length in lengths]), facts(["y" * length for length in lengths])
    model = divergence._first_model(source, target)
    rows = np.array([0, 4])
    together = divergence._log_odds(source, target, rows, rows, model)
    assert (together > 0.5).all()
    apart = divergence._log_odds(source, target, rows, rows[::-1], model)
    assert (apart < -2).all()
    assert (apart >= np.log(0.05)).all()  # one odd pair is never worth more than this


def test_under_fifty_lines_are_too_few_to_judge() -> None:
    lines = [f"{'x' * (17 * number % 91)}." for number in range(49)]
    assert find_runs(facts(lines), facts(lines[1:] + lines[:1])) == []


@pytest.mark.parametrize("line", ["the same length.", "1", "", " "])
def test_lines_that_are_all_alike_tell_nothing(line: str) -> None:
    varied = [f"{'x' * (17 * number % 91)}." for number in range(300)]
    for one, other in (([line] * 300, [line] * 299), (varied, [line] * 300), ([line] * 300, varied)):
        assert find_runs(facts(one), facts(other)) == []


def test_empty_lines_are_no_evidence() -> None:
    varied = [f"{'x' * (17 * number % 91)}." if number % 2 else "" for number in range(400)]
    assert find_runs(facts(varied), facts(varied)) == []
    one_sided = [line if number % 3 else "" for number, line in enumerate(varied)]
    assert find_runs(facts(varied), facts(one_sided)) == []


def test_freely_translated_lines_are_still_in_step() -> None:
    draw = np.random.default_rng(5)
    lengths = draw.integers(10, 120, size=3000)
    source = facts(["x" * length for length in lengths])
    target = facts(["y" * int(length) for length in lengths * np.exp(draw.normal(0.2, 0.4, size=3000))])
    assert find_runs(source, target) == []
