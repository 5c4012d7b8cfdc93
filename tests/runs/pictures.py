"""Small pictures that a model can tell apart: bright at the top, or at the bottom, with noise over all of it."""

from __future__ import annotations

import json
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


def describe(folder: Path) -> Path:
    """A table of the pictures in ``folder``, what is bright in each, in two languages: captions.jsonl."""
    words = {"top": ("the top is bright", "oben ist es hell"), "bottom": ("the bottom is bright", "unten ist es hell")}
    rows = [
        {"image": str(file.relative_to(folder)), "text": text, "language": language}
        for file in sorted(folder.rglob("*.png"))
        for language, text in zip(("en", "de"), words[file.parent.name], strict=True)
    ]
    table = folder / "captions.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return table
