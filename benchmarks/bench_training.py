"""Target tokens a second in training, on synthetic pairs with the lengths of image descriptions.

    python benchmarks/bench_training.py [--sizes tiny tutorial] [--precisions float32 bfloat16] [--rows 128 512 2048]

Each line is the median step of one configuration; the configurations take turns. ``rows`` are the logits that the
loss makes at a time (regard.tasks.loss.ROWS). The threads are OMP_NUM_THREADS'.
"""

from __future__ import annotations

import argparse
import resource
import statistics
from itertools import product
from unittest import mock

import numpy as np
import torch

from regard.data.batching import Batch
from regard.families import transformer
from regard.models.vocabulary import joint_vocabulary
from regard.tasks import loss
from regard.tasks.translation import Translation
from regard.training.loop import Feed, Step, Trainer
from regard.training.schedule import Schedule
from regard.training.settings import TrainSettings

VOCABULARY, BATCH_TOKENS, BATCHES = 10_001, 4096, 8


def main() -> None:
    options = parse()
    batches = synthetic_batches()
    arms = {arm: trainer(*arm[:2], batches) for arm in product(options.sizes, options.precisions, options.rows)}
    steps: dict[tuple[str, str, int], list[Step]] = {arm: [] for arm in arms}
    for turn in range(options.turns + 1):
        for arm, subject in arms.items():
            with mock.patch.object(loss, "ROWS", arm[2]):
                done = list(subject.steps(subject.step + len(batches)))
            steps[arm] += done if turn else []
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, batches of {BATCH_TOKENS} padded tokens")
    for (size, precision, rows), done in steps.items():
        rates = sorted(step.target_tokens / step.seconds for step in done)
        middle = statistics.median(rates)
        spread = f"{rates[len(rates) // 4]:,.0f}–{rates[3 * len(rates) // 4]:,.0f}"
        print(f"{size:>9} {precision:>9} rows {rows:>5}: {middle:7,.0f} target tokens/s (middle half {spread})")
    print(f"peak memory of all arms together: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["tiny", "tutorial"], choices=list(transformer.SIZES))
    parser.add_argument("--precisions", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--rows", nargs="+", type=int, default=[loss.ROWS])
    parser.add_argument("--turns", type=int, default=2)
    return parser.parse_args()


def synthetic_batches() -> list[Batch]:
    """Batches whose sentences are 6 to 40 tokens long, neighbours in length together."""
    random = np.random.default_rng(0)
    batches = []
    for _ in range(BATCHES):
        longest = int(np.clip(random.normal(15, 4), 6, 40))
        sides = [one_side(random, longest, BATCH_TOKENS // longest) for _ in range(2)]
        batches.append(Batch(*(ids for ids, _ in sides), *(count for _, count in sides)))
    return batches


def one_side(random: np.random.Generator, longest: int, rows: int) -> tuple[torch.Tensor, int]:
    lengths = random.integers(max(2, longest - 2), longest + 1, rows)
    ids = random.integers(2, VOCABULARY - 1, (rows, longest))
    ids[np.arange(longest) >= lengths[:, None]] = VOCABULARY - 1
    return torch.from_numpy(ids), int(lengths.sum())


def trainer(size: str, precision: str, batches: list[Batch]) -> Trainer:
    torch.manual_seed(0)
    model = transformer.build(transformer.SIZES[size], joint_vocabulary(VOCABULARY))
    feed = Feed(
        epoch=lambda _: [np.array([number]) for number in range(len(batches))], collate=lambda rows: batches[rows[0]]
    )
    settings = TrainSettings(precision=precision)
    return Trainer(model, Translation(0.1), feed, Schedule("constant", 1e-4, 10, 1000), settings)


if __name__ == "__main__":
    main()
