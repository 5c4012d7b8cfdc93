from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from regard.data.batching import CouplesBatch
from regard.tasks.contrastive import InfoNCE, couples_losses, mean_pooling


def test_the_loss_is_torch_s_of_cosines_in_both_directions(small) -> None:
    model = small(causal=False)
    first, second = torch.tensor([[2, 3, 4], [5, 6, 0], [7, 0, 0]]), torch.tensor([[3, 9], [10, 0], [2, 6]])
    losses = InfoNCE(temperature=0.1).losses(model, CouplesBatch(first, second, 3))
    a, b = (
        torch.stack([model(row[row != 0][None])[0].mean(0) for row in side]) for side in (first, second)
    )  # each text by itself, without padding
    cosines = torch.tensor([[functional.cosine_similarity(x, y, dim=0).item() for y in b] for x in a]).double()
    answers = torch.arange(3)
    expected = sum(functional.cross_entropy(one / 0.1, answers, reduction="sum") for one in (cosines, cosines.T)) / 2
    assert losses.smoothed.item() == pytest.approx(expected.item(), abs=1e-5)
    losses.smoothed.backward()
    assert model.table.grad.abs().sum() > 0
    assert not losses.plain.requires_grad


def test_two_couples_by_hand() -> None:
    """Rows (log 3, 0), (0, 0): forwards −log ¾ − log ½; backwards the same, as the table is symmetric."""
    losses = couples_losses(torch.tensor([[math.log(3), 0.0], [0.0, 0.0]]))
    assert losses.smoothed.item() == pytest.approx(math.log(4 / 3) + math.log(2))


def test_both_directions_count_alike() -> None:
    table = torch.randn(5, 5, dtype=torch.float64)
    torch.testing.assert_close(couples_losses(table).smoothed, couples_losses(table.T).smoothed)


def test_a_model_that_tells_nothing_apart_loses_log_of_the_batch() -> None:
    assert couples_losses(torch.zeros(8, 8)).plain.item() == pytest.approx(8 * math.log(8))


def test_the_couples_of_a_batch_may_come_in_any_order(small) -> None:
    model = small(causal=False)
    first, second = torch.randint(1, 12, (6, 4)), torch.randint(1, 12, (6, 5))
    order = torch.randperm(6)
    found = [
        InfoNCE().losses(model, CouplesBatch(first[rows], second[rows], 6)).smoothed
        for rows in (torch.arange(6), order)
    ]
    torch.testing.assert_close(*found, rtol=0, atol=1e-9)


def test_the_mean_is_over_real_tokens() -> None:
    hidden = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [100.0, 100.0]], [[5.0, 5.0]] * 3])
    real = torch.tensor([[True, True, False], [False, False, False]])
    assert mean_pooling(hidden, real).tolist() == [[2.0, 4.0], [0.0, 0.0]]
