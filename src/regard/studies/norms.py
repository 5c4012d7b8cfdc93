"""Norms: which numbers are brought to one scale together, and what comes of it in small batches and mixed lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from regard.config import setting
from regard.looking.norms import scaled, sheets
from regard.looking.trends import Panel, trends
from regard.studies.frame.arms import Arm, Outcome, of_family, try_arms
from regard.studies.frame.pairs import SentencePairs, joined, pairs_of
from regard.studies.frame.study import Findings, Order, Picture, Study, Table
from regard.studies.frame.summary import Outcomes, curve_panel, outcome_numbers, text_over_seeds, told
from regard.studies.frame.verdict import Difference, all_held, loss_contrast, loss_difference, over_seeds
from regard.training.settings import TrainSettings

KINDS = ("layer", "rms", "group", "batch")
MODEL = {"layers": 2, "d_model": 128, "d_ff": 256, "heads": 4, "dropout": 0.1, "norm": "pre", "norm_groups": 8}


@dataclass(frozen=True)
class Norms:
    """What the study does. All models see equally many tokens, so that small batches make more updates."""

    model: Mapping[str, Any] = field(default_factory=lambda: MODEL)
    batches: tuple[int, ...] = setting((128, 512, 2048), help="padded tokens a batch, the smallest first")
    tokens: int = setting(1_000_000, help="padded tokens of the longer side that each model sees", minimum=1)
    varied: tuple[str, ...] = setting(KINDS, help="norms that are also tried with texts of mixed length")
    mixed: tuple[int, ...] = setting((1, 2, 3), help="sentences in the texts of mixed length")
    test: int = setting(500, help="texts of the test", minimum=2)
    learning_rate: float = setting(1e-3, help="peak of the learning rate, with batches of every size", minimum=0.0)


FULL = Norms()
QUICK = replace(
    FULL,
    model={**MODEL, "layers": 1, "d_model": 32, "d_ff": 64, "heads": 2},
    tokens=90_000,
    varied=("layer", "batch"),
    test=100,
    learning_rate=5e-3,
)


def run(order: Order) -> Findings:
    """Do the study. Raises DataError for a corpus that is too small."""
    settings = QUICK if order.quick else FULL
    pairs = pairs_of(order)
    single = pairs.testing(pairs.test[: settings.test])
    by_size = {size: _try(settings, KINDS, size, single, order, f"{size} tokens a batch") for size in settings.batches}
    varied = _try(
        settings, settings.varied, settings.batches[0], _mixed(single, settings, order), order, "mixed lengths"
    )
    gaps = {size: loss_difference(found["layer"], found["batch"]) for size, found in by_size.items()}
    mixed = loss_difference(varied["layer"], varied["batch"])
    smallest, largest = (by_size[settings.batches[place]] for place in (0, -1))
    grows = widens(smallest, largest)
    return Findings(
        _sentence(gaps, grows, mixed),
        {
            "by batch size": {str(size): outcome_numbers(found) for size, found in by_size.items()},
            "mixed lengths": outcome_numbers(varied),
            "batch minus layer": {str(size): {"value": gap.value, "sure": gap.sure} for size, gap in gaps.items()},
            "smallest minus largest batches": {"value": grows.value, "sure": grows.sure},
            "batch minus layer, mixed lengths": {"value": mixed.value, "sure": mixed.sure},
        },
        [_table(by_size, gaps, varied, mixed, single)],
        [_sheets(), _picture(by_size, varied, smallest, max(settings.mixed))],
        told(order, settings, pairs),
        _NOTES,
        verdict(gaps[settings.batches[0]], grows),
    )


def widens(small: Outcomes, large: Outcomes) -> Difference:
    """What batch norm loses against layer norm in small batches, minus what it loses in large ones, in nats per token.

    (batch − layer) there − (batch − layer) here, on the same texts.
    """
    return loss_contrast([(1, small["batch"]), (-1, small["layer"]), (-1, large["batch"]), (1, large["layer"])])


def verdict(smallest: Difference, grows: Difference) -> bool | None:
    """True where batch norm is surely worse than layer norm in the smallest batches, and surely by more than in the
    largest. False where one of the two is surely the other way.
    """
    return all_held(True if one.larger else False if one.smaller else None for one in (smallest, grows))


def _mixed(pairs: SentencePairs, settings: Norms, order: Order) -> SentencePairs:
    train, test = (joined(one, settings.mixed, order.seed) for one in (pairs.train, pairs.test))
    return SentencePairs(pairs.name, train, test, pairs.source, pairs.target)


def _try(
    settings: Norms, kinds: Sequence[str], size: int, pairs: SentencePairs, order: Order, where: str
) -> dict[str, list[Outcome]]:
    plan = TrainSettings(
        steps=max(1, settings.tokens // size),
        batch_tokens=size,
        learning_rate=settings.learning_rate,
        label_smoothing=0.0,
    )
    arms = [
        Arm(f"{kind} norm, {where}", of_family("transformer", {**settings.model, "norm_kind": kind}), plan)
        for kind in kinds
    ]
    return dict(zip(kinds, try_arms(arms, pairs, order.seeds, order.watch).values(), strict=True))


def _sentence(gaps: Mapping[int, Difference], grows: Difference, mixed: Difference) -> str:
    told_gaps = "; ".join(f"{size} tokens: {gap.text('nats per token', 3)}" for size, gap in gaps.items())
    return (
        f"Test loss with batch norm minus that with layer norm, in batches of {told_gaps}. In the smallest this gap is "
        f"{grows.way('larger', 'smaller')} than in the largest, {grows.text('nats', 3)}. With texts of mixed length in "
        f"the smallest batches it is {mixed.text('nats per token', 3)}."
    )


def _table(
    by_size: Mapping[int, Outcomes],
    gaps: Mapping[int, Difference],
    varied: Outcomes,
    mixed: Difference,
    pairs: SentencePairs,
) -> Table:
    tokens = np.mean([len(ids) + 1 for ids in pairs.train_ids[1]])
    rows = [
        (f"{size} tokens, about {size / tokens:.0f} sentences", *_losses(found), gaps[size].text("nats", 3))
        for size, found in by_size.items()
    ]
    rows.append((f"{min(by_size)} tokens, texts of mixed length", *_losses(varied), mixed.text("nats", 3)))
    note = "Over several seeds: mean and 95 % t interval. The test is worked out position by position, dropout off."
    return Table("Test loss, nats per token", ("batch", *(f"{k} norm" for k in KINDS), "batch − layer"), rows, note)


def _losses(found: Outcomes) -> list[str]:
    return [text_over_seeds([one.nats_per_token for one in found[k]], 3) if k in found else "" for k in KINDS]


def _sheets() -> Picture:
    generator = np.random.default_rng(3)
    texts = generator.normal(size=(2, 3, 8)) * np.array([1, 1, 1, 4, 1, 1, 1, 1]) + np.array([0, 0, 2, 0, 0, 0, -2, 5])
    caption = (
        "Two texts of three positions with eight features each, before and after. A frame is around numbers that are "
        "brought to one scale together, without the trained gain and bias. Only where frames reach over several rows "
        "does a position's result depend on other positions, and on other texts. Positions are named text.place."
    )
    return Picture("sheets", sheets(scaled(texts, 2), 2, "Which numbers are scaled together"), caption)


def _picture(by_size: Mapping[int, Outcomes], varied: Outcomes, smallest: Outcomes, longest: int) -> Picture:
    def loss(group: Sequence[Outcome]) -> Any:
        return over_seeds([one.nats_per_token for one in group])

    sizes = {f"{k} norm": [(size, loss(found[k])) for size, found in by_size.items()] for k in KINDS}
    lengths = {f"{k} norm": [(1, loss(smallest[k])), (longest, loss(group))] for k, group in varied.items()}
    label = "test loss, nats per token"
    panels = [
        Panel(sizes, "tokens a batch, equally many seen", label, "By batch size", log_x=True),
        Panel(lengths, "sentences in the longest texts", label, "By variety of lengths, smallest batches"),
        curve_panel({f"{k} norm": group for k, group in smallest.items()}, "Training, smallest batches"),
    ]
    caption = (
        "Test loss by batch size and by variety of lengths, and the curves of training. The curve of batch norm cannot "
        "be compared: in training its decoder sees its own future through the statistics. Bands: 95 % over seeds."
    )
    return Picture("norms", trends(panels, "Layer, RMS, group and batch norm"), caption)


_NOTES = (
    "The rule: the claim holds where batch norm is surely worse than layer norm in the smallest batches, and surely by "
    "more than in the largest; it does not where one of these is surely the other way. In larger batches, or with "
    "mixed lengths, batch norm may be the better one: the claim does not say otherwise.",
    "With batch norm a position sees the others of its batch in training, in the decoder its own future too; the test "
    "uses running statistics. Only test losses are compared.",
    "Larger batches make fewer updates from the same tokens at the same learning rate: compare norms within a batch "
    "size, not sizes.",
    "Batches hold texts of like length, so with mixed lengths one batch differs more from another, and small batches "
    "hold fewer texts.",
    "Tests of mixed length are other texts than those of single sentences: there too compare norms, not losses.",
)

STUDY = Study(
    "norms",
    "Layer norm, and why not batch norm",
    "Is layer norm better than batch norm, above all in small batches?",
    run,
    takes=("source", "target"),
    claim="Batch norm's error grows as batches shrink, as its statistics become inaccurate (Wu & He 2018); layer norm "
    "works on each case alone, in training as in the test (Ba et al. 2016).",
)
