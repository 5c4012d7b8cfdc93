from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from regard.data.batching import Batch, collate, plan_batches, plan_sequential
from regard.data.store import Store, write_store
from regard.data.tokenizers.tokenizer import Tokenizer, TokenizerSettings, train_tokenizer
from regard.errors import DataError

some_lengths = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=200).map(
    lambda rows: np.array(rows, dtype=np.int32).reshape(-1, 2)
)


def realistic(pairs: int) -> np.ndarray:
    """Lengths as in a corpus: long-tailed, and the two sides alike but for a fifth."""
    generator = np.random.default_rng(1)
    source = generator.gamma(4.0, 4.0, pairs)
    return np.stack([source, source * generator.normal(1.05, 0.2, pairs)], axis=1).clip(1, 100).astype(np.int32)


@settings(deadline=None)
@given(lengths=some_lengths, tokens=st.integers(61, 400), seed=st.integers(0, 2**32), epoch=st.integers(0, 1000))
def test_every_pair_comes_once_within_the_budget(lengths: np.ndarray, tokens: int, seed: int, epoch: int) -> None:
    for plan in (plan_batches(lengths, tokens, seed, epoch), plan_sequential(lengths, tokens)):
        rows = [row for batch in plan for row in batch.tolist()]
        assert sorted(rows) == list(range(len(lengths)))
        for batch in plan:
            assert 0 < len(batch) * (lengths[batch].max() + 1) <= tokens


def test_batches_are_as_full_as_the_budget_allows() -> None:
    """With one length only: ⌊budget ÷ (length + 1)⌋ pairs each, and the rest."""
    lengths = np.full((25, 2), 9)
    assert sorted(map(len, plan_batches(lengths, 70, 0, 0))) == [4, 7, 7, 7]
    assert sorted(map(len, plan_batches(lengths, 79, 0, 0))) == [4, 7, 7, 7]
    assert sorted(map(len, plan_batches(lengths, 80, 0, 0))) == [1, 8, 8, 8]


def test_the_cut_is_that_of_a_slow_loop() -> None:
    lengths = realistic(500)
    batches: list[list[int]] = [[]]
    order = np.concatenate(plan_sequential(lengths, 300))
    for row in order:
        together = [*batches[-1], int(row)]
        if len(together) * (max(lengths[together].max(axis=1)) + 1) > 300:
            batches.append([])
            together = [int(row)]
        batches[-1] = together
    assert [batch.tolist() for batch in plan_sequential(lengths, 300)] == batches
    assert (np.diff(lengths[order].max(axis=1)) >= 0).all()


def test_seed_and_epoch_decide_the_plan() -> None:
    lengths = realistic(2000)

    def plan(seed: int, epoch: int) -> list[list[int]]:
        return [batch.tolist() for batch in plan_batches(lengths, 512, seed, epoch)]

    assert plan(1, 2) == plan(1, 2)
    plans = [plan(seed, epoch) for seed, epoch in ((1, 2), (2, 1), (1, 3), (3, 0), (0, 3))]
    assert len({str(plan) for plan in plans}) == 5
    # Not only the order of the batches differs, but also who is together with whom.
    assert len({str(sorted(sorted(batch) for batch in plan)) for plan in plans}) == 5


def test_long_and_short_batches_come_in_any_order() -> None:
    lengths = realistic(20_000)
    widths = np.array([lengths[batch].max() for batch in plan_batches(lengths, 1024, 0, 0)])
    assert abs(np.corrcoef(widths, np.arange(len(widths)))[0, 1]) < 0.2
    assert (np.diff([lengths[batch].max() for batch in plan_sequential(lengths, 1024)]) >= 0).all()


@pytest.mark.parametrize("tokens", [1024, 4096])
def test_little_of_a_batch_is_padding(tokens: int) -> None:
    lengths = realistic(30_000)
    plan = plan_batches(lengths, tokens, 0, 0)
    cells = sum(len(batch) * (lengths[batch].max(axis=0) + 1).sum() for batch in plan)
    assert 1 - (lengths + 1).sum() / cells < 0.05


def test_a_pair_over_the_budget_is_named() -> None:
    lengths = np.array([[3, 4], [5, 50], [1, 1]])
    assert len(plan_batches(lengths, 51, 0, 0)) > 0
    for plan in (lambda: plan_batches(lengths, 50, 0, 0), lambda: plan_sequential(lengths, 50)):
        with pytest.raises(DataError, match=r"pair 2: got a pair of 51 tokens \(</s> included\); expected at most the"):
            plan()


def test_no_pairs_make_no_batches() -> None:
    assert plan_batches(np.zeros((0, 2), dtype=np.int32), 100, 0, 0) == []


# --- collate

PAIRS = [
    ("Ein Hund.", "A dog."),
    ("Zwei Hunde laufen.", "Two dogs run."),
    ("Hund", "dog dog dog dog dog"),
    ("Ja.", "Yes."),
]


@pytest.fixture
def tokenizer() -> Tokenizer:
    return train_tokenizer([text for pair in PAIRS * 10 for text in pair], TokenizerSettings())


@pytest.fixture
def store(tmp_path: Path, tokenizer: Tokenizer) -> Store:
    return write_store(tmp_path / "store", PAIRS, tokenizer, tokenizer)


def slow(rows: list[list[int]], pad: int) -> list[list[int]]:
    """Each row with </s> = 0, filled up to the longest."""
    longest = max(map(len, rows)) + 1
    return [[*row, 0, *[pad] * (longest - len(row) - 1)] for row in rows]


@pytest.mark.parametrize("rows", [[0], [3, 1], [2, 2, 0], [0, 1, 2, 3]])
def test_a_batch_is_that_of_a_slow_loop(store: Store, tokenizer: Tokenizer, rows: list[int]) -> None:
    batch = collate(store, rows, tokenizer.pad, tokenizer.eos)
    source, target = ([tokenizer.encode(PAIRS[row][side]) for row in rows] for side in (0, 1))
    assert isinstance(batch, Batch)
    assert batch.source.tolist() == slow(source, tokenizer.pad)
    assert batch.target.tolist() == slow(target, tokenizer.pad)
    assert batch.source.dtype == batch.target.dtype == torch.int64
    assert batch.source_tokens == (batch.source != tokenizer.pad).sum() == sum(map(len, source)) + len(rows)
    assert batch.target_tokens == (batch.target != tokenizer.pad).sum() == sum(map(len, target)) + len(rows)


def test_each_side_may_have_its_own_padding(store: Store, tokenizer: Tokenizer) -> None:
    batch = collate(store, np.array([1, 2]), tokenizer.pad, tokenizer.eos, target_pad=9999)
    assert tokenizer.pad in batch.source
    assert 9999 in batch.target
    assert tokenizer.pad not in batch.target


def test_an_empty_sentence_is_its_end_alone(tmp_path: Path, tokenizer: Tokenizer) -> None:
    store = write_store(tmp_path / "empty", [("", ""), ("", "dog")], tokenizer, tokenizer)
    batch = collate(store, [0], tokenizer.pad, tokenizer.eos)
    assert batch.source.tolist() == batch.target.tolist() == [[0]]
    assert collate(store, [0, 1], tokenizer.pad, tokenizer.eos).target_tokens == len(tokenizer.encode("dog")) + 2


def test_a_batch_does_not_point_into_the_store(store: Store, tokenizer: Tokenizer) -> None:
    collate(store, [0], tokenizer.pad, tokenizer.eos).source.fill_(7)
    assert store.row("source", 0).tolist() == tokenizer.encode("Ein Hund.")
