"""What a picture goes through before a model reads it: resized to the model's size, then normalised.

x = (pixel / 255 − mean) / deviation, channel by channel
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from regard.errors import CheckpointError
from regard.notation import Images
from regard.storage import write_file

FILE = "preprocessor_config.json"  # beside a model, for us and for transformers
FITS = ("crop", "stretch")
KEPT = "keep"  # and its proportions
HALF = (0.5, 0.5, 0.5)
# What transformers calls a preparation: with crop its processor resizes the shorter side and cuts out the middle.
PROCESSORS = {"stretch": "ViTImageProcessor", "crop": "CLIPImageProcessor", KEPT: "DetrImageProcessor"}
BILINEAR = 2  # as Pillow counts
Pixels = UInt8[Tensor, "B C height width"]


@dataclass(frozen=True)
class Preparation:
    """Squares of ``size`` pixels: the middle of the picture ("crop"), or all of it, pulled into shape ("stretch").

    Or its proportions as they are ("keep"): the shorter side of ``size``, but the longer of at most ``longest`` pixels.
    """

    size: int
    fit: str = "crop"
    mean: tuple[float, float, float] = HALF
    deviation: tuple[float, float, float] = HALF
    longest: int | None = None

    def sides(self, width: int, height: int) -> tuple[int, int]:
        """What becomes of a picture of this width and height."""
        if self.fit != KEPT:
            return self.size, self.size
        short, long = sorted((width, height))
        wanted = float(self.size)
        if self.longest is not None:
            wanted = min(wanted, self.longest * short / long)
        sides = max(1, round(wanted)), max(1, int(wanted * long / short))  # rounded as transformers does
        return sides if width <= height else sides[::-1]

    def pixels(self, picture: Image.Image) -> np.ndarray:
        """[3, height, width] of eight bits."""
        width, height = picture.size
        box = None
        if self.fit == "crop":
            side = min(width, height)
            left, upper = (width - side) / 2, (height - side) / 2
            box = (left, upper, left + side, upper + side)
        resized = picture.resize(self.sides(width, height), Image.Resampling.BILINEAR, box)
        return np.ascontiguousarray(np.asarray(resized).transpose(2, 0, 1))

    def normalised(self, scaled: Images) -> Images:
        """Numbers between 0 and 1 as the model reads them."""
        mean, deviation = (scaled.new_tensor(one)[:, None, None] for one in (self.mean, self.deviation))
        return (scaled - mean) / deviation

    def images(self, pixels: Pixels) -> Images:
        """What the model reads of eight-bit pixels."""
        return self.normalised(pixels.float() / 255)

    def to_table(self) -> dict[str, Any]:
        """The contents of ``preprocessor_config.json``, as transformers reads it."""
        square = {"height": self.size, "width": self.size}
        crops = self.fit == "crop"
        size: dict[str, Any] = {"shortest_edge": self.size} if crops else square
        if self.fit == KEPT:
            size = {"shortest_edge": self.size, "longest_edge": self.longest or 10_000}
        return {
            "image_processor_type": PROCESSORS[self.fit],
            "do_resize": True,
            "size": size,
            **({"do_center_crop": True, "crop_size": square} if crops else {}),
            "resample": BILINEAR,
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": list(self.mean),
            "image_std": list(self.deviation),
        }

    def write(self, folder: Path) -> None:
        """Put it beside a model."""
        write_file(folder / FILE, json.dumps(self.to_table(), indent=2) + "\n")

    @classmethod
    def from_table(cls, table: Mapping[str, Any], size: int) -> Preparation:
        """What a ``preprocessor_config.json`` asks for; ``size`` where it does not say. Raises CheckpointError."""
        try:
            sides = table.get("crop_size" if table.get("do_center_crop") else "size", size)
            fit, longest = "crop" if table.get("do_center_crop") else "stretch", None
            if isinstance(sides, Mapping):
                longest = sides.get("longest_edge")
                sides = sides.get("height", sides.get("shortest_edge"))
            if longest is not None:
                fit, longest = KEPT, int(longest)
            means = (tuple(map(float, table.get(name, HALF))) for name in ("image_mean", "image_std"))
            mean, deviation = ((one[0], one[1], one[2]) for one in means)
            found = cls(int(sides or size), fit, mean, deviation, longest)
        except (TypeError, ValueError, IndexError, OverflowError) as error:
            raise _unusable(error) from error
        if not (1 <= found.size <= 10_000 and all(np.isfinite([*mean, *deviation])) and all(deviation)):
            raise _unusable(f"size {found.size}, mean {found.mean}, deviation {found.deviation}")
        return found


def _unusable(got: object) -> CheckpointError:
    expected, action = "a size, means and deviations", "use the file that was saved with the weights"
    return CheckpointError.because(FILE, got, expected, action)


def stacked(rows: list[np.ndarray]) -> Pixels:
    """Pictures of one size as a batch."""
    return torch.from_numpy(np.stack(rows))
