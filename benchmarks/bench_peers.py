"""Ours beside other libraries, in turn, on the same batches, weights, threads and cores; and the machine's own limits.

    python benchmarks/bench_peers.py [--peers FOLDER] [--data DATA] [--model RUN] [--only limits training decoding]

FOLDER is what peers/install.py made (or the environment variable PEERS): without it only torch.nn.Transformer stands
beside ours. DATA (or the environment variable DATA) has train, val and test with the endings .en and .de; without it
the pairs are made up. RUN is a trained tiny model to translate with; without it one is trained for --train. Medians;
the turns alternate, each process keeps its own memory. As it is, this takes about ten minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import limits
from peers import decoding, material, training
from peers.arms import cores_here, environment
from rich.console import Console

from regard.families.transformer import SIZES
from regard.training.precision import has_bfloat16

CONSOLE = Console(width=150)
PARTS = ("limits", "training", "decoding")


def main() -> None:
    options = parse()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        if not (folder / "batches.npz").exists():
            material.make(folder, options.data, options.sizes, options.batch_tokens)
        found = bench(options, folder)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def bench(options: argparse.Namespace, folder: Path) -> dict:
    machine = machine_of(options.threads) if "limits" in options.only else {}
    if machine:
        CONSOLE.print(limits.table_of(machine))
    found: dict = {"machine": machine}
    for size in options.sizes if "training" in options.only else []:
        results = train(options, folder, size)
        CONSOLE.print(training.table_of(results, size, training.bounds_of(machine, SIZES[size], results, folder)))
        found[f"training {size}"] = {one.arm.name: vars(one) | {"arm": one.name} for one in results}
        if options.curves:
            training.draw_losses(results, options.curves.with_stem(f"{options.curves.stem}-{size}"), size)
    if "decoding" in options.only:
        model = options.model or train_model(folder, options.train)
        references = (folder / "test.target").read_text(encoding="utf-8").splitlines()
        for mode in map(decoding.MODES.get, options.modes):
            results = translate(options, folder, model, mode)
            CONSOLE.print(decoding.table_of(results, mode, references))
            found[f"decoding, {mode.name}"] = {one.arm.name: vars(one) | {"arm": one.name} for one in results}
    return found


def machine_of(threads: int) -> dict:
    """The limits, measured by a process with the threads and cores of all others."""
    command = [sys.executable, limits.__file__, "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment(threads, bound=True))
    return json.loads(done.stdout)


def train(options: argparse.Namespace, folder: Path, size: str) -> list:
    arms = training.arms_of(folder, size, options.peers, options.precisions, options.threads, options.arms)
    return training.measure(arms, options.turns, options.steps)


def translate(options: argparse.Namespace, folder: Path, model: Path, mode: decoding.Mode) -> list:
    own = options.ours or decoding.ours()
    arms = decoding.arms_of(model, folder / "test.source", mode, options.peers, options.threads, own)
    chosen = [arm for arm in arms if not options.arms or arm.name.startswith(tuple(options.arms))]
    return decoding.measure(chosen, options.turns, options.alone if mode.alone else options.sentences)


def train_model(folder: Path, budget: str) -> Path:
    """A tiny model of ours, kept in ``folder``."""
    run = folder / "run"
    if not (run / "model.safetensors").exists():
        sides = ("source", "target", "valid-source", "valid-target")
        files = ("train.source", "train.target", "val.source", "val.target")
        given = [part for side, file in zip(sides, files, strict=True) for part in (f"--{side}", str(folder / file))]
        settings = ["model.size=tiny", "model.dropout=0.1", "train.batch_tokens=2048", "train.learning_rate=3e-3"]
        command = [sys.executable, "-m", "regard", "train", *given, "--out", str(run), "--budget", budget, *settings]
        subprocess.run([*command, "--overwrite"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return run


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, default=os.environ.get("PEERS") or None)
    parser.add_argument("--data", type=Path, default=os.environ.get("DATA") or None)
    parser.add_argument("--model", type=Path, help="a trained run of family transformer, post-norm, with sinusoids")
    parser.add_argument("--folder", type=Path, help="where batches, texts and the trained model are, or will be, kept")
    parser.add_argument("--only", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--arms", nargs="+", default=[], help="only those whose names begin so")
    modes = list(decoding.MODES)
    parser.add_argument("--modes", nargs="+", default=modes, choices=modes, metavar="MODE", help="; ".join(modes))
    parser.add_argument("--ours", nargs="+", default=[], help="decoding settings of our arms: key=value,key=value")
    parser.add_argument("--sizes", nargs="+", default=["tiny", "tutorial"], choices=list(SIZES))
    precisions = ["float32", "bfloat16"] if has_bfloat16() else ["float32"]
    parser.add_argument("--precisions", nargs="+", default=precisions)
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--threads", type=int, default=len(cores_here()) or os.cpu_count())
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4, help="of training, a turn")
    parser.add_argument("--sentences", type=int, default=334, help="a turn, in batches")
    parser.add_argument("--alone", type=int, default=40, help="sentences a turn, one at a time")
    parser.add_argument("--train", default="3m", help="budget of a model to translate with")
    parser.add_argument(
        "--curves", type=Path, help="draw the losses of all arms, a picture for each size: NAME.svg or .png"
    )
    parser.add_argument("--json", type=Path, help="write everything that was measured")
    return parser.parse_args()


if __name__ == "__main__":
    main()
