"""Small pictures that a model can tell apart: bright at the top, or at the bottom, with noise over all of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("bottom", "top")


def draw(folder: Path, count: int, size: int = 8, seed: int = 1) -> Path:
    """``count`` pictures in FOLDER/CLASS/NUMBER.png, of each class alike."""
    chance = np.random.default_rng(seed)
    for number in range(count):
        name = CLASSES[number % 2]
        pixels = chance.integers(0, 128, (size, size, 3), np.uint8)
        half = slice(0, size // 2) if name == "top" else slice(size // 2, size)
        pixels[half] += 120
        (folder / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / name / f"{number:03}.png")
    return folder
