"""Pictures varied at random, anew each time that they are learnt from. Chance comes from torch's global generator.

Numbers are between 0 and 1; what comes into view from beyond the edge is grey.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from regard.config import setting
from regard.data.images.batches import ImageBatch
from regard.notation import Images

GREY = 0.5
SHIFT = 0.125  # unless another is asked for; with boxes none, as a DETR then learns nothing from the beginning
SEEN = 0.25  # of a box that is cut off at an edge, at least
BRIGHTNESS = (0.299, 0.587, 0.114)  # of red, green and blue, as the eye sees them (ITU-R BT.601)
SHARPENING = (1 / 13, 5 / 13)  # neighbours and middle of the blur that "sharpness" goes away from or towards (Pillow)

Boxes = Float[Tensor, "objects 4"]  # centre across and down, width and height as shares of the picture


@dataclass(frozen=True)
class Augmentation:
    """How a picture may vary. Shares and strengths are of each picture by itself."""

    flip: float = setting(0.5, help="share of the pictures that are mirrored", minimum=0.0, maximum=1.0)
    upside: float = setting(0.0, help="share of the pictures that are turned upside down", minimum=0.0, maximum=1.0)
    shift: float | None = setting(
        None, help="largest move, as a share of the side; without it 0.125, but 0 with boxes", minimum=0.0, below=1.0
    )
    zoom: float = setting(0.0, help="sides become 1 − zoom to 1 + zoom times as long", minimum=0.0, below=1.0)
    turn: float = setting(0.0, help="largest turn, in degrees", minimum=0.0)
    colour: float = setting(0.0, help="brightness, contrast and colours change by 1 ± this", minimum=0.0, below=1.0)
    operations: int = setting(0, help="random changes of each picture, one after the other (RandAugment)", minimum=0)
    strength: float = setting(
        0.3, help="of these, between 0 and 1 (their M is ten times as much)", minimum=0.0, maximum=1.0
    )
    erase: float = setting(0.0, help="share of the pictures that lose a box of grey", minimum=0.0, maximum=1.0)
    mixup: float = setting(0.0, help="α: two pictures are mixed by Beta(α, α); 0: none are", minimum=0.0)

    def vary(self, images: Images) -> Images:
        """Moved, turned, mirrored; then recoloured; then changed by some of ``OPERATIONS``; then partly hidden."""
        images = self._recoloured(moved(images, self._maps(images)))
        for _ in range(self.operations):
            images = changed_at_random(images, self.strength)
        return images if self.erase == 0 else erased(images, self.erase)

    def vary_marked(self, images: Images, boxes: Boxes) -> tuple[Images, Boxes, Bool[Tensor, " objects"]]:
        """A picture [1, C, height, width] mirrored, moved, zoomed and recoloured, with its boxes; which are still seen.

        Turns, RandAugment, erasing and mixing are left out: a box would no longer be around its object.
        """
        maps = replace(self, turn=0.0, shift=self.shift or 0.0)._maps(images)
        boxes, seen = boxes_moved(boxes, maps[0])
        return self._recoloured(moved(images, maps)), boxes, seen

    def _recoloured(self, images: Images) -> Images:
        if self.colour:
            for change in (brightness, contrast, colours):
                images = change(images, 1 + _between(-self.colour, self.colour, images)).clamp(0, 1)
        return images

    def mix(self, images: Images, labels: Tensor) -> ImageBatch:
        """Share · picture + (1 − share) · another one, share ~ Beta(α, α) (Zhang et al. 2018), where it is wanted."""
        if not self.mixup or len(labels) < 2:
            return ImageBatch(images, labels)
        share = float(torch.distributions.Beta(self.mixup, self.mixup).sample())
        other = torch.randperm(len(labels))
        return ImageBatch(share * images + (1 - share) * images[other], labels, labels[other], share)

    def _maps(self, images: Tensor) -> Tensor:
        """For each picture, where each of its new pixels comes from: [B, 2, 3]."""
        angle = _between(-self.turn, self.turn, images) * math.pi / 180
        scale = 1 / (1 + _between(-self.zoom, self.zoom, images))
        mirror = _signs(self.flip, images)
        upright = _signs(self.upside, images) if self.upside else torch.ones(len(images))
        across, down = (2 * self._move(side, images) for side in (images.shape[3], images.shape[2]))
        cosine, sine = scale * angle.cos(), scale * angle.sin()
        return affine(mirror * cosine, -sine * upright, across, mirror * sine, cosine * upright, down)

    def _move(self, side: int, images: Tensor) -> Tensor:
        """By whole pixels, as a share of the side: moved by parts of one, pictures would be softer than they are."""
        most = SHIFT if self.shift is None else self.shift
        return (_between(-most, most, images) * side).round() / side


def _between(least: float, most: float, images: Tensor) -> Tensor:
    """A number for each picture."""
    return least + (most - least) * torch.rand(len(images))


def _signs(share: float, images: Tensor) -> Tensor:
    """−1 for this share of the pictures, 1 for the others."""
    return 1 - 2 * (torch.rand(len(images)) < share).float()


def affine(*numbers: Tensor) -> Tensor:
    """[B, 2, 3] of its six numbers, row by row."""
    return torch.stack(numbers, 1).unflatten(1, (2, 3))


def moved(images: Images, maps: Tensor) -> Images:
    """Every pixel comes from where ``maps`` says: sides run from −1 to 1, across first."""
    grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
    return functional.grid_sample(images - GREY, grid, padding_mode="zeros", align_corners=False) + GREY


def boxes_moved(boxes: Boxes, way: Float[Tensor, "2 3"]) -> tuple[Boxes, Bool[Tensor, " objects"]]:
    """The same for the boxes of a picture that is not turned, cut off at its edges, and which of them are still seen.

    A pixel at o comes from a·o + t, so that what was at i goes to (i − t)/a. An object is still seen where a quarter of
    its box is.
    """
    scale, shift = way.diagonal(), way[:, 2]
    middles = ((2 * boxes[:, :2] - 1 - shift) / scale + 1) / 2
    sides = boxes[:, 2:] / scale.abs()
    low, high = (middles - sides / 2).clamp(0, 1), (middles + sides / 2).clamp(0, 1)
    area = (high - low).prod(1)
    seen = (area > 0) & (area >= SEEN * sides.prod(1))
    return torch.cat(((low + high) / 2, high - low), 1), seen


def greys(images: Images) -> Tensor:
    """[B, 1, height, width]."""
    return torch.einsum("bchw,c->bhw", images, images.new_tensor(BRIGHTNESS))[:, None]


def _towards(images: Tensor, other: Tensor | float, factor: Tensor) -> Tensor:
    """``other`` at a factor of 0, the picture at 1, and beyond it above."""
    return other + factor[:, None, None, None] * (images - other)


def brightness(images: Images, factor: Tensor) -> Images:
    """Black at 0."""
    return _towards(images, 0.0, factor)


def contrast(images: Images, factor: Tensor) -> Images:
    """The picture's mean grey at 0."""
    return _towards(images, greys(images).mean((1, 2, 3), keepdim=True), factor)


def colours(images: Images, factor: Tensor) -> Images:
    """Greys at 0."""
    return _towards(images, greys(images), factor)


def sharpness(images: Images, factor: Tensor) -> Images:
    """A blur of 3 × 3 pixels at 0; the edge stays."""
    neighbour, middle = SHARPENING
    kernel = images.new_full((1, 1, 3, 3), neighbour)
    kernel[..., 1, 1] = middle
    channels = images.shape[1]
    blurred = images.clone()
    blurred[..., 1:-1, 1:-1] = functional.conv2d(images, kernel.expand(channels, -1, -1, -1), groups=channels)
    return _towards(images, blurred, factor)


def posterised(images: Images, bits: Tensor) -> Images:
    """Only so many bits of a colour are left."""
    step = (2 ** (8 - bits))[:, None, None, None]
    return ((images * 255).round() / step).floor() * step / 255


def solarised(images: Images, threshold: Tensor) -> Images:
    """What is brighter than that becomes its negative."""
    return torch.where(images >= threshold[:, None, None, None], 1 - images, images)


def stretched(images: Images, factor: Tensor) -> Images:
    """Each channel from black to white (autocontrast); the strength does not matter."""
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    return torch.where(high > low, (images - low) / (high - low).clamp(min=1e-6), images)


def _signed(strength: Tensor) -> Tensor:
    """To either side."""
    return strength * (1 - 2 * (torch.rand(len(strength)) < 0.5).float())


def _map(across: float, up: float, side: float, other: float) -> Callable[[Tensor, Tensor], Tensor]:
    """A change that moves pixels: how much each number of the map is at full strength."""

    def change(images: Tensor, strength: Tensor) -> Tensor:
        amount = _signed(strength)
        one, none = torch.ones_like(amount), torch.zeros_like(amount)
        return moved(images, affine(one, across * amount, side * amount, up * amount, one, other * amount + none))

    return change


def _turned(images: Tensor, strength: Tensor) -> Tensor:
    angle = _signed(strength) * math.pi / 6
    none = torch.zeros_like(angle)
    return moved(images, affine(angle.cos(), -angle.sin(), none, angle.sin(), angle.cos(), none))


# The changes of RandAugment (Cubuk et al. 2020) but for equalize, with their ranges.
OPERATIONS: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (
    lambda images, strength: images,
    stretched,
    _turned,
    lambda images, strength: solarised(images, 1 - strength),
    lambda images, strength: posterised(images, (8 - 4 * strength).round()),
    lambda images, strength: colours(images, 1 + 0.9 * _signed(strength)),
    lambda images, strength: contrast(images, 1 + 0.9 * _signed(strength)),
    lambda images, strength: brightness(images, 1 + 0.9 * _signed(strength)),
    lambda images, strength: sharpness(images, 1 + 0.9 * _signed(strength)),
    _map(0.3, 0.0, 0.0, 0.0),  # shear across
    _map(0.0, 0.3, 0.0, 0.0),  # shear down
    _map(0.0, 0.0, 0.9, 0.0),  # a move across of up to 0.45 of the width
    _map(0.0, 0.0, 0.0, 0.9),  # and down
)


def changed_at_random(images: Images, strength: float) -> Images:
    """Each picture by one of ``OPERATIONS``."""
    chosen = torch.randint(len(OPERATIONS), (len(images),))
    found = images.clone()
    for number in chosen.unique().tolist():
        rows = chosen == number
        some = images[rows]
        found[rows] = OPERATIONS[number](some, torch.full((len(some),), strength)).clamp(0, 1)
    return found


def erased(images: Images, share: float) -> Images:
    """A grey box of a fiftieth to a third of the area in some of the pictures (Zhong et al. 2020, random erasing)."""
    count, _, height, width = images.shape
    area, aspect = 0.02 + 0.31 * torch.rand(count), torch.exp((2 * torch.rand(count) - 1) * math.log(3.0))
    tall, wide = (area * aspect).sqrt().clamp(max=1) * height, (area / aspect).sqrt().clamp(max=1) * width
    top, left = torch.rand(count) * (height - tall), torch.rand(count) * (width - wide)
    rows, columns = torch.arange(height)[None] + 0.5, torch.arange(width)[None] + 0.5
    down = (rows >= top[:, None]) & (rows < (top + tall)[:, None])
    across = (columns >= left[:, None]) & (columns < (left + wide)[:, None])
    hidden = down[:, :, None] & across[:, None, :] & (torch.rand(count) < share)[:, None, None]
    return images.masked_fill(hidden[:, None], GREY)
