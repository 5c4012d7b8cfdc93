"""What this machine can do: products a second by shape and type, bytes moved, and what a training step needs of them.

    python benchmarks/limits.py [--threads 2] [--json]

A step's limit is the time of its matrix products alone (those of real tokens, forward and twice that backward) at the
rate of the best shape. Nothing else that a step does is counted, so no implementation reaches it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
from rich.console import Console
from rich.table import Table

from regard.families.transformer import Config
from regard.training.precision import has_bfloat16

SECONDS, LEAST = 0.25, 5  # of each measurement; repeats at least
# rows, width, columns: x [rows, width] times W [width, columns]
SHAPES: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {
        "a large square": (2048, 2048, 2048),
        "tiny, projection": (4096, 128, 128),
        "tiny, feed-forward": (4096, 128, 256),
        "tiny, output layer, 512 rows": (512, 128, 10_000),
        "tutorial, projection": (4096, 256, 256),
        "tutorial, feed-forward": (4096, 256, 512),
        "tutorial, output layer, 512 rows": (512, 256, 10_000),
        "tiny, a beam step of 64 sentences": (320, 128, 10_000),
        "tiny, a beam step of one sentence": (5, 128, 10_000),
        "tiny, its projection": (5, 128, 128),
    }
)
KINDS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=0, help="0: as many as torch takes")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    found = measure()
    print(json.dumps(found)) if options.json else Console(width=140).print(table_of(found))


def measure() -> dict[str, dict[str, float]]:
    """GFLOP/s (int8: giga-operations) of each shape and type, and "memory": GB/s of a copy, read and written."""
    kinds = ["float32", *(["bfloat16"] if has_bfloat16() else [])]
    found = {shape: {kind: product_rate(*SHAPES[shape], KINDS[kind]) for kind in kinds} for shape in SHAPES}
    for shape, rates in found.items():
        rates |= int8_rate(*SHAPES[shape])
    return {**found, "memory": {"copy": copy_rate()}}


def product_rate(rows: int, width: int, columns: int, kind: torch.dtype) -> float:
    x, weight = torch.randn(rows, width).to(kind), torch.randn(columns, width).to(kind)
    out = torch.empty(rows, columns, dtype=kind)
    return 2e-9 * rows * width * columns / median_seconds(lambda: torch.mm(x, weight.T, out=out))


def int8_rate(rows: int, width: int, columns: int) -> dict[str, float]:
    """torch's own product of 8-bit numbers, where it has one."""
    x, weight = (torch.randint(-100, 100, shape, dtype=torch.int8) for shape in ((rows, width), (columns, width)))
    try:
        return {"int8": 2e-9 * rows * width * columns / median_seconds(lambda: torch._int_mm(x, weight.T))}
    except (RuntimeError, AttributeError):
        return {}


def copy_rate(bytes_: int = 2**28) -> float:
    source, target = torch.zeros(bytes_ // 4), torch.ones(bytes_ // 4)
    return 2e-9 * bytes_ / median_seconds(lambda: target.copy_(source))


def median_seconds(work: Callable[[], object]) -> float:
    work()
    taken: list[float] = []
    while sum(taken) < SECONDS or len(taken) < LEAST:
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def step_flops(config: Config, vocabulary: int, lengths: Sequence[tuple[int, int]]) -> float:
    """Floating-point operations of the products of a training step over pairs of these (source, target) lengths.

    A multiplication and an addition are two; backward is twice forward; a causal product is counted whole.
    """
    d_model, d_ff, V = config.d_model, config.d_ff, vocabulary
    source, target = (sum(side) for side in zip(*lengths, strict=True))
    encoder = source * (4 * d_model**2 + 2 * d_model * d_ff) + 2 * d_model * sum(s * s for s, _ in lengths)
    decoder = target * (6 * d_model**2 + 2 * d_model * d_ff) + source * 2 * d_model**2
    decoder += 2 * d_model * sum(t * t + s * t for s, t in lengths)
    forward = config.layers * encoder + config.blocks_of_decoder * decoder + target * d_model * V
    return 3 * 2.0 * forward


def bounds(found: Mapping[str, Mapping[str, float]], flops: float, target_tokens: int) -> dict[str, float]:
    """Target tokens a second at the best rate of any shape, by type."""
    best = {kind: max(rates.get(kind, 0.0) for rates in found.values()) for kind in KINDS}
    return {kind: target_tokens / (flops / 1e9 / rate) for kind, rate in best.items() if rate}


def table_of(found: Mapping[str, Mapping[str, float]]) -> Table:
    copied = found["memory"]["copy"]
    title = f"This machine, GFLOP/s of products ({os.cpu_count()} cores); a copy moves {copied:.1f} GB/s"
    table = Table("rows × width × columns", title=title, title_justify="left")
    kinds = sorted({kind for name, rates in found.items() if name != "memory" for kind in rates})
    for kind in kinds:
        table.add_column(kind, justify="right")
    for name, shape in SHAPES.items():
        numbers = [f"{found[name][kind]:,.0f}" if kind in found[name] else "" for kind in kinds]
        table.add_row(f"{' × '.join(map(str, shape))} ({name})", *numbers)
    return table


if __name__ == "__main__":
    main()
