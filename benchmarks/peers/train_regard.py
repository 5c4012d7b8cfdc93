"""Train our own model with our own Trainer; bench_peers.py talks to it (steps.py has the settings that all share)."""

from __future__ import annotations

from turns import Turns

TURNS = Turns()

from collections.abc import Iterator  # noqa: E402

import numpy as np  # noqa: E402
from steps import BETAS, EPSILON, SMOOTHING, Pairs, parse, read_batches  # noqa: E402
from turns import Record  # noqa: E402

import regard  # noqa: E402
from regard.data.batching import Batch  # noqa: E402
from regard.tasks.translation import Translation  # noqa: E402
from regard.training.loop import Feed, Trainer  # noqa: E402
from regard.training.schedule import Schedule  # noqa: E402
from regard.training.settings import TrainSettings  # noqa: E402


def main() -> None:
    options = parse()
    model = regard.load(options.weights).module.requires_grad_(True)
    batches = [as_batch(pairs, model.pad) for pairs in read_batches(options.batches)]
    feed = Feed(
        epoch=lambda _: [np.array([number]) for number in range(len(batches))], collate=lambda rows: batches[rows[0]]
    )
    settings = TrainSettings(precision=options.precision, clip=0.0, beta1=BETAS[0], beta2=BETAS[1], epsilon=EPSILON)
    schedule = Schedule("constant", options.rate, options.warmup, 1_000_000)
    trainer = Trainer(model, Translation(SMOOTHING), feed, schedule, settings)

    def steps(count: int) -> Iterator[Record]:
        for step in trainer.steps(trainer.step + count):
            yield {"seconds": step.seconds, "loss": step.loss, "target_tokens": step.target_tokens}

    TURNS.serve(f"regard {regard.__version__}", steps, options.warm_up_steps)


def as_batch(pairs: Pairs, pad: int) -> Batch:
    return Batch(*pairs, *(int((side != pad).sum()) for side in pairs))


if __name__ == "__main__":
    main()
