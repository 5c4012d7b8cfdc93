"""Does the cost grow as it should? Training per target token over corpora of more pairs; decoding over longer outputs.

    python benchmarks/cost_growth.py [--pairs 1000 10000 100000] [--lengths 10 20 50 100 200 500] [--out DIR]

The pairs are made up (prepare.py), with one vocabulary for all corpora. Preparing is cleaning, encoding and writing;
planning the batches of an epoch is counted on its tokens; stepping is --steps updates of a tiny model. A process for
each corpus. Outputs are made so long by forbidding, then forcing, the end: every sentence of a run has the same length.
With --out the numbers are drawn too. A million pairs take some minutes: --pairs 1000 10000 100000 1000000.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from peers import decoding
from peers.material import write_initial
from peers.turns import peak_mib
from prepare import write_pairs
from rich.console import Console
from rich.table import Table

import regard
from regard.data.batching import collate, plan_batches
from regard.data.clean import Cleaner, Cleaning
from regard.data.corpus import read_pairs
from regard.data.store import write_store
from regard.data.tokenizers.tokenizer import Tokenizer, TokenizerSettings, train_tokenizer
from regard.families import transformer
from regard.looking.figures import Panel, save, trends
from regard.looking.trends import exact
from regard.models.vocabulary import joint_vocabulary
from regard.tasks.translation import Translation
from regard.training.loop import Feed, Trainer
from regard.training.schedule import Schedule
from regard.training.settings import TrainSettings

PIECES, VOCABULARY_PAIRS, BATCH_TOKENS = 8000, 10_000, 2048
SENTENCES, SOURCE = 8, "ba be bi bo bu da de di"
PARTS = ("preparing", "planning", "stepping")
Fact = dict[str, Any]


def main() -> None:
    options = parse()
    if options.child:
        print(json.dumps(train(options.child, options.tokenizer, options.steps)))
        return
    console = Console(width=140)
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        tokenizer = learn(folder)
        corpora = {pairs: in_child(folder, tokenizer, pairs, options) for pairs in options.pairs}
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


def in_child(folder: Path, tokenizer: Path, pairs: int, options: argparse.Namespace) -> Fact:
    with tempfile.TemporaryDirectory(dir=folder) as corpus:
        write_pairs(Path(corpus), pairs)
        command = [sys.executable, __file__, "--child", corpus, "--tokenizer", tokenizer, "--steps", options.steps]
        done = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def train(corpus: Path, tokenizer_file: Path, steps: int) -> Fact:
    """Microseconds per target token of each part, and the peak memory of this process."""
    tokenizer = Tokenizer.load(tokenizer_file)
    vocabulary = joint_vocabulary(tokenizer.size)
    store, preparing = timed(lambda: write_store(corpus / "store", pairs_in(corpus), tokenizer, tokenizer, 256))
    whole = int(store.lengths[:, 1].sum()) + len(store)
    batches, planning = timed(lambda: plan_batches(store.lengths, BATCH_TOKENS, seed=1, epoch=0))
    feed = Feed(lambda _: batches, lambda rows: collate(store, rows, vocabulary.pad, vocabulary.eos))
    model = transformer.build(transformer.SIZES["tiny"], vocabulary)
    settings = TrainSettings(precision="float32")
    trainer = Trainer(model, Translation(0.1), feed, Schedule("constant", 1e-4, 10, 1000), settings)
    list(trainer.steps(3))
    taken = list(trainer.steps(3 + steps))
    stepping = float(np.median([step.seconds / step.target_tokens for step in taken]))
    micro = {"preparing": 1e6 * preparing / whole, "planning": 1e6 * planning / whole, "stepping": 1e6 * stepping}
    return {**micro, "target tokens": whole, "peak_mib": peak_mib()}


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
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--ours", nargs="+", default=[], help="settings of decoding to compare: key=value,key=value")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--tokenizer", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
