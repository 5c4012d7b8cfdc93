"""The norms of feature maps [B C rows columns], whose features are channels: they stand behind convolutions.

Each can say what it is where it is only a scale and a shift of every channel, so that the convolution before it can
take them over: a pass less over the map, there and back.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from regard.errors import SettingError
from regard.layers.norm import check_groups
from regard.notation import FeatureMap


class ScaleAndShift(NamedTuple):
    """x · scale + shift, both [C]."""

    scale: Tensor
    shift: Tensor


class FrozenBatchNorm(nn.Module):
    """(x − m) / √(v + ε) · g + b with m, v, g and b from elsewhere, which do not learn (Carion et al. 2020, A.4).

    All four are saved with the weights; at first they leave x as it is (but for ε).
    """

    def __init__(self, channels: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.weight: Tensor
        self.bias: Tensor
        self.running_mean: Tensor
        self.running_variance: Tensor
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_variance", torch.ones(channels))
        self.epsilon = epsilon

    def fixed(self) -> ScaleAndShift | None:
        """It is never anything else."""
        return _as_scale(self)

    def forward(self, x: FeatureMap) -> FeatureMap:
        """Each channel with its own numbers."""
        return _applied(_as_scale(self), x)


class ImageBatchNorm(nn.Module):
    """(x − m) / √(v + ε) · g + b, with the mean and variance of each channel over all cells of a batch.

    In training; there the images of a batch see each other, and padding counts. The running ones,
    m ← (1 − ``momentum``)·m + ``momentum``·new, with the unbiased variance, take their place in evaluation. They are
    saved with the weights.
    """

    def __init__(self, channels: int, epsilon: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.running_mean: Tensor
        self.running_variance: Tensor
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_variance", torch.ones(channels))
        self.epsilon, self.momentum = epsilon, momentum

    def fixed(self) -> ScaleAndShift | None:
        """In evaluation the running statistics are fixed; in training there is no such thing."""
        return None if self.training else _as_scale(self)

    def forward(self, x: FeatureMap) -> FeatureMap:
        """Each channel over batch, rows and columns. Worked out in float32 at least."""
        if not self.training:
            return _applied(_as_scale(self), x)
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        normed = functional.batch_norm(
            wide,
            self.running_mean,
            self.running_variance,
            self.weight.to(wide.dtype),
            self.bias.to(wide.dtype),
            True,
            self.momentum,
            self.epsilon,
        )
        return normed.to(x.dtype)


class ImageGroupNorm(nn.Module):
    """(x − mean) / √(variance + ε) · g + b over a group of neighbouring channels at all cells of an image.

    An image sees itself alone, whatever the batch (Wu & He 2018), but padding counts. Raises SettingError as
    ``check_groups``.
    """

    def __init__(self, channels: int, groups: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        check_groups(groups, channels)
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.groups, self.epsilon = groups, epsilon

    def fixed(self) -> ScaleAndShift | None:
        """Its statistics are those of each image."""
        return None

    def forward(self, x: FeatureMap) -> FeatureMap:
        """Each group over channels, rows and columns."""
        return functional.group_norm(x, self.groups, self.weight, self.bias, self.epsilon)


ImageNorm = FrozenBatchNorm | ImageBatchNorm | ImageGroupNorm
NORMS = ("frozen", "batch", "group")


def image_norm(kind: str, channels: int, groups: int = 8) -> ImageNorm:
    """A new norm of one of the three kinds; ``groups`` are for group norm alone. Raises SettingError for another."""
    if kind == "frozen":
        return FrozenBatchNorm(channels)
    if kind == "batch":
        return ImageBatchNorm(channels)
    if kind == "group":
        return ImageGroupNorm(channels, groups)
    raise SettingError.because("norm", repr(kind), "a norm of feature maps, " + ", ".join(NORMS), "use one of these")


def _as_scale(norm: FrozenBatchNorm | ImageBatchNorm) -> ScaleAndShift:
    wide = torch.promote_types(norm.weight.dtype, norm.running_variance.dtype)
    scale = norm.weight.to(wide) * (norm.running_variance + norm.epsilon).rsqrt()
    return ScaleAndShift(scale, norm.bias.to(wide) - norm.running_mean * scale)


def _applied(fixed: ScaleAndShift, x: Tensor) -> Tensor:
    return (x * fixed.scale[:, None, None] + fixed.shift[:, None, None]).to(x.dtype)
