"""The loss of a model at rest: sums over batches of any size, with dropout off and back on again."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from regard.runs.material.loss import task_loss
from regard.tasks.loss import Losses


@dataclass(frozen=True)
class Numbers:
    values: torch.Tensor

    @property
    def target_tokens(self) -> int:
        return len(self.values)


class Summing:
    """The loss of a batch is the sum of its numbers after the model; smoothed, it is another one."""

    def losses(self, model: nn.Module, batch: Numbers) -> Losses:
        total = model(batch.values).sum()
        assert not total.requires_grad
        return Losses(total * 100, total)


@pytest.mark.parametrize("training", [True, False])
def test_it_is_the_sum_of_all_batches(training):
    model = nn.Dropout(0.5).train(training)
    batches = [Numbers(torch.tensor([1.0, 2.0])), Numbers(torch.tensor([4.0]))]
    assert task_loss(model, Summing(), batches) == (7.0, 3)
    assert model.training is training
    assert task_loss(model, Summing(), []) == (0.0, 0)


def test_the_model_is_as_before_when_it_fails():
    model = nn.Dropout(0.5).train()
    with pytest.raises(AttributeError):
        task_loss(model, Summing(), [None])
    assert model.training
