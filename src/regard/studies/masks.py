"""The three masks (sections 3.1 and 3.2.3): drawn, then each left out in turn, in training and in use alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from regard.config import setting
from regard.looking.trends import Panel, bars, exact, trends
from regard.studies.frame.arms import Arm, try_arms
from regard.studies.frame.pairs import SentencePairs, pairs_of
from regard.studies.frame.plan import plan_of
from regard.studies.frame.study import Findings, Order, Picture, Study, Table
from regard.studies.frame.summary import Outcomes, curve_panel, outcome_numbers, outcome_table, text_over_seeds, told
from regard.studies.frame.verdict import Difference, all_held, bleu_difference, loss_difference, over_seeds
from regard.studies.unmasked.drawn import drawn
from regard.studies.unmasked.models import AHEAD, ALL, CROSS, ENCODER, without
from regard.studies.unmasked.notations import notations
from regard.studies.unmasked.padding import changes

MODEL = {"layers": 2, "d_model": 128, "d_ff": 256, "heads": 4, "dropout": 0.1, "norm": "pre"}
PADDING = (ENCODER, CROSS)
ROUNDING = 1e-9  # nats by which log P may change in float64 and count as the same
LAST = 25  # updates whose mean is the training loss in the end


@dataclass(frozen=True)
class Masks:
    """What the study does."""

    model: Mapping[str, Any] = field(default_factory=lambda: MODEL)
    extras: tuple[int, ...] = setting((0, 4, 16, 64), help="padding tokens added to a source")
    padded: int = setting(200, help="test pairs that are padded", minimum=1)
    steps: int = setting(3000, help="updates of each model", minimum=1)
    batch_tokens: int = setting(2048, help="padded tokens a batch", minimum=1)
    learning_rate: float = setting(2e-3, help="peak of the learning rate", minimum=0.0)


FULL = Masks()
QUICK = replace(FULL, model={**MODEL, "d_model": 64, "d_ff": 128}, padded=40, steps=400, batch_tokens=512)


def run(order: Order) -> Findings:
    """Do the study. Raises DataError for a corpus that is too small."""
    settings = QUICK if order.quick else FULL
    pairs = pairs_of(order)
    arms = [Arm(name, without(name, settings.model), plan_of(settings)) for name in (ALL, AHEAD, ENCODER, CROSS)]
    outcomes = try_arms(arms, pairs, order.seeds, order.watch)
    moved = {name: _changes(outcomes, name, pairs, settings) for name in (ALL, ENCODER, CROSS)}
    bleu = {name: bleu_difference(outcomes[ALL], outcomes[name], pairs.references) for name in (AHEAD, *PADDING)}
    loss = {name: loss_difference(outcomes[ALL], outcomes[name]) for name in (AHEAD, *PADDING)}
    verdicts = {
        AHEAD: leaks(loss[AHEAD], bleu[AHEAD]),
        **{name: counts(moved[ALL][-1], moved[name][-1]) for name in PADDING},
    }
    numbers = {
        "trained": outcome_numbers(outcomes),
        "training_loss": {name: [_last_loss(one.curve) for one in group] for name, group in outcomes.items()},
        "needed": verdicts,
        "against_all_masks": {name: {"bleu": asdict(bleu[name]), "loss": asdict(loss[name])} for name in bleu},
        "padding": {
            name: [
                {"extra": extra, "mean_change": float(abs(row).mean()), "largest_change": float(abs(row).max())}
                for extra, row in zip(settings.extras, rows, strict=True)
            ]
            for name, rows in moved.items()
        },
        "notations": [asdict(one) for one in notations(order.seed)],
    }
    return Findings(
        _sentence(outcomes, moved, bleu, loss, settings),
        numbers,
        [
            _training_table(outcomes),
            outcome_table("On the test pairs", outcomes, pairs.references),
            _notation_table(order),
        ],
        [*drawn(pairs), _curves(outcomes, moved, settings), _bleu_picture(outcomes)],
        told(order, settings, pairs),
        _NOTES,
        all_held(verdicts.values()),
    )


def leaks(loss: Difference, bleu: Difference) -> bool | None:
    """Whether the look-ahead mask is needed. True: without it the test loss under teacher forcing is surely lower and
    BLEU surely lower too. False: one of them is surely higher.
    """
    return True if loss.smaller and bleu.smaller else False if loss.larger or bleu.larger else None


def counts(masked: np.ndarray, unmasked: np.ndarray) -> bool | None:
    """Whether a padding mask is needed, by the changes of log P that most padding makes to each pair. True: with all
    masks none changes, without this one most do. False: none does without it either.
    """
    if (abs(masked) < ROUNDING).all() and (abs(unmasked) >= ROUNDING).mean() > 0.5:
        return True
    return False if (abs(unmasked) < ROUNDING).all() else None


_NOTES = (
    "The loss and BLEU of models without a padding mask depend on which sentences stand in a batch together. "
    "Training and scoring put sentences of like length together, with little padding: the change of log P by padding "
    "shows the fault that BLEU may hide.",
    "The decoder has no padding mask of its own: padding stands after the last token, so the look-ahead mask hides it "
    "from every position that counts. The padding that is drawn as hidden there is hidden in this way.",
)


def _changes(outcomes: Outcomes, name: str, pairs: SentencePairs, settings: Masks) -> np.ndarray:
    """[extras, test pairs × seeds]."""
    chosen = pairs.test[: settings.padded]
    return np.concatenate([changes(one.model, pairs, chosen, settings.extras) for one in outcomes[name]], axis=1)


def _last_loss(curve: Sequence[Any]) -> float:
    return float(np.mean([step.plain_loss for step in curve[-LAST:]]))


def _sentence(
    outcomes: Outcomes,
    moved: Mapping[str, np.ndarray],
    bleu: Mapping[str, Difference],
    loss: Mapping[str, Difference],
    settings: Masks,
) -> str:
    trained = {name: text_over_seeds([_last_loss(one.curve) for one in outcomes[name]], 3) for name in (ALL, AHEAD)}
    written = {name: text_over_seeds([one.bleu for one in outcomes[name]]) for name in (ALL, AHEAD)}
    padding = "; ".join(
        f"without the one in {place}, by {abs(moved[name][-1]).mean():.3g}, and BLEU by {bleu[name].text()}"
        for name, place in ((ENCODER, "the encoder"), (CROSS, "cross attention"))
    )
    return (
        f"Without the look-ahead mask the training loss ends at {trained[AHEAD]} nats per token, with it at "
        f"{trained[ALL]} (test, with the reference fed in: {loss[AHEAD].text('nats', 3)}), while BLEU of what the "
        f"model writes by itself is {written[AHEAD]}, with it {written[ALL]}. With the padding masks "
        f"{settings.extras[-1]} padding tokens change log P of a pair by at most {abs(moved[ALL]).max():.1g} nats; on "
        f"average, {padding}."
    )


def _curves(outcomes: Outcomes, moved: Mapping[str, np.ndarray], settings: Masks) -> Picture:
    lines = {
        name: [(extra, exact(float(abs(row).mean()))) for extra, row in zip(settings.extras, rows, strict=True)]
        for name, rows in moved.items()
    }
    panels = [
        curve_panel(outcomes, "Training", 0.0),
        Panel(lines, "padding tokens added to the source", "change of log P of a pair, nats", "In use"),
    ]
    caption = (
        "Training loss of the first seed, smoothed (curves that hide one another are alike), and the mean size of the "
        "change that padding makes."
    )
    return Picture("left-out", trends(panels, "Each mask left out in turn"), caption)


def _bleu_picture(outcomes: Outcomes) -> Picture:
    rows = {name: over_seeds([one.bleu for one in group]) for name, group in outcomes.items()}
    return Picture("bleu", bars(rows, "BLEU", "What the models write by themselves"), "BLEU of greedy translations.")


def _training_table(outcomes: Outcomes) -> Table:
    rows = [(name, text_over_seeds([_last_loss(one.curve) for one in group], 3)) for name, group in outcomes.items()]
    return Table(
        "In the end of training", ("", "training loss"), rows, f"Nats per token, over the last {LAST} updates."
    )


def _notation_table(order: Order) -> Table:
    rows = [
        (one.name, f"{one.difference:.1g}", f"{100 * one.leaked:.0f} %", one.blind_row) for one in notations(order.seed)
    ]
    headings = ("mask", "largest difference from ours", "weight on hidden keys", "a row that may look nowhere")
    return Table("The ways to write a mask", headings, rows, "Softmax weights of random scores with a random mask.")


STUDY = Study(
    "masks",
    "The three masks",
    "What goes wrong when the look-ahead mask, or the padding mask of the encoder or of cross attention, is left out?",
    run,
    takes=("source", "target"),
    claim='"We need to prevent leftward information flow in the decoder to preserve the auto-regressive property." '
    "(Vaswani et al. 2017, section 3.2.3) And padding must not count.",
)
