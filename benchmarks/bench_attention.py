"""The two ways to compute attention, at the shapes of translation: which one should ``fused_is_faster`` choose?

    python benchmarks/bench_attention.py

Medians over alternating repeats, in milliseconds; the threads are OMP_NUM_THREADS'.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from unittest import mock

import torch

from regard.layers import attention as module

REPEATS = 21
# (sentences, heads, target length, source length, d_k): training batches of 4,096 tokens, a beam step
SHAPES = ((273, 8, 15, 15, 32), (128, 8, 32, 32, 32), (16, 8, 256, 256, 32), (64, 8, 5, 24, 32))


def main() -> None:
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"{'shape':>24} {'type':>9} {'pass':>17} {'plain':>8} {'fused':>8}  fused/plain")
    for shape in SHAPES:
        for dtype in (torch.float32, torch.bfloat16):
            for backward in (False, True):
                plain, fused = measure(shape, dtype, backward)
                name = "forward+backward" if backward else "forward"
                size = "×".join(map(str, shape))
                kind = str(dtype).removeprefix("torch.")
                print(f"{size:>24} {kind:>9} {name:>17} {plain:8.2f} {fused:8.2f}  {fused / plain:.2f}")


def measure(shape: tuple[int, ...], dtype: torch.dtype, backward: bool) -> tuple[float, float]:
    """Median milliseconds of the plain and of the fused way."""
    sentences, heads, target, source, width = shape
    torch.manual_seed(0)
    query = torch.randn(sentences, heads, target, width).to(dtype).requires_grad_(backward)
    key, value = (torch.randn(sentences, heads, source, width).to(dtype).requires_grad_(backward) for _ in range(2))
    mask = torch.ones(sentences, 1, 1, source, dtype=torch.bool)
    mask[:, :, :, -2:] = False

    def run() -> None:
        output = module.attention(query, key, value, mask=mask)
        if backward:
            output.sum().backward()

    seconds: dict[bool, list[float]] = {False: [], True: []}
    for repeat in range(REPEATS + 2):
        for fused in (False, True):
            with mock.patch.object(module, "fused_is_faster", lambda _, answer=fused: answer):
                took = timed(run)
            if repeat >= 2:
                seconds[fused].append(1000 * took)
    return statistics.median(seconds[False]), statistics.median(seconds[True])


def timed(run: Callable[[], None]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
