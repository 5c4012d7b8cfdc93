"""Overlap of boxes: by hand, against transformers, and by its bounds."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.loss.loss_for_object_detection import generalized_box_iou

from regard.tasks.boxes import corners, generalized_iou


def test_corners_by_hand():
    assert corners(torch.tensor([[3.0, 4.0, 2.0, 6.0]])).tolist() == [[2.0, 1.0, 4.0, 7.0]]


@pytest.mark.parametrize(
    ("other", "wanted"),
    [
        ([1.0, 1.0, 2.0, 2.0], 1.0),  # the same
        ([2.0, 1.0, 2.0, 2.0], 1 / 3),  # half of it: 2 of 6, and the box around is all of the union
        ([2.0, 2.0, 2.0, 2.0], 1 / 7 - 2 / 9),  # a fourth of it: 1 of 7, in a box of 9
        ([5.0, 1.0, 2.0, 2.0], -4 / 12),  # apart: 8 of the 12 around both
        ([1.0, 1.0, 1.0, 1.0], 1 / 4),  # within it
        ([1.0, 1.0, 0.0, 0.0], 0.0),  # a point within it
        ([3.0, 1.0, 0.0, 2.0], -2 / 6),  # a line beside it
    ],
)
def test_overlap_by_hand(other, wanted):
    """With the square from (0, 0) to (2, 2)."""
    square = torch.tensor([1.0, 1.0, 2.0, 2.0])
    for pair in ((square, torch.tensor(other)), (torch.tensor(other), square)):
        assert generalized_iou(*pair).item() == pytest.approx(wanted, abs=1e-6)


def test_two_points_at_one_place_give_a_number_and_a_gradient():
    point = torch.tensor([0.5, 0.5, 0.0, 0.0], requires_grad=True)
    found = generalized_iou(point, point.detach())
    found.backward()
    assert found.item() == 0.0
    assert point.grad.isfinite().all()


def test_every_pair_is_what_transformers_computes():
    first, second = torch.rand(6, 4, dtype=torch.float64), torch.rand(7, 4, dtype=torch.float64)
    wanted = generalized_box_iou(corners(first), corners(second))
    torch.testing.assert_close(generalized_iou(first[:, None], second[None]), wanted, rtol=0, atol=1e-12)


box = st.tuples(*[st.floats(0, 1)] * 2, *[st.floats(1e-3, 1)] * 2)


@given(box, box, st.floats(0.1, 10))
def test_it_is_between_minus_one_and_one_and_has_no_scale(first, second, scale):
    one, other = torch.tensor([first, second], dtype=torch.float64)
    found = generalized_iou(one, other)
    assert -1 < found <= 1 + 1e-12
    torch.testing.assert_close(generalized_iou(scale * one, scale * other), found, rtol=0, atol=1e-9)
    torch.testing.assert_close(generalized_iou(other, one), found, rtol=0, atol=1e-12)
    torch.testing.assert_close(generalized_iou(one, one), torch.ones_like(found), rtol=0, atol=1e-9)
