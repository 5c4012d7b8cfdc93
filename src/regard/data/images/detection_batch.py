"""Images side by side with the objects in each, for learning to find them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from regard.errors import DataError
from regard.notation import Images, RealPixels


@dataclass(frozen=True)
class DetectionBatch:
    """Images in the upper left corner of their place, zeros behind them, and the objects of all, image after image.

    ``real``: which pixels are no padding. ``counts``: how many objects each image has. A box is centre x and y, width
    and height as shares of its own image, padding not counted.
    """

    images: Images
    real: RealPixels
    labels: Int[Tensor, " objects"]
    boxes: Float[Tensor, "objects 4"]
    counts: tuple[int, ...]

    @property
    def target_tokens(self) -> int:
        """What the loss is divided by: the objects; 1 where there is none, since "no object" is to be learnt, too."""
        return max(1, len(self.labels))

    def objects(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The labels [n] and boxes [n, 4] of each image."""
        counts = list(self.counts)
        return zip(self.labels.split(counts), self.boxes.split(counts), strict=True)


def detection_batch(
    images: Sequence[Float[Tensor, "colours _ _"]], labels: Sequence[Tensor], boxes: Sequence[Tensor]
) -> DetectionBatch:
    """Images [colours, height, width] of any sizes, with the labels [n] and boxes [n, 4] of each, as one batch.

    Raises DataError where an image has not as many boxes as labels.
    """
    for place, (own, around) in enumerate(zip(labels, boxes, strict=True), start=1):
        if len(own) != len(around):
            got = f"{len(own)} labels and {len(around)} boxes"
            raise DataError.because(f"image {place}", got, "a box for every label", "correct its annotations")
    together, real = padded(images)
    counts = tuple(map(len, labels))
    return DetectionBatch(
        together,
        real,
        torch.cat([torch.empty(0, dtype=torch.long), *(one.long() for one in labels)]),
        torch.cat([torch.empty(0, 4), *(one.reshape(-1, 4).float() for one in boxes)]),
        counts,
    )


def padded(images: Sequence[Float[Tensor, "colours _ _"]]) -> tuple[Images, RealPixels]:
    """Images in one tensor as large as the largest sides among them, and which of its pixels are theirs."""
    height, width = (max(image.shape[axis] for image in images) for axis in (1, 2))
    together = images[0].new_zeros(len(images), images[0].shape[0], height, width)
    real = torch.zeros(len(images), height, width, dtype=torch.bool)
    for place, image in enumerate(images):
        _, own_height, own_width = image.shape
        together[place, :, :own_height, :own_width] = image
        real[place, :own_height, :own_width] = True
    return together, real
