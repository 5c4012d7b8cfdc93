"""Boxes as centre x and y, width and height, and how far two of them overlap."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

Boxes = Float[Tensor, "*#boxes 4"]


def corners(boxes: Float[Tensor, "*boxes 4"]) -> Float[Tensor, "*boxes 4"]:
    """Left, top, right and bottom."""
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat((centre - half, centre + half), -1)


def generalized_iou(first: Boxes, second: Boxes) -> Float[Tensor, "*boxes"]:
    """|A ∩ B| / |A ∪ B| − (|C| − |A ∪ B|) / |C|, with C the smallest box around A and B (Rezatofighi et al. 2019).

    From −1 (far apart) to 1 (the same). Boxes are broadcast against each other. Of a box without area the first term
    is 0, and of two at one place both are.
    """
    one, other = corners(first), corners(second)
    inside = _area(torch.maximum(one[..., :2], other[..., :2]), torch.minimum(one[..., 2:], other[..., 2:]))
    union = _area(one[..., :2], one[..., 2:]) + _area(other[..., :2], other[..., 2:]) - inside
    around = _area(torch.minimum(one[..., :2], other[..., :2]), torch.maximum(one[..., 2:], other[..., 2:]))
    least = torch.finfo(union.dtype).tiny
    return inside / union.clamp(min=least) - (around - union) / around.clamp(min=least)


def _area(upper_left: Tensor, lower_right: Tensor) -> Tensor:
    """Of nothing, where the corners stand the wrong way round."""
    return (lower_right - upper_left).clamp(min=0).prod(-1)
