"""Decoded pictures in memory-mapped files: read once from their formats, then only looked up.

FOLDER/pixels         every picture's bytes, channel by channel and row by row, one picture after the other
FOLDER/sizes          channels, height and width of each, little-endian, four bytes a number
FOLDER/meta.json      the count and the format
FOLDER/manifest.json  the sizes and digests of these files (see storage.py)
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from regard.errors import DataError
from regard.storage import whole_folder

FORMAT = 1
AGAIN = "delete the folder and prepare the data again"


def write_pictures(folder: Path, pictures: Iterable[np.ndarray]) -> PictureStore:
    """Write [channels, height, width] arrays of eight bits, one at a time; the folder appears whole or not at all."""
    sizes = []
    with whole_folder(folder) as partial:
        with (partial / "pixels").open("wb") as file:
            for pixels in pictures:
                file.write(pixels.tobytes())
                sizes.append(pixels.shape)
        (partial / "sizes").write_bytes(np.array(sizes, "<u4").reshape(-1, 3).tobytes())
        meta = {"format": FORMAT, "pictures": len(sizes)}
        (partial / "meta.json").write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")
    return PictureStore(folder)


class PictureStore:
    """The pictures of a corpus as numbers."""

    def __init__(self, folder: Path) -> None:
        """Raises DataError where the files are not what ``write_pictures`` wrote."""
        try:
            meta: dict[str, Any] = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
            count = int(meta["pictures"])
            self.sizes = np.fromfile(folder / "sizes", "<u4").reshape(count, 3).astype(np.int64)
            whole = meta["format"] == FORMAT
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError.because(folder, "no whole store", "what write_pictures wrote", AGAIN) from error
        self.ends = np.cumsum(self.sizes.prod(1))
        total = int(self.ends[-1]) if count else 0
        if not whole or (folder / "pixels").stat().st_size != total:
            raise DataError.because(folder, "files of other sizes", "what write_pictures wrote", AGAIN)
        self._pixels = np.memmap(folder / "pixels", np.uint8, "r", shape=(total,)) if total else np.zeros(0, np.uint8)

    def __len__(self) -> int:
        return len(self.sizes)

    def row(self, row: int) -> np.ndarray:
        """[channels, height, width] of eight bits."""
        shape, end = self.sizes[row], int(self.ends[row])
        return self._pixels[end - int(shape.prod()) : end].reshape(*shape.tolist())

    def rows(self, rows: np.ndarray) -> list[np.ndarray]:
        """Several of them."""
        return [self.row(int(row)) for row in rows]
