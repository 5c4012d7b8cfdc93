"""One picture out of one file, as eight-bit RGB, the right way up."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from regard.data.plain_file import read_plain
from regard.errors import DataError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")  # none that runs another program
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm")
MOST_PIXELS = 64_000_000  # 8,000 × 8,000, which takes 192 MB as RGB
MOST_BYTES = 256 << 20
BACKGROUND = (255, 255, 255)  # behind what is transparent
WIDE_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")  # more than eight bits a pixel


def read_picture(path: Path) -> Image.Image:
    """The first frame of a picture file, as RGB: turned as its EXIF says, over white where it is transparent.

    CMYK and grey become RGB, and of sixteen bits the upper eight are kept. Raises DataError, before pixels are
    decoded, for one of more than ``MOST_PIXELS`` and for a file that is none of ``FORMATS``, whatever its name; and
    for one that is damaged.
    """
    try:
        content = read_plain(path, MOST_BYTES)
    except OSError as error:
        raise DataError.because(path, error.strerror or error, "a picture to read", "check the path") from error
    return picture_of(content, path)


def opened(picture: Path | str | Image.Image) -> Image.Image:
    """A picture that is open already, as RGB, or that of a file. Raises DataError as ``read_picture``."""
    return picture.convert("RGB") if isinstance(picture, Image.Image) else read_picture(Path(picture))


def picture_of(content: bytes, name: Path | str) -> Image.Image:
    """As ``read_picture``, of the contents of a file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large pictures, which are refused below, and of odd metadata
            with Image.open(BytesIO(content), formats=FORMATS) as opened:
                _check_size(opened.size, name)
                return _as_rgb(ImageOps.exif_transpose(opened))
    except Image.DecompressionBombError as error:
        raise _too_large(name, str(error)) from error
    except UnidentifiedImageError as error:
        got = f"a file that begins with {content[:12]!r}" if content else "an empty file"
        raise DataError.because(name, got, f"one of {', '.join(FORMATS)}", "convert it, or leave it out") from error
    except (OSError, ValueError, SyntaxError, ArithmeticError, LookupError, TypeError) as error:
        got = f"a damaged picture ({' '.join(str(error).split())[:200]})"
        raise DataError.because(name, got, "a whole one", "put a whole copy there, or leave it out") from error


def _check_size(size: tuple[int, int], name: Path | str) -> None:
    width, height = size
    if width * height > MOST_PIXELS:
        raise _too_large(name, f"{width:,} × {height:,} pixels")


def _too_large(name: Path | str, got: str) -> DataError:
    return DataError.because(name, got, f"at most {MOST_PIXELS:,} pixels", "make it smaller, or leave it out")


def _as_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode in WIDE_MODES:
        wide = np.asarray(picture.convert("I"))
        return Image.fromarray((wide.clip(0, 65535) >> 8).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        clear = picture.convert("RGBA")
        under = Image.new("RGBA", clear.size, (*BACKGROUND, 255))
        return Image.alpha_composite(under, clear).convert("RGB")
    return picture.convert("RGB")
