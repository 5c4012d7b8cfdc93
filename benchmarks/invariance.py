"""Does a sentence's translation depend on its companions in the batch?

    python benchmarks/invariance.py RUN FILE [--sentences 200] [--threads 1]

Translates the first lines of FILE in small and large batches and in reversed order, and counts texts and scores that
are not the same to the last bit as those of the default batches.
"""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

import regard
from regard.data.corpus import read_lines

SMALLER = (1, 512, 2048)  # tokens × beams a batch; 1: every sentence alone


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--sentences", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    texts = list(islice(read_lines(options.file), options.sentences))
    model = regard.load(options.run)
    for beam in (1, 4):
        usual = model.translations(texts, model.settings(beam=beam, threads=options.threads))
        for tokens in SMALLER:
            settings = model.settings(beam=beam, threads=options.threads, batch_tokens=tokens)
            found = model.translations(texts[::-1], settings)[::-1]
            other_text = sum(a.text != b.text for a, b in zip(usual, found, strict=True))
            other_score = sum(a.score != b.score for a, b in zip(usual, found, strict=True))
            print(f"beam {beam}, batches of {tokens:>4} tokens: {other_text} texts and {other_score} scores differ")


if __name__ == "__main__":
    main()
