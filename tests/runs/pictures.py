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


def draw_objects(folder: Path, count: int, seed: int = 2) -> Path:
    """Grey pictures of two sizes with one bright square in each, and a dark one in every other; COCO's boxes.json."""
    chance = np.random.default_rng(seed)
    table: dict = {
        "images": [],
        "annotations": [],
        "categories": [{"id": 1, "name": "bright"}, {"id": 2, "name": "dark"}],
    }
    for number in range(count):
        width, height = (48, 36) if number % 3 else (36, 48)
        pixels = np.full((height, width, 3), 128, np.uint8)
        for kind, level in ((1, 250), (2, 10))[: 1 + number % 2]:
            side = int(chance.integers(10, 16))
            left, top = int(chance.integers(0, width - side)), int(chance.integers(0, height - side))
            pixels[top : top + side, left : left + side] = level
            box = {"image_id": number, "category_id": kind, "bbox": [left, top, side, side]}
            table["annotations"].append({"id": len(table["annotations"]), "area": side**2, "iscrowd": 0, **box})
        Image.fromarray(pixels).save(folder / f"{number:03}.png")
        table["images"].append({"id": number, "file_name": f"{number:03}.png", "width": width, "height": height})
    path = folder / "boxes.json"
    path.write_text(json.dumps(table), encoding="utf-8")
    return path
