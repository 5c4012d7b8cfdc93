"""How much of a damaged text a denoising run restores: BLEU and chrF, as it is damaged and as the run restores it.

    python benchmarks/restoring.py RUN --text FILE [--lines 200] [--tokens 120]

The noise is that of the run's training (30 % of the tokens in gaps, sentences in their order), drawn from one seed; the
decoding is greedy. Both are compared with the text after it has gone through the tokenizer and back.
"""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

import numpy as np
import sacrebleu
import torch

import regard
from regard.data.corpus import read_lines
from regard.data.noise import InfillNoise, infill, numpy_chance
from regard.decoding.batches import source_batches
from regard.decoding.search import search


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--lines", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=120, help="of a line at most; the rest is cut off")
    options = parser.parse_args()
    model = regard.load(options.run)
    tokenizer, settings = model.source_tokenizer, model.settings(beam=1, threads=1)
    texts = list(islice((line for line in read_lines(options.text) if line.strip()), options.lines))
    ids = [np.array(tokenizer.encode(text)[: options.tokens]) for text in texts]
    torch.manual_seed(0)
    chance = numpy_chance()
    damaged = [infill(row, tokenizer.mask, InfillNoise(), chance) for row in ids]
    sources = {number: list(tokenizer.wrap(row.tolist()).ids) for number, row in enumerate(damaged)}
    restored = [""] * len(texts)
    for batch in source_batches(sources, model.module.source_pad, settings, torch.device("cpu")):
        for number, found in zip(batch.numbers.tolist(), search(model.module, batch, settings), strict=True):
            restored[number] = tokenizer.decode(found[0].ids)
    whole = [tokenizer.decode(row.tolist()) for row in ids]
    rows = {"damaged": [tokenizer.decode(row.tolist()) for row in damaged], "restored": restored}
    print("| | BLEU | chrF |\n|---|---|---|")
    for name, lines in rows.items():
        bleu, chrf = sacrebleu.corpus_bleu(lines, [whole]), sacrebleu.corpus_chrf(lines, [whole])
        print(f"| {name} | {bleu.score:.1f} | {chrf.score:.1f} |")


if __name__ == "__main__":
    main()
