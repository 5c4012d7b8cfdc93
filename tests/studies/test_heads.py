"""The number of heads: the paper's row, models of the same size, the verdict in every direction, the study in small."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from regard.errors import DataError
from regard.families import transformer
from regard.models.vocabulary import own_vocabulary
from regard.studies import heads
from regard.studies.frame.arms import Outcome
from regard.studies.frame.page import write
from regard.studies.frame.study import Order
from regard.studies.frame.verdict import Difference
from regard.studies.heads import FULL, PAPER, QUICK, judged

TINY = replace(
    QUICK, model={**QUICK.model, "layers": 1, "d_model": 16, "d_ff": 16}, heads=(1, 2, 4, 8), steps=3, batch_tokens=128
)


@pytest.fixture
def small(tmp_path: Path) -> Order:
    """A corpus of one's own, of 220 pairs."""
    source, target = tmp_path / "a.txt", tmp_path / "b.txt"
    source.write_text("".join(f"one {n} two\n" for n in range(220)))
    target.write_text("".join(f"eins {n} zwei\n" for n in range(220)))
    return Order(quick=True, source=source, target=target)


def outcomes(levels: dict[int, float], seeds: int = 1, noise: float = 0.1) -> dict[int, list[Outcome]]:
    """Made-up outcomes whose test pairs cost so many nats a token, each with noise of its own."""
    generator = np.random.default_rng(1)
    tokens = np.full(200, 10)
    return {
        h: [
            Outcome(f"h = {h}", seed, None, [], [], 0.0, 10 * (level + generator.normal(0, noise, 200)), tokens)
            for seed in range(seeds)
        ]
        for h, level in levels.items()
    }


def test_the_paper_s_best_is_in_the_middle_and_its_ends_are_what_the_claim_says():
    """Section 6.2: one head is 0.9 BLEU worse than the best setting, and quality drops with too many."""
    best = max(bleu for _, bleu in PAPER.values())
    assert best - PAPER[1][1] == pytest.approx(0.9)
    assert PAPER[32][1] < best
    assert PAPER[8] == (4.92, 25.8)  # the base model


@pytest.mark.parametrize("settings", [QUICK, FULL])
def test_every_number_of_heads_has_the_same_parameters_here(settings):
    ids = own_vocabulary(10, 10, shared=False)
    sizes = {
        sum(
            weight.numel()
            for weight in transformer.build(transformer.Config(**{**settings.model, "heads": h}), ids).parameters()
        )
        for h in settings.heads
    }
    assert len(sizes) == 1


@pytest.mark.parametrize("seeds", [1, 3])
def test_both_ends_must_surely_lose(seeds):
    found = judged(outcomes({1: 2.0, 4: 1.0, 8: 1.2, 32: 1.5}, seeds))
    assert found.best == 4
    assert found.held is True
    assert found.fewest.value == pytest.approx(1.0, abs=0.1)
    assert found.most.value == pytest.approx(0.5, abs=0.1)
    assert judged(outcomes({1: 0.5, 4: 1.0, 8: 1.2, 32: 1.5}, seeds)).held is False
    assert judged(outcomes({1: 2.0, 4: 1.0, 8: 1.2, 32: 0.6}, seeds)).held is False
    assert judged(outcomes({1: 2.0, 4: 1.0, 8: 1.2, 32: 1.0}, seeds, noise=0.5)).held is None


def test_what_the_ends_lose_is_told_as_sure_or_not():
    assert heads._loses(Difference(0.03, True, "p")) == "is surely worse, +0.030 nats per token (p)"
    assert heads._loses(Difference(-0.03, True, "p")) == "is surely better, -0.030 nats per token (p)"
    assert heads._loses(Difference(-0.0001, False, "p")) == "is not surely worse or better, +0.000 nats per token (p)"


def test_the_best_is_chosen_on_other_pairs_than_those_it_is_measured_on():
    made = outcomes({1: 1.0, 2: 1.0, 4: 1.0, 8: 1.0}, noise=0.0)
    lucky = made[2][0]
    lucky.nats[::2] -= 5.0  # better by half a nat a token, on the pairs it is chosen by alone
    found = judged(made)
    assert found.best == 2
    assert found.fewest.value == pytest.approx(0.0)
    assert found.held is None


def test_the_study_of_ones_own_corpus_writes_a_page_whose_sentence_agrees_with_its_numbers(
    monkeypatch: pytest.MonkeyPatch, small: Order, tmp_path: Path
):
    monkeypatch.setattr(heads, "QUICK", TINY)
    found = heads.run(small)
    write(heads.STUDY, found, tmp_path / "out")
    assert (tmp_path / "out" / "heads.png").exists()
    assert found.settings["pairs"] == "a.txt to b.txt"
    numbers = found.numbers
    assert set(numbers["outcomes"]) == {"h = 1", "h = 2", "h = 4", "h = 8"}
    assert numbers["best_between"] in (2, 4)
    assert found.sentence.startswith(f"Against h = {numbers['best_between']}, the best between, h = 1 is ")
    assert f", {numbers['fewest_minus_best']:+z.3f} nats per token" in found.sentence
    assert f", {numbers['most_minus_best']:+z.3f} nats per token" in found.sentence
    assert found.tables[1].rows[0][:3] == ("h = 1", 512, 5.29)


def test_too_small_a_corpus_is_refused(small: Order):
    assert small.source is not None
    assert small.target is not None
    for path in (small.source, small.target):
        path.write_text("word\n" * 20)
    with pytest.raises(DataError, match=r"got 20 pairs; expected at least 200 pairs of lines"):
        heads.run(small)
