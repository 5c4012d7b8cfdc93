"""Do the heads of a layer look at different things, and can any of them go? Distances in training, then pruning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch

from regard.config import setting
from regard.evaluation.interval import Interval, bootstrap
from regard.looking.trends import Line
from regard.studies.frame.arms import of_family
from regard.studies.frame.pairs import SentencePairs, pairs_of
from regard.studies.frame.study import Findings, Order, Study
from regard.studies.frame.summary import told
from regard.studies.frame.verdict import over_seeds
from regard.studies.head_maps.distance import KINDS, Maps, distances, over_heads
from regard.studies.head_maps.pruning import Pruned, prune_each
from regard.studies.head_maps.shown import (
    distance_picture,
    distance_table,
    told_growth,
    told_pruning,
    worth_picture,
)
from regard.tasks.translation import Translation
from regard.training.loop import Trainer
from regard.training.schedule import Schedule
from regard.training.settings import TrainSettings

MODEL = {"layers": 3, "d_model": 128, "d_ff": 512, "heads": 8, "dropout": 0.1, "norm": "pre"}


@dataclass(frozen=True)
class Diversity:
    """What the study does."""

    model: Mapping[str, Any] = field(default_factory=lambda: MODEL)
    shares: tuple[float, ...] = setting((0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0), help="of the updates, from 0 to 1")
    steps: int = setting(3000, help="updates", minimum=1)
    batch_tokens: int = setting(2048, help="padded tokens a batch", minimum=1)
    learning_rate: float = setting(2e-3, help="peak of the learning rate", minimum=0.0)
    looked_at: int = setting(100, help="test pairs whose attention is compared", minimum=1)
    pruned_on: int = setting(500, help="test pairs that are translated without a head", minimum=2)


FULL = Diversity()
QUICK = replace(
    FULL,
    model={**MODEL, "layers": 2, "d_model": 64, "d_ff": 256, "heads": 4},
    steps=500,
    batch_tokens=1024,
    looked_at=30,
    pruned_on=150,
)


@dataclass(frozen=True)
class Grown:
    """One model: its heads' distances after so many updates, from none on, and what it loses without each head."""

    curve: Sequence[tuple[int, Maps]]
    pruned: Sequence[Pruned]


def run(order: Order) -> Findings:
    """Do the study. Raises DataError for a corpus that is too small, TrainingError where training breaks."""
    settings = QUICK if order.quick else FULL
    pairs = pairs_of(order)
    grown = [_grow(settings, pairs, seed, order) for seed in order.seeds]
    growth = {kind: growth_of(grown, kind) for kind in KINDS}
    last = {kind: mean_distance([one.curve[-1][1] for one in grown], kind) for kind in KINDS}
    untrained = {kind: mean_distance([one.curve[0][1] for one in grown], kind) for kind in KINDS}
    sentence = f"{told_growth(untrained, last, growth)} {told_pruning([one.pruned for one in grown])}"
    numbers = {
        "distance_untrained": {kind: asdict(one) for kind, one in untrained.items()},
        "distance_trained": {kind: asdict(one) for kind, one in last.items()},
        "growth": {kind: asdict(one) for kind, one in growth.items()},
        "pruned": [
            {"seed": seed, **asdict(each)} for seed, one in zip(order.seeds, grown, strict=True) for each in one.pruned
        ],
    }
    table = distance_table(untrained, last, growth)
    pictures = [distance_picture(_curves(grown)), worth_picture(grown[0].pruned, order.seeds[0])]
    return Findings(sentence, numbers, [table], pictures, told(order, settings, pairs), _NOTES, held(growth, last))


def _curves(grown: Sequence[Grown]) -> dict[str, Line]:
    stops = [stop for stop, _ in grown[0].curve]
    return {
        kind: [(stop, mean_distance([one.curve[at][1] for one in grown], kind)) for at, stop in enumerate(stops)]
        for kind in KINDS
    }


def _grow(settings: Diversity, pairs: SentencePairs, seed: int, order: Order) -> Grown:
    """Train one model with stops to look at its heads, then take these away one at a time."""
    torch.manual_seed(seed)
    model: Any = of_family("transformer", settings.model)(pairs.vocabulary)
    plan = TrainSettings(batch_tokens=settings.batch_tokens, precision="float32", seed=seed)
    schedule = Schedule("cosine", settings.learning_rate, max(1, settings.steps // 10), settings.steps)
    trainer = Trainer(model, Translation(0.1), pairs.feed(settings.batch_tokens, seed), schedule, plan)
    looked_at = pairs.encoded(pairs.test[: settings.looked_at])
    curve = []
    order.watch.begin(f"training, seed {seed}", settings.steps)
    for stop in sorted({round(share * settings.steps) for share in settings.shares}):
        for step in trainer.steps(stop):
            order.watch.done(step.number)
        curve.append((stop, distances(model, *looked_at)))
    less = pairs.testing(pairs.test[: settings.pruned_on])
    return Grown(curve, prune_each(model, less, order.watch, f"one head less, seed {seed}"))


def mean_distance(each: Sequence[Maps], kind: str) -> Interval:
    """Of different heads of a layer, one entry a seed: a t interval over the seeds, or of one over the sentences."""
    if len(each) > 1:
        return over_seeds([float(over_heads(one[kind]).mean()) for one in each])
    return bootstrap(over_heads(each[0][kind]))


def growth_of(grown: Sequence[Grown], kind: str) -> Interval:
    """Trained minus untrained, as ``mean_distance``: the same heads looking at the same sentence."""
    return mean_distance([{kind: one.curve[-1][1][kind] - one.curve[0][1][kind]} for one in grown], kind)


def held(growth: Mapping[str, Interval], last: Mapping[str, Interval]) -> bool | None:
    """True where the distance of each kind surely grew and is above zero; False where one surely shrank."""
    if all(growth[kind].low > 0 and last[kind].low > 0 for kind in growth):
        return True
    return False if any(one.high < 0 for one in growth.values()) else None


_NOTES = (
    "The rule: the claim holds where the distance surely grew in the encoder, in the decoder and in cross attention; "
    "it does not where it surely shrank in one of them.",
    "Untrained heads differ too, by chance: what training does is the growth beyond that. A part of it may be that "
    "attention becomes sharper. That two heads look at different places does not say that they say different things.",
    "Of one seed the intervals are over the sentences that are looked at, and say nothing of other trainings.",
    "One head at a time: that each of two may go does not say that both may. What is not surely lost on these test "
    "pairs may be lost on more of them; of the sure losses about one in forty heads that are worth nothing is chance.",
)
STUDY = Study(
    "diversity",
    "What different heads look at",
    "Do the heads of a layer look at different things, and how many of them could go?",
    run,
    takes=("source", "target"),
    claim='"Multi-head attention allows the model to jointly attend to information from different representation '
    'subspaces at different positions." (Vaswani et al. 2017, section 3.2.2)',
)
