"""Means of weights, by hand."""

from __future__ import annotations

import pytest
import torch

from regard.training.averaging import RunningAverage, mean_of


def test_the_mean_of_checkpoints_by_hand():
    checkpoints = [
        {"w": torch.tensor([1.0, 2.0]), "b": torch.tensor(4.0)},
        {"w": torch.tensor([3.0, 8.0]), "b": torch.tensor(6.0)},
    ]
    found = mean_of(checkpoints)
    assert {name: tensor.tolist() for name, tensor in found.items()} == {"w": [2.0, 5.0], "b": 5.0}


def test_the_mean_is_taken_in_float64_and_keeps_the_type():
    """In float32, 2^25 + 1 is 2^25, and the one would be lost."""
    values = [2.0**25, 1.0, -(2.0**25), 2.0]
    found = mean_of([{"w": torch.tensor([value])} for value in values])["w"]
    assert found.item() == 0.75
    assert found.dtype == torch.float32


def test_the_mean_of_one_is_itself_and_a_new_tensor():
    weights = {"w": torch.tensor([0.1, 0.2])}
    found = mean_of([weights])
    assert torch.equal(found["w"], weights["w"])
    found["w"].zero_()
    assert weights["w"].tolist() == pytest.approx([0.1, 0.2])


def test_the_running_mean_by_hand():
    """β is 2/11 at update 1 and 3/12 at update 2: 11 → 2/11·11 + 9/11·22 = 20 → 1/4·20 + 3/4·40 = 35."""
    average = RunningAverage({"w": torch.tensor([11.0])}, decay=0.999)
    average.update({"w": torch.tensor([22.0])}, step=1)
    assert average.weights["w"].item() == pytest.approx(20.0)
    average.update({"w": torch.tensor([40.0])}, step=2)
    assert average.weights["w"].item() == pytest.approx(35.0)


def test_the_decay_is_the_most_that_is_kept():
    """At update 1000 (1 + t)/(10 + t) is 0.991: a decay of 0.9 is less, one of 0.999 is more."""
    for decay, kept in ((0.9, 0.9), (0.999, 1001 / 1010)):
        average = RunningAverage({"w": torch.tensor([1.0])}, decay)
        average.update({"w": torch.tensor([0.0])}, step=1000)
        assert average.weights["w"].item() == pytest.approx(kept)


def test_the_running_mean_has_tensors_of_its_own():
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    average = RunningAverage({"w": weight}, decay=0.5)
    with torch.no_grad():
        weight.fill_(9.0)
    assert average.weights["w"].item() == 1.0
    assert not average.weights["w"].requires_grad
    average.update({"w": weight}, step=100)
    assert weight.item() == 9.0
    assert average.weights["w"].item() == pytest.approx(5.0)
