"""How pictures are read and varied: every key under ``images.`` in a recipe."""

from __future__ import annotations

from dataclasses import dataclass, field

from regard.config import setting
from regard.data.images.augmentation import Augmentation
from regard.data.images.preparation import FITS, HALF, Preparation
from regard.errors import SettingError

BAD_PICTURES = ("fail", "drop")


@dataclass(frozen=True)
class ImageSettings:
    """Of pictures that are classified or described."""

    batch: int = setting(64, help="pictures a batch", minimum=1)
    fit: str = setting("crop", help="the middle of the picture, or stretch all of it into a square", choices=FITS)
    mean: tuple[float, float, float] = setting(HALF, help="of red, green and blue, that is taken away")
    deviation: tuple[float, float, float] = setting(HALF, help="of red, green and blue, that is divided by")
    bad: str = setting(
        "fail", help="a file that is no whole picture: stop, or drop (leave it out)", choices=BAD_PICTURES
    )
    augment: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        """Check what a range cannot say. Raises SettingError."""
        for name, numbers in (("mean", self.mean), ("deviation", self.deviation)):
            if len(numbers) != 3 or (name == "deviation" and not all(numbers)):
                expected = "three numbers, of red, green and blue, none of which divides by 0"
                raise SettingError.because(name, list(numbers), expected, f"use {list(HALF)}")

    def preparation(self, size: int) -> Preparation:
        """What is done with each picture for a model of this size."""
        return Preparation(size, self.fit, self.mean, self.deviation)
