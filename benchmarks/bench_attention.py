"""The three ways to compute attention, at the shapes of translation: which one should ``layers/attention.py`` choose?

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

REPEATS = 11
WAYS = ("plain", "fused", "ours")
# (sentences, heads, target length, source length, d_k): training batches of 4,096 tokens, a beam step
SHAPES = ((273, 8, 15, 15, 32), (128, 8, 32, 32, 32), (32, 8, 128, 128, 32), (16, 8, 256, 256, 32), (64, 8, 5, 24, 32))


def main() -> None:
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"{'shape':>24} {'type':>9} {'pass':>17}" + "".join(f"{way:>10}" for way in WAYS))
    for shape in SHAPES:
        for dtype in (torch.float32, torch.bfloat16):
            for backward in (False, True):
                name = "forward+backward" if backward else "forward"
                size = "×".join(map(str, shape))
                found = "".join(f"{ms:10.2f}" for ms in measure(shape, dtype, backward))
                print(f"{size:>24} {str(dtype).removeprefix('torch.'):>9} {name:>17}{found}")


def measure(shape: tuple[int, ...], dtype: torch.dtype, backward: bool) -> list[float]:
    """Median milliseconds of each way, which take turns. nan: our kernel does not serve."""
    sentences, heads, target, source, width = shape
    torch.manual_seed(0)
    query = by_position(sentences, heads, target, width).to(dtype).requires_grad_(backward)
    key, value = (by_position(sentences, heads, source, width).to(dtype).requires_grad_(backward) for _ in range(2))
    mask = torch.ones(sentences, 1, 1, source, dtype=torch.bool)
    mask[:, :, :, -2:] = False

    def run() -> None:
        output = module.attention(query, key, value, mask=mask)
        if backward:
            output.sum().backward()

    serves = module.kernels.fits(query, key, value)
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for repeat in range(REPEATS + 2):
        for way in WAYS:
            own, fused = (lambda *_, way=way: way == "ours" and serves), (lambda _, way=way: way == "fused")
            patched = mock.patch.multiple(module, sentence_kernel_is_faster=own, fused_is_faster=fused)
            with patched, torch.set_grad_enabled(backward):
                took = timed(run)
            if repeat >= 2:
                seconds[way].append(1000 * took)
    return [statistics.median(took) if way != "ours" or serves else float("nan") for way, took in seconds.items()]


def by_position(sentences: int, heads: int, length: int, width: int) -> torch.Tensor:
    """[B, H, T, K] as a projection leaves it in memory: position by position."""
    return torch.randn(sentences, length, heads, width).transpose(1, 2)


def timed(run: Callable[[], None]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
