"""Ten sentences with their alignments on one sheet, for a person to judge.

    python benchmarks/ten_alignments.py RUN test.de --out sheet.png

The sentences are the first ten of 8 to 14 words. Each picture is that of `regard look RUN SENTENCE --out …`.
"""

from __future__ import annotations

import argparse
import io
from itertools import islice
from pathlib import Path

from matplotlib import image
from matplotlib.figure import Figure
from PIL import Image

import regard
from regard.data.corpus import read_lines
from regard.looking.looks import look_at
from regard.looking.translation_map import translation_map

COUNT, WORDS = 10, range(8, 15)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("file", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    model = regard.load(given.run)
    lines = islice((line for line in read_lines(given.file) if len(line.split()) in WORDS), COUNT)
    sheet = Figure(figsize=(20, 8.4), layout="constrained", facecolor="white")
    for place, line in enumerate(lines, start=1):
        drawn = io.BytesIO()
        translation_map(look_at(model, line)).savefig(drawn, format="png", dpi=150)
        drawn.seek(0)
        axes = sheet.add_subplot(2, COUNT // 2, place)
        axes.imshow(image.imread(drawn))
        axes.axis("off")
    drawn = io.BytesIO()
    sheet.savefig(drawn, dpi=110)
    Image.open(drawn).convert("RGB").quantize(64).save(given.out, optimize=True)


if __name__ == "__main__":
    main()
