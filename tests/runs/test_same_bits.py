"""The first steps of a recipe, made twice: the same bytes, or an error that says what came out."""

from __future__ import annotations

import itertools

import pytest
import torch

from regard.errors import RunError
from regard.runs.same_bits import digest_of_two


def test_two_runs_of_a_recipe_have_the_same_bytes_and_another_seed_has_others(given, plainly) -> None:
    table = given("pairs", "family=transformer", "train.steps=9")
    digest = digest_of_two(table, 4)
    assert len(digest) == 64
    assert digest_of_two(table, 4) == digest
    assert digest_of_two(table, 5) != digest
    assert digest_of_two(given("pairs", "family=transformer", "train.steps=9", "train.seed=2"), 4) != digest


def test_a_run_that_is_shorter_is_compared_at_its_end(given, plainly) -> None:
    table = given("texts", "family=gpt2", "train.steps=2")
    assert digest_of_two(table, 20) == digest_of_two(table, 2)


def test_runs_that_differ_are_told(given, plainly, monkeypatch) -> None:
    seeds, seeded = itertools.count(), torch.manual_seed
    monkeypatch.setattr(torch, "manual_seed", lambda seed: seeded(next(seeds)))
    told = r"after 3 steps of the same recipe; expected the same bytes twice; see regard doctor"
    with pytest.raises(RunError, match=told):
        digest_of_two(given("pairs", "family=transformer"), 3)


def test_the_command_says_what_it_found_and_keeps_nothing(command, small_words, tmp_path, plainly) -> None:
    words = [word for word in small_words if not word.startswith("train.steps")]
    ended = command("train", *words, "train.steps=3", "--verify-determinism")
    assert ended.code == 0, ended.err
    assert ended.out.startswith("20 steps made twice: the same weights and optimizer, SHA-256 ")
    for more, told in ((["--out", tmp_path / "run"], "it with --out"), (["--resume"], "it with --resume")):
        ended = command("train", *words, "--verify-determinism", *more)
        assert ended.code == 2
        assert f"--verify-determinism: got {told}; expected it alone, as it keeps nothing; leave one out." in ended.err
    assert not (tmp_path / "run").exists()
