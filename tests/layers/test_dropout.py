"""Dropout by its distribution: who is dropped, how often, and that the expectation stays."""

from __future__ import annotations

import math

import pytest
import torch

from regard.layers.dropout import Dropout, dropout

RATES = [0.1, 0.3, 0.5, 0.9]
COUNT = 200_000


def standard_error(chance: float) -> float:
    return math.sqrt(chance * (1 - chance) / COUNT)


@pytest.mark.parametrize("rate", RATES)
def test_a_value_is_dropped_with_the_probability_asked_for(rate):
    dropped = (dropout(torch.ones(COUNT), rate) == 0).double().mean().item()
    assert abs(dropped - rate) < 5 * standard_error(rate) + 1 / 65536


@pytest.mark.parametrize("rate", RATES)
def test_the_others_grow_so_that_the_expectation_stays(rate):
    x = torch.randn(COUNT, dtype=torch.float64)
    kept = dropout(x, rate)
    survived = kept != 0
    torch.testing.assert_close(kept[survived], x[survived] / (1 - rate), rtol=1e-15, atol=0)
    mean = dropout(torch.ones(COUNT, dtype=torch.float64), rate).mean().item()
    assert abs(mean - 1) < 5 * standard_error(rate) / (1 - rate) + 1 / 65536 / (1 - rate)


@pytest.mark.parametrize("distance", [1, 2, 3, 4])
def test_neighbours_are_dropped_independently(distance):
    """Four values share one draw of the generator; were they alike, too many pairs would fall together."""
    rate = 0.3
    dropped = dropout(torch.ones(COUNT), rate) == 0
    together = (dropped[:-distance] & dropped[distance:]).double().mean().item()
    assert abs(together - rate**2) < 5 * standard_error(rate**2) + 2e-4


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_each_of_the_four_values_of_a_draw_has_the_same_chance(place):
    dropped = (dropout(torch.ones(4 * COUNT), 0.3) == 0).view(-1, 4)[:, place].double().mean().item()
    assert abs(dropped - 0.3) < 5 * standard_error(0.3) + 1 / 65536


def test_the_gradient_has_the_same_pattern():
    x = torch.randn(7, 11, 13, dtype=torch.float64, requires_grad=True)
    kept = dropout(x, 0.4)
    outer = torch.randn_like(kept)
    kept.backward(outer)
    pattern = kept.detach() / x.detach()  # 0 or 1 / 0.6
    torch.testing.assert_close(x.grad, outer * pattern)
    assert torch.equal(x.grad == 0, kept == 0)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 5, 8])
def test_any_number_of_values_will_do(size):
    assert dropout(torch.ones(size), 0.5).shape == (size,)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_the_type_of_the_numbers_stays(dtype):
    assert set(dropout(torch.ones(100, dtype=dtype), 0.5).tolist()) == {0.0, 2.0}
    assert dropout(torch.ones(100, dtype=dtype), 0.5).dtype == dtype


def test_a_rate_of_zero_is_nothing_at_all():
    x = torch.randn(5)
    assert dropout(x, 0.0) is x


def test_a_rate_near_zero_drops_nothing_and_one_near_one_hardly_leaves_anything():
    assert (dropout(torch.ones(1000), 1e-9) != 0).all()
    assert (dropout(torch.ones(1000), 1 - 1e-9) != 0).sum() <= 2  # each survives with probability 1/65536


def test_a_transposed_tensor_is_dropped_like_any_other():
    x = torch.randn(30, 40).T
    kept = dropout(x, 0.5)
    survived = kept != 0
    torch.testing.assert_close(kept[survived], 2 * x[survived])
    assert 400 < survived.sum() < 800


def test_the_seed_decides_what_is_dropped():
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(dropout(torch.ones(100), 0.5))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_the_layer_drops_in_training_alone():
    layer, x = Dropout(0.5), torch.ones(100)
    assert (layer(x) == 0).any()
    assert layer.eval()(x) is x
