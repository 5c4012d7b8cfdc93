"""Prepare a corpus, then train a tiny model on it; cost_growth.py talks to it.

    python train_corpus.py FOLDER TOKENIZER

FOLDER has source.txt and target.txt. Each record of a step also tells what preparing and planning took before it.
"""

from __future__ import annotations

from turns import Turns

TURNS = Turns()

import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from turns import Record  # noqa: E402

from regard.data.batching import collate, plan_batches  # noqa: E402
from regard.data.clean import Cleaner, Cleaning  # noqa: E402
from regard.data.corpus import read_pairs  # noqa: E402
from regard.data.store import write_store  # noqa: E402
from regard.data.tokenizers.tokenizer import Tokenizer  # noqa: E402
from regard.families import transformer  # noqa: E402
from regard.models.vocabulary import joint_vocabulary  # noqa: E402
from regard.tasks.translation import Translation  # noqa: E402
from regard.training.loop import Feed, Trainer  # noqa: E402
from regard.training.schedule import Schedule  # noqa: E402
from regard.training.settings import TrainSettings  # noqa: E402

BATCH_TOKENS, MOST_TOKENS, WARM_UP = 2048, 256, 3


def main() -> None:
    corpus, tokenizer = Path(sys.argv[1]), Tokenizer.load(Path(sys.argv[2]))
    vocabulary = joint_vocabulary(tokenizer.size)
    pairs = Cleaner(Cleaning())(read_pairs(corpus / "source.txt", corpus / "target.txt"))
    store, preparing = timed(lambda: write_store(corpus / "store", pairs, tokenizer, tokenizer, MOST_TOKENS))
    batches, planning = timed(lambda: plan_batches(store.lengths, BATCH_TOKENS, seed=1, epoch=0))
    facts = {"preparing": preparing, "planning": planning, "tokens": int(store.lengths[:, 1].sum()) + len(store)}
    feed = Feed(lambda _: batches, lambda rows: collate(store, rows, vocabulary.pad, vocabulary.eos))
    model = transformer.build(transformer.SIZES["tiny"], vocabulary)
    settings = TrainSettings(precision="float32")
    trainer = Trainer(model, Translation(0.1), feed, Schedule("constant", 1e-4, 10, 100_000), settings)

    def steps(count: int) -> Iterator[Record]:
        for step in trainer.steps(trainer.step + count):
            yield {"stepping": step.seconds, "target_tokens": step.target_tokens, **facts}

    TURNS.serve(f"{len(store):,} pairs", steps, WARM_UP)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    return work(), time.perf_counter() - began


if __name__ == "__main__":
    main()
