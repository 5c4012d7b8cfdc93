"""What a model of pictures learns from in one go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from torch import Tensor

from regard.data.batching import order_of
from regard.notation import Images


@dataclass(frozen=True)
class ImageBatch:
    """Pictures and their classes. Of a mixed picture, ``share`` is of its own class and the rest of another's."""

    images: Images
    labels: Int[Tensor, " B"]
    others: Int[Tensor, " B"] | None = None
    share: float = 1.0

    @property
    def target_tokens(self) -> int:
        """One prediction a picture."""
        return len(self.labels)


def plan_pictures(count: int, size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """The rows of each batch of an epoch, all of them of ``size`` pictures but for the last."""
    order = order_of(seed, epoch).permutation(count)
    return np.array_split(order, range(size, count, size))
