"""The masks, drawn by hand. ``True`` means "may look"."""

from __future__ import annotations

import pytest
import torch

from regard.layers.attention import attention
from regard.layers.mask import Within, causal_mask, padding_mask, past


def test_no_query_may_look_at_padding():
    ids = torch.tensor([[5, 3, 0, 9], [4, 9, 9, 9]])
    expected = torch.tensor([[True, True, True, False], [True, False, False, False]])
    mask = padding_mask(ids, pad=9)
    assert mask.shape == (2, 1, 1, 4)  # of every head and every query
    assert torch.equal(mask[:, 0, 0], expected)


def test_a_position_may_look_at_itself_and_what_came_before():
    expected = [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]
    assert causal_mask(3).tolist() == [[expected]]


# Sights: what places see of places -----------------------------------------------------------------------------------


QUERIES, KEYS = torch.tensor([[4, 9, 0]]), torch.tensor([[0, 3, 4, 5, 6, 9, 20]])


def by_loops(sight, sees) -> None:
    """The slow twin: each pair of places by itself."""
    found = sight(QUERIES, KEYS)
    assert found.shape == (1, 1, 3, 7)
    for row, query in enumerate(QUERIES[0].tolist()):
        for column, key in enumerate(KEYS[0].tolist()):
            assert found[0, 0, row, column].item() is sees(query, key), (query, key)


def test_past_is_all_that_stands_no_later():
    by_loops(past, lambda query, key: key <= query)


def test_past_of_a_whole_text_is_the_causal_mask():
    places = torch.arange(5)[None]
    assert torch.equal(past(places, places), causal_mask(5))


@pytest.mark.parametrize("reach", [0, 1, 2, 5, 30])
def test_within_is_near_enough_and_for_a_decoder_no_later(reach):
    by_loops(Within(reach, ahead=True), lambda query, key: abs(query - key) <= reach)
    by_loops(Within(reach, ahead=False), lambda query, key: 0 <= query - key <= reach)


def test_within_one_by_hand():
    places = torch.arange(4)[None]
    both = [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 1], [0, 0, 1, 1]]
    back = [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]
    assert Within(1, ahead=True)(places, places).int().tolist() == [[both]]
    assert Within(1, ahead=False)(places, places).int().tolist() == [[back]]


@pytest.mark.parametrize("ahead", [True, False])
def test_every_text_may_have_places_of_its_own(ahead):
    places = torch.tensor([[0, 1, 2], [5, 3, 9]])
    together = Within(2, ahead)(places, places)
    alone = torch.cat([Within(2, ahead)(row[None], row[None]) for row in places])
    assert torch.equal(together, alone)


@pytest.mark.parametrize("ahead", [True, False])
@pytest.mark.parametrize("reach", [0, 1, 3])
def test_attention_through_a_window_is_attention_to_a_slice(path, reach, ahead):
    """The slow twin: each query with the keys from r before it to r after it, and no mask at all."""
    places = torch.arange(8)[None]
    query, key, value = (torch.randn(2, 3, 8, 4, dtype=torch.float64) for _ in range(3))
    found = attention(query, key, value, mask=Within(reach, ahead)(places, places))
    for i in range(8):
        near = slice(max(0, i - reach), i + reach + 1 if ahead else i + 1)
        alone = attention(query[:, :, i : i + 1], key[:, :, near], value[:, :, near])
        torch.testing.assert_close(found[:, :, i : i + 1], alone, rtol=0, atol=1e-12)
