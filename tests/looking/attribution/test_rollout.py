from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from regard.looking.attribution.rollout import decoder_rollout, rollout
from regard.looking.look import Attention

NOTHING = torch.empty(0, 0, 0, 0)


def rows(*shape: int, causal: bool = False) -> Tensor:
    scores = torch.randn(*shape, dtype=torch.float64) * 2
    if causal:
        scores = scores.masked_fill(torch.ones(shape[-2:], dtype=torch.bool).triu(1), -torch.inf)
    return scores.softmax(-1)


def test_two_layers_by_hand():
    layer = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])  # one head: both look at the first
    # Ã = [[1, 0], [1/2, 1/2]], and Ã Ã = [[1, 0], [3/4, 1/4]]
    assert rollout(torch.stack([layer, layer])).tolist() == [[1.0, 0.0], [0.75, 0.25]]
    assert rollout(layer[None], stays=0.0).tolist() == [[1.0, 0.0], [1.0, 0.0]]
    assert rollout(torch.empty(0, 1, 2, 2)).tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_it_is_the_sum_over_all_paths_through_the_layers():
    weights = rows(3, 2, 4, 4)
    steps = 0.5 * torch.eye(4, dtype=torch.float64) + 0.5 * weights.mean(1)
    slow = torch.zeros(4, 4, dtype=torch.float64)
    for last, second, first, begin in itertools.product(range(4), repeat=4):
        slow[last, begin] += steps[2][last, second] * steps[1][second, first] * steps[0][first, begin]
    torch.testing.assert_close(rollout(weights), slow, rtol=0, atol=1e-14)


def test_what_is_hidden_stays_hidden():
    assert not rollout(rows(3, 2, 5, 5, causal=True)).triu(1).any()


def test_one_decoder_layer_by_hand():
    own, cross = torch.tensor([[1.0, 0.0], [0.5, 0.5]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    encoder = torch.tensor([[0.0, 1.0], [0.0, 1.0]])  # R = [[1/2, 1/2], [0, 1]]
    found = decoder_rollout(Attention(encoder[None, None], own[None, None], cross[None, None]))
    assert found.source.tolist() == [[0.25, 0.25], [0.0, 0.5]]  # half of R's rows
    assert found.fed.tolist() == [[0.5, 0.0], [0.125, 0.375]]  # half of ½ I + ½ own


@pytest.mark.parametrize("stays", [0.0, 0.3, 0.5])
def test_through_a_decoder_it_is_a_product_of_block_matrices(stays: float):
    """The twin has one state for each source and target position; each attention is a matrix over all of them."""
    S, T = 4, 3
    attention = Attention(rows(2, 3, S, S), rows(3, 2, T, T, causal=True), rows(3, 2, T, S))
    source, target, state = (torch.eye(size, dtype=torch.float64) for size in (S, T, S + T))
    for layer in attention.encoder:
        state = torch.block_diag((1 - stays) * layer.mean(0) + stays * source, target) @ state
    for own, cross in zip(attention.decoder, attention.cross, strict=True):
        step = torch.block_diag(source, (1 - stays) * own.mean(0) + stays * target)
        look = torch.eye(S + T, dtype=torch.float64)
        look[S:, :S], look[S:, S:] = (1 - stays) * cross.mean(0), stays * target
        state = look @ step @ state
    found = decoder_rollout(attention, stays)
    torch.testing.assert_close(found.source, state[S:, :S], rtol=0, atol=1e-14)
    torch.testing.assert_close(found.fed, state[S:, S:], rtol=0, atol=1e-14)


def test_rows_over_source_and_target_sum_to_one():
    attention = Attention(rows(2, 3, 6, 6), rows(4, 2, 5, 5, causal=True), rows(4, 2, 5, 6))
    found = decoder_rollout(attention)
    torch.testing.assert_close(found.source.sum(1) + found.fed.sum(1), torch.ones(5).double(), rtol=0, atol=1e-14)
    assert math.isclose(float(rollout(attention.encoder).sum()), 6, abs_tol=1e-12)


def test_a_lone_alignment_is_half_of_what_there_is():
    cross = rows(1, 1, 3, 4)
    torch.testing.assert_close(decoder_rollout(Attention(NOTHING, NOTHING, cross)).source, cross[0, 0] / 2)
