"""The masks, drawn by hand. ``True`` means "may look"."""

from __future__ import annotations

import torch

from regard.layers.mask import causal_mask, padding_mask


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
