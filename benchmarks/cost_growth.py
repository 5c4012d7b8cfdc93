"""Does the cost grow as it should? Training per target token over corpora of more pairs; decoding over longer outputs.

    python benchmarks/cost_growth.py [--pairs 1000 10000 100000] [--lengths 10 20 50 100 200 500] [--out DIR]

The pairs are made up (prepare.py), with one vocabulary for all corpora. Preparing is cleaning, encoding and writing;
planning the batches of an epoch is counted on its tokens; stepping is --steps updates of a tiny model, --turns times.
A process for each corpus (peers/train_corpus.py); each prepares and plans once, then their steps take turns. Outputs
are made so long by forbidding, then forcing, the end: every sentence of a run has the same length; medians of --turns.
With --out the numbers are drawn too. A million pairs take some minutes: --pairs 1000 10000 100000 1000000.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from peers import decoding
from peers.arms import Arm, Measured, cores_here, in_turn
from peers.material import write_initial
from prepare import write_pairs
from rich.console import Console
from rich.table import Table

import regard
from regard.data.clean import Cleaner, Cleaning
from regard.data.corpus import read_pairs
from regard.data.tokenizers.tokenizer import Tokenizer, TokenizerSettings, train_tokenizer
from regard.looking.figures import Panel, save, trends
from regard.looking.trends import exact

PIECES, VOCABULARY_PAIRS = 8000, 10_000
SENTENCES, SOURCE = 8, "ba be bi bo bu da de di"
PARTS = ("preparing", "planning", "stepping")
Fact = dict[str, Any]


def main() -> None:
    options = parse()
    console = Console(width=140)
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        tokenizer = learn(folder)
        corpora = train(folder, tokenizer, options)
        console.print(table_of_training(corpora))
        write_initial(folder / "model", "tiny", Tokenizer.load(tokenizer))
        engines = options.ours or decoding.ours()
        outputs = {name: decode(folder / "model", name, options.lengths, options.turns) for name in engines}
        console.print(table_of_decoding(outputs))
    if options.out:
        draw(corpora, outputs, options.out)


def learn(folder: Path) -> Path:
    """One vocabulary, so that the model is the same for every corpus."""
    (folder / "small").mkdir()
    write_pairs(folder / "small", VOCABULARY_PAIRS)
    texts = (text for pair in pairs_in(folder / "small") for text in pair)
    train_tokenizer(texts, TokenizerSettings(size=PIECES)).save(folder / "tokenizer.json")
    return folder / "tokenizer.json"


def train(folder: Path, tokenizer: Path, options: argparse.Namespace) -> dict[int, Fact]:
    """Microseconds per target token of each part, and the peak memory, by corpus; their steps take turns."""
    arms = []
    for pairs in options.pairs:
        corpus = folder / str(pairs)
        corpus.mkdir()
        write_pairs(corpus, pairs)
        given = (str(corpus), str(tokenizer))
        arms.append(Arm(f"{pairs:,} pairs", Path(sys.executable), "train_corpus.py", given, options.threads))
    measured = in_turn(arms, [options.steps] * options.turns)
    if len(measured) < len(arms):
        sys.exit("a corpus was left out, as said above; its process has to run")
    return dict(zip(options.pairs, map(fact_of, measured), strict=True))


def fact_of(measured: Measured) -> Fact:
    first, whole = measured.records[0], measured.records[0]["tokens"]
    stepping = float(np.median([step["stepping"] / step["target_tokens"] for step in measured.records]))
    micro = {"preparing": 1e6 * first["preparing"] / whole, "planning": 1e6 * first["planning"] / whole}
    return {**micro, "stepping": 1e6 * stepping, "target tokens": whole, "peak_mib": measured.peak_mib}


def pairs_in(folder: Path) -> Any:
    return Cleaner(Cleaning())(read_pairs(folder / "source.txt", folder / "target.txt"))


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def decode(folder: Path, given: str, lengths: Sequence[int], turns: int) -> dict[int, dict[int, float]]:
    """Median seconds for ``SENTENCES`` outputs of each length, by beam; random weights do, as no output ends early."""
    model = regard.load(folder)
    translator = model.translator
    changes = decoding.read(given)
    inside = len(model.source_tokenizer.encode(SOURCE))
    found: dict[int, dict[int, float]] = {}
    for beam in (1, 5):
        seconds: dict[int, list[float]] = {length: [] for length in lengths}
        for turn in range(turns + 1):
            for length in lengths:
                settings = model.settings(beam=beam, min_length=length, max_extra=max(0, length - inside), **changes)
                results, took = timed(lambda settings=settings: translator.translate([SOURCE] * SENTENCES, settings))
                assert all(len(one.ids) >= length - 1 for one in results), "an output ended early"
                seconds[length] += [took] if turn else []
        found[beam] = {length: float(np.median(some)) for length, some in seconds.items()}
    return found


def table_of_training(corpora: dict[int, Fact]) -> Table:
    table = Table("pairs", title="Microseconds per target token in training", title_justify="left")
    for heading in ("target tokens", *PARTS, "all, one epoch", "against the first", "peak MiB"):
        table.add_column(heading, justify="right")
    sums = {pairs: sum(fact[part] for part in PARTS) for pairs, fact in corpora.items()}
    first = next(iter(sums.values()))
    for pairs, fact in corpora.items():
        parts = [f"{fact[part]:,.2f}" for part in PARTS]
        ends = (f"{sums[pairs]:,.1f}", f"{sums[pairs] / first:.2f} ×", f"{fact['peak_mib']:,.0f}")
        table.add_row(f"{pairs:,}", f"{fact['target tokens']:,}", *parts, *ends)
    return table


def table_of_decoding(outputs: dict[str, dict[int, dict[int, float]]]) -> Table:
    table = Table("engine", "beam", title=f"Decoding {SENTENCES} sentences, by length of output", title_justify="left")
    for heading in ("tokens", "seconds", "ms per token and sentence", "against the shortest"):
        table.add_column(heading, justify="right")
    for name, beams in outputs.items():
        for beam, seconds in beams.items():
            least = min(seconds)
            for length, took in seconds.items():
                growth = (took / length) / (seconds[least] / least)
                each = f"{1000 * took / length / SENTENCES:.3f}"
                table.add_row(name, str(beam), str(length), f"{took:.3f}", each, f"{growth:.2f} ×")
    return table


def draw(corpora: dict[int, Fact], outputs: dict[str, dict[int, dict[int, float]]], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = {part: [(pairs, exact(fact[part])) for pairs, fact in corpora.items()] for part in PARTS}
    panel = Panel(lines, "pairs in the corpus", "µs per target token", log_x=True, log_y=True)
    save(trends([panel], "The cost of training per token"), folder / "training_growth.svg")
    panels = []
    for beam in (1, 5):
        lines = {name: [(at, exact(took)) for at, took in beams[beam].items()] for name, beams in outputs.items()}
        panels.append(Panel(lines, "tokens of each output", f"seconds for {SENTENCES} sentences", f"beam {beam}"))
    save(trends(panels, "The cost of decoding"), folder / "decoding_growth.svg")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--lengths", type=int, nargs="+", default=[10, 20, 50, 100, 200, 500])
    parser.add_argument("--steps", type=int, default=5, help="of training, a turn")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(cores_here()) or os.cpu_count(), help="of training")
    parser.add_argument("--ours", nargs="+", default=[], help="settings of decoding to compare: key=value,key=value")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
