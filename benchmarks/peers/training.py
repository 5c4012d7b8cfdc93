"""Training in turn: target tokens a second, memory and loss of ours, of the peers, and what the machine would allow."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import limits
import numpy as np
from peers.arms import Arm, Measured, in_turn
from peers.install import interpreter
from rich.table import Table

from regard.families.transformer import Config
from regard.looking.figures import Panel, save, trends
from regard.looking.trends import exact, smoothed

Machine = Mapping[str, Mapping[str, float]]

# script, its environment, how the table calls it until it has told its version
SCRIPTS = (
    ("train_regard.py", "", "regard"),
    ("train_transformers.py", "transformers", "transformers"),
    ("train_torch.py", "transformers", "torch.nn.Transformer"),
    ("train_xtransformers.py", "x-transformers", "x-transformers"),
)


def arms_of(
    folder: Path, size: str, peers: Path | None, precisions: Sequence[str], threads: int, only: Sequence[str]
) -> list[Arm]:
    """Ours and every peer that is installed, in each precision; torch needs no environment but ours."""
    found = []
    for (script, environment, name), precision in product(SCRIPTS, precisions):
        python = interpreter(peers, environment) if environment else Path(sys.executable)
        if python is None and name == "torch.nn.Transformer":
            python = Path(sys.executable)
        if python is None:
            print(f"left out: {name} is not installed (peers/install.py)", file=sys.stderr)
        elif not only or name.startswith(tuple(only)):
            arguments = ("--batches", folder / "batches.npz", "--weights", folder / size, "--precision", precision)
            found.append(Arm(f"{name} {precision}", python, script, tuple(map(str, arguments)), threads))
    return found


def measure(arms: Sequence[Arm], turns: int, steps: int) -> list[Measured]:
    return in_turn(arms, [steps] * turns)


def rates(measured: Measured) -> list[float]:
    """Target tokens a second of each step, sorted."""
    return sorted(record["target_tokens"] / record["seconds"] for record in measured.records)


def table_of(results: Sequence[Measured], size: str, bounds: dict[str, float]) -> Table:
    """``bounds``: target tokens a second that the machine's products alone would allow, by precision."""
    medians = {id(one): statistics.median(rates(one)) for one in results}
    theirs = [medians[id(one)] for one in results if one.arm.script != "train_regard.py"]
    best = max(theirs, default=None)
    table = Table(title=f"Training, {size}", title_justify="left")
    for heading in ("", "precision"):
        table.add_column(heading)
    for heading in ("target tokens/s", "middle half", "of the best peer", "of the limit", "peak MiB", "last loss"):
        table.add_column(heading, justify="right")
    for one in results:
        sorted_rates, middle = rates(one), medians[id(one)]
        precision = one.arm.arguments[-1]
        quarter = len(sorted_rates) // 4
        table.add_row(
            one.name,
            precision,
            f"{middle:,.0f}",
            f"{sorted_rates[quarter]:,.0f}–{sorted_rates[-1 - quarter]:,.0f}",
            f"{middle / best:.2f} ×" if best else "",
            f"{middle / bounds[precision]:.0%}" if precision in bounds else "",
            f"{one.peak_mib:,.0f}",
            f"{statistics.fmean(record['loss'] for record in one.records[-4:]):.3f}",
        )
    for precision, bound in bounds.items():
        table.add_row("products alone", precision, f"{bound:,.0f}", "", "", "100%", "", "")
    return table


def bounds_of(machine: Machine, config: Config, results: Sequence[Measured], folder: Path) -> dict[str, float]:
    """The machine's limit for the median batch of the epoch, of each precision that was measured."""
    if not machine:
        return {}
    precisions = {one.arm.arguments[-1] for one in results}
    per_step = []
    with np.load(folder / "batches.npz", allow_pickle=False) as arrays:
        pad = int(max(arrays[name].max() for name in arrays))
        for name in arrays:
            if name.startswith("source"):
                sides = (arrays[name], arrays[name.replace("source", "target")])
                lengths = list(zip(*((side != pad).sum(1).tolist() for side in sides), strict=True))
                flops = limits.step_flops(config, pad + 1, lengths)
                per_step.append(limits.bounds(machine, flops, sum(target for _, target in lengths)))
    return {kind: statistics.median(step[kind] for step in per_step) for kind in per_step[0] if kind in precisions}


def draw_losses(results: Sequence[Measured], path: Path, size: str) -> None:
    """The loss of every arm, step by step, into a picture."""
    lines = {}
    for one in results:
        losses = smoothed([record["loss"] for record in one.records], 10)
        lines[one.arm.name] = [(number, exact(loss)) for number, loss in enumerate(losses, start=1)]
    panel = Panel(lines, "step", "nats per target token, mean of 10 steps")
    save(trends([panel], f"The same batches, weights and rates ({size})"), path)
