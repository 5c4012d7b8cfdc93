"""How long and how much memory it takes to prepare a million pairs: clean, learn a vocabulary, write the store.

    python benchmarks/prepare.py [--pairs 1000000] [--kind bpe] [--folder DIR]

The pairs are written by a generator of its own: made-up words with the frequencies of a language (Zipf), sentences of
3 to 40 words, one pair in fifty a duplicate. The work is done in a child process, whose peak memory is then reported.
Seconds are given by the clock and by the processor (of all its cores together).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

LIMIT = 600  # MiB
WORDS = 200_000
SYLLABLES = [first + vowel + last for first in "bdfghklmnprstvwz" for vowel in "aeiouäöü" for last in ("", *"lnrst")]


def _vocabulary(generator: np.random.Generator) -> np.ndarray:
    """Distinct words of one to five syllables, short ones first."""
    words: dict[str, None] = {}
    while len(words) < WORDS:
        fewest = 1 + min(2, len(words) // 400)
        for drawn in generator.integers(0, len(SYLLABLES), (1000, 5)).tolist():
            count = fewest + drawn[0] % 3
            words["".join(SYLLABLES[index] for index in drawn[:count])] = None
    return np.array(list(words)[:WORDS], dtype=object)


def write_pairs(folder: Path, pairs: int, seed: int = 0) -> None:
    """Write source.txt and target.txt; the target has the words of the source by another list, some dropped."""
    generator = np.random.default_rng(seed)
    source_words, target_words = _vocabulary(generator), _vocabulary(generator)
    chances = 1 / (np.arange(WORDS) + 2.7)
    edges = np.cumsum(chances / chances.sum())
    recent: tuple[str, str] = ("Ja.", "Yes.")
    with (
        (folder / "source.txt").open("w", encoding="utf-8") as source,
        (folder / "target.txt").open("w", encoding="utf-8") as target,
    ):
        for _ in range(pairs):
            if generator.random() >= 0.02:
                length = int(np.clip(generator.gamma(3.0, 4.0), 3, 40))
                ranks = np.minimum(np.searchsorted(edges, generator.random(length)), WORDS - 1)
                kept = ranks[generator.random(length) < 0.95] if length > 3 else ranks
                recent = " ".join(source_words[ranks]) + ".", " ".join(target_words[kept][::-1]) + "."
            source.write(recent[0] + "\n")
            target.write(recent[1] + "\n")


def prepare(folder: Path, kind: str) -> dict[str, object]:
    """Clean, learn and write in this process; the seconds of each and what came out."""
    from regard.data.clean import Cleaner, Cleaning
    from regard.data.corpus import read_pairs
    from regard.data.store import write_store
    from regard.data.tokenizers.tokenizer import TokenizerSettings, train_tokenizer

    measured: dict[str, dict[str, float]] = {}

    def timed(name: str, work: Callable[[], object]) -> object:
        clock, processor = time.perf_counter(), time.process_time()
        result = work()
        measured[name] = {
            "seconds": round(time.perf_counter() - clock, 1),
            "processor seconds": round(time.process_time() - processor, 1),
            "peak MiB so far": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
        return result

    cleaner = Cleaner(Cleaning())

    def pairs():
        return cleaner(read_pairs(folder / "source.txt", folder / "target.txt"))

    texts = (text for pair in pairs() for text in pair)
    tokenizer = timed("clean and learn", lambda: train_tokenizer(texts, TokenizerSettings(kind=kind)))
    store = timed(
        "clean and write", lambda: write_store(folder / "store", pairs(), tokenizer, tokenizer, max_tokens=256)
    )
    return {
        "pairs": len(store),
        "vocabulary": tokenizer.size,
        "tokens": sum(store.tokens),
        "cleaning": {rule: count for rule, count, _ in cleaner.report.rows()},
        "measured": measured,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--kind", default="bpe")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(prepare(arguments.folder, arguments.kind), ensure_ascii=False, indent=2))
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        write_pairs(folder, arguments.pairs)
        subprocess.run([sys.executable, __file__, "--child", "--folder", folder, "--kind", arguments.kind], check=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    print(f"peak memory: {peak} MiB, of {LIMIT} MiB allowed")
    return int(peak >= LIMIT)


if __name__ == "__main__":
    raise SystemExit(main())
