"""Residual networks (He et al. 2016, "Deep Residual Learning for Image Recognition"), written small."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional

from regard.errors import SettingError
from regard.layers.image_norm import ImageNorm
from regard.notation import FeatureMap, Images

BLOCKS = ("basic", "bottleneck")
STEMS = ("large", "small")
NARROWING = 4  # a bottleneck's inner width is a fourth of its outer one (section 4.1)

MakeNorm = Callable[[int], ImageNorm]


@dataclass(frozen=True)
class ResNetShape:
    """How many blocks a stage has, how wide its maps are, and of which kind the blocks are.

    ``stem``: "large" is the paper's for ImageNet, a 7×7 convolution and a 3×3 maximum, each halving the sides;
    "small" its one for CIFAR (section 4.2), a 3×3 convolution that keeps them. Every stage but the first halves them.
    """

    depths: tuple[int, ...] = (3, 4, 6, 3)
    widths: tuple[int, ...] = (256, 512, 1024, 2048)
    block: str = "bottleneck"
    stem_width: int = 64
    stem: str = "large"

    def __post_init__(self) -> None:
        """Raises SettingError for an unknown kind, and where depths and widths do not go together."""
        for name, kinds in (("block", BLOCKS), ("stem", STEMS)):
            if getattr(self, name) not in kinds:
                raise SettingError.because(name, repr(getattr(self, name)), " or ".join(kinds), "use one of these")
        if not self.depths or len(self.depths) != len(self.widths) or min(*self.depths, *self.widths) < 1:
            got = f"{list(self.depths)} with widths {list(self.widths)}"
            raise SettingError.because("depths", got, "a depth and a width, 1 or more, for every stage", "give as many")
        if self.block == "bottleneck" and any(width % NARROWING for width in self.widths):
            action = "change them, or use block=basic"
            raise SettingError.because("widths", list(self.widths), f"multiples of {NARROWING} in bottlenecks", action)

    @property
    def cell(self) -> int:
        """The side in pixels of a cell of the last map."""
        return (4 if self.stem == "large" else 1) * 2 ** (len(self.depths) - 1)


_BASIC, _WIDE = (64, 128, 256, 512), (256, 512, 1024, 2048)
RESNETS: Mapping[str, ResNetShape] = MappingProxyType(  # table 1
    {
        "resnet18": ResNetShape((2, 2, 2, 2), _BASIC, "basic"),
        "resnet34": ResNetShape((3, 4, 6, 3), _BASIC, "basic"),
        "resnet50": ResNetShape((3, 4, 6, 3), _WIDE),
        "resnet101": ResNetShape((3, 4, 23, 3), _WIDE),
        "resnet152": ResNetShape((3, 8, 36, 3), _WIDE),
    }
)


class NormedConvolution(nn.Module):
    """norm(x ∗ W), without a bias, which the norm has; the side of W is odd, and the map keeps its size but for steps.

    Where the norm is only a scale and a shift, W takes them over: x ∗ (scale · W) + shift.
    """

    def __init__(self, d_in: int, d_out: int, side: int, step: int, norm: MakeNorm) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(d_in, d_out, side, step, side // 2, bias=False)
        self.norm = norm(d_out)
        nn.init.kaiming_normal_(self.convolution.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: FeatureMap) -> Tensor:
        """[B d_out rows/step columns/step], rounded up."""
        fixed = self.norm.fixed()
        if fixed is None:
            return self.norm(self.convolution(x))
        own = self.convolution
        weight = (own.weight * fixed.scale[:, None, None, None]).to(x.dtype)
        return functional.conv2d(x, weight, fixed.shift.to(x.dtype), own.stride, own.padding)


class ResidualBlock(nn.Module):
    """relu(F(x) + shortcut(x)), figure 2, with F the convolutions of ``path``, relu between them.

    ``shortcut`` is a 1×1 convolution where width or size change (option B of section 3.3), else None: x itself.
    """

    def __init__(self, path: Sequence[NormedConvolution], shortcut: NormedConvolution | None) -> None:
        super().__init__()
        self.path = nn.ModuleList(path)
        self.shortcut = shortcut

    def forward(self, x: FeatureMap) -> Tensor:
        """One block on."""
        y = x
        for number, convolution in enumerate(self.path):
            y = convolution(functional.relu(y, inplace=True) if number else y)
        return functional.relu(y + (x if self.shortcut is None else self.shortcut(x)), inplace=True)


class ResNet(nn.Module):
    """Maps of an image, each stage's half as high and wide as the one before it, and wider in channels.

    ``norm`` makes the norm behind each convolution. Weights are drawn after He et al. 2015: N(0, 2 / (k² d_out)).
    """

    def __init__(self, shape: ResNetShape, norm: MakeNorm, colours: int = 3) -> None:
        super().__init__()
        self.shape = shape
        large = shape.stem == "large"
        self.stem = NormedConvolution(colours, shape.stem_width, 7 if large else 3, 2 if large else 1, norm)
        before = (shape.stem_width, *shape.widths)
        self.stages = nn.ModuleList(
            _stage(shape, before[number], width, depth, 2 if number else 1, norm)
            for number, (width, depth) in enumerate(zip(shape.widths, shape.depths, strict=True))
        )

    @property
    def width(self) -> int:
        """Channels of the last map."""
        return self.shape.widths[-1]

    def maps(self, images: Images) -> tuple[Tensor, ...]:
        """What each stage makes of the images."""
        # Channels next to each other in memory: by half faster on a processor, there and back (LOG.md).
        images = images.contiguous(memory_format=torch.channels_last)
        x = functional.relu(self.stem(images), inplace=True)
        if self.shape.stem == "large":
            x = functional.max_pool2d(x, 3, 2, 1)
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return tuple(found)

    def forward(self, images: Images) -> Tensor:
        """The last map [B, width, rows, columns], a cell for every ``shape.cell`` pixels, rounded up."""
        return self.maps(images)[-1]


def _stage(shape: ResNetShape, d_in: int, width: int, depth: int, step: int, norm: MakeNorm) -> nn.Sequential:
    blocks = []
    for number in range(depth):
        first, narrow = step if number == 0 else 1, width // NARROWING
        source = d_in if number == 0 else width
        if shape.block == "basic":
            sides = [(source, width, 3, first), (width, width, 3, 1)]
        else:  # the 3×3 convolution steps, as in all public weights; in the paper the first 1×1 one does
            sides = [(source, narrow, 1, 1), (narrow, narrow, 3, first), (narrow, width, 1, 1)]
        changes = source != width or first != 1
        shortcut = NormedConvolution(source, width, 1, first, norm) if changes else None
        blocks.append(ResidualBlock([NormedConvolution(*one, norm) for one in sides], shortcut))
    return nn.Sequential(*blocks)
