"""What recording costs: sentences translated, and translated with every layer and head of the winners recorded.

    python benchmarks/looking.py RUN test.de --sentences 1000 --beams 1 4

Alternating repeats, medians; the threads are OMP_NUM_THREADS'. Recording: the winners are read again with their weights
recorded (`attentions_of`), all three stacks, and every word aligned.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import torch

import regard
from regard.data.corpus import read_lines
from regard.decoding.interface import wrap_source
from regard.looking.looks import alignments
from regard.looking.replay import attentions_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("file", type=Path)
    parser.add_argument("--sentences", type=int, default=1000)
    parser.add_argument("--beams", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    model = regard.load(given.run)
    lines = list(islice(read_lines(given.file), given.sentences))
    print(f"{len(lines)} sentences, {torch.get_num_threads()} threads, medians of {given.repeats} alternating repeats")
    print("| beam | translating, s | and recording, s | ratio | and aligning, s | ratio |\n|---|---|---|---|---|---|")
    for beam in given.beams:
        plain, recorded, aligned = measure(model, lines, beam, given.repeats)
        ratios = recorded / plain, aligned / plain
        print(f"| {beam} | {plain:.2f} | {recorded:.2f} | {ratios[0]:.2f} | {aligned:.2f} | {ratios[1]:.2f} |")


def measure(model: Any, lines: list[str], beam: int, repeats: int) -> tuple[float, float, float]:
    """Median seconds of translating alone, with recording, and with aligning."""
    settings = model.settings(beam=beam)

    def translate() -> list[Any]:
        return list(model.translations(lines, settings))

    def record() -> None:
        tokenizer, eos = model.source_tokenizer, model.module.eos
        sources = [wrap_source(tokenizer, ids, eos) for ids in tokenizer.encode_batch(lines)]
        found = translate()
        pairs = [(read, [*one.ids, eos]) for read, one in zip(sources, found, strict=True)]
        kept = sum(attention.cross.numel() for _, attention in attentions_of(model.module, pairs))
        assert kept

    def align() -> None:
        assert any(alignments(model, lines, [one.ids for one in translate()]))

    seconds: dict[Callable[[], Any], list[float]] = {translate: [], record: [], align: []}
    for _ in range(repeats):
        for work, taken in seconds.items():
            began = time.perf_counter()
            work()
            taken.append(time.perf_counter() - began)
    plain, recorded, aligned = (statistics.median(taken) for taken in seconds.values())
    return plain, recorded, aligned


if __name__ == "__main__":
    main()
