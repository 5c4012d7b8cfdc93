"""Pictures that need no files: a bright shape of some size and turn, anywhere on a dark ground."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

SIDE = 32  # pixels
FINER = 3  # points a pixel's side, of which it is the mean
RADIUS = 0.2, 0.35  # of a shape, as shares of the side
TURN = 0.3  # to either side, at most, in radians
DARK = 0.4  # the brightest ground of red, green and blue from 0 to 1; a shape is as near to white
NOISE = 0.04  # standard deviation, of colours between 0 and 1

Plane = np.ndarray

# Whether a point is inside, by its place across and down from the middle; no shape leaves the circle of radius 1.
SHAPES: Mapping[str, Callable[[Plane, Plane], Plane]] = MappingProxyType(
    {
        "disc": lambda x, y: x**2 + y**2 < 0.8,
        "ring": lambda x, y: np.abs(np.hypot(x, y) - 0.75) < 0.22,
        "square": lambda x, y: np.maximum(np.abs(x), np.abs(y)) < 0.7,
        "frame": lambda x, y: np.abs(np.maximum(np.abs(x), np.abs(y)) - 0.54) < 0.16,
        "triangle": lambda x, y: (y < 0.45) & (y > 1.9 * np.abs(x) - 1),
        "cross": lambda x, y: (np.minimum(np.abs(x), np.abs(y)) < 0.3) & (np.maximum(np.abs(x), np.abs(y)) < 0.95),
        "bar": lambda x, y: (np.abs(x) < 0.92) & (np.abs(y) < 0.35),
        "star": lambda x, y: np.hypot(x, y) < 0.62 + 0.38 * np.cos(5 * np.arctan2(y, x)),
    }
)


def shapes(count: int, seed: int) -> tuple[np.ndarray, list[str]]:
    """Eight-bit pictures [count, 3, SIDE, SIDE] with the name of the shape in each; as many of each as of the next."""
    generator = np.random.default_rng(seed)
    names = [list(SHAPES)[number % len(SHAPES)] for number in generator.permutation(count)]
    return np.stack([_drawn(name, generator) for name in names]), names


def _drawn(name: str, generator: np.random.Generator) -> np.ndarray:
    places = (np.arange(SIDE * FINER) + 0.5) / FINER
    radius = generator.uniform(*RADIUS) * SIDE
    across, down = (places - middle for middle in generator.uniform(radius + 1, SIDE - radius - 1, 2))
    turn = generator.uniform(-TURN, TURN)
    x = (np.cos(turn) * across[None, :] + np.sin(turn) * down[:, None]) / radius
    y = (np.cos(turn) * down[:, None] - np.sin(turn) * across[None, :]) / radius
    inside = SHAPES[name](x, y).astype(float)
    share = inside.reshape(SIDE, FINER, SIDE, FINER).mean((1, 3))
    ground, colour = generator.uniform(0, DARK, 3), generator.uniform(1 - DARK, 1, 3)
    mixed = ground[:, None, None] + share * (colour - ground)[:, None, None]
    noisy = mixed + NOISE * generator.standard_normal(mixed.shape)
    return (255 * noisy.clip(0, 1)).round().astype(np.uint8)
