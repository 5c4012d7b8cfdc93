"""Scaled dot products (section 3.2.1): random scores by d_k, then one model trained with and without 1/√d_k.

Heads times d_k is d_model in every arm, so all of them have the same matrices, whose products have components of
variance 1 before training, as footnote 4 assumes. Only how many heads share them differs, and the division by √d_k.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from regard.config import setting
from regard.looking.trends import trends
from regard.studies.frame.arms import Arm, of_family, try_arms
from regard.studies.frame.pairs import pairs_of
from regard.studies.frame.plan import plan_of
from regard.studies.frame.study import Findings, Order, Picture, Study, Table
from regard.studies.frame.summary import Outcomes, curve_panel, outcome_numbers, outcome_table, told
from regard.studies.frame.verdict import Difference, all_held, bleu_difference, loss_difference, over_seeds
from regard.studies.saturation.by_width import NAMES, Random, drawn, saturates
from regard.studies.saturation.softmax import PLAIN, SCALED, Sharpness, sharpness

MODEL = {"layers": 2, "d_model": 256, "d_ff": 512, "dropout": 0.1, "norm": "pre"}
SEEDS_APART = 1000  # between the random scores of neighbouring d_k


@dataclass(frozen=True)
class Scaling:
    """What the study does."""

    widths: tuple[int, ...] = setting((1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024), help="d_k of random queries, keys")
    draws: int = setting(50, help="sets of random queries and keys", minimum=2)
    keys: int = setting(32, help="random keys of a set", minimum=2)
    model: Mapping[str, Any] = field(default_factory=lambda: MODEL)
    heads: tuple[int, ...] = setting((32, 4, 1), help="heads of the trained models; d_k is d_model / heads")
    steps: int = setting(3000, help="updates of each model", minimum=1)
    batch_tokens: int = setting(2048, help="padded tokens a batch", minimum=1)
    learning_rate: float = setting(1e-3, help="peak of the learning rate", minimum=0.0)

    def d_k(self, heads: int) -> int:
        """Of a model with so many heads."""
        return int(self.model["d_model"]) // heads


FULL = Scaling()
QUICK = replace(
    FULL,
    draws=20,
    model={**MODEL, "d_model": 64, "d_ff": 128},
    heads=(16, 1),
    steps=400,
    batch_tokens=512,
    learning_rate=2e-3,
)


@dataclass(frozen=True)
class Harm:
    """What leaving 1/√d_k out changed in a trained model: BLEU, and nats per token."""

    bleu: Difference
    loss: Difference

    @property
    def verdict(self) -> bool | None:
        """True: one of the two is surely worse and neither surely better. False: surely better. None: unsure."""
        worse, better = self.bleu.smaller or self.loss.larger, self.bleu.larger or self.loss.smaller
        return None if worse == better else worse


def run(order: Order) -> Findings:
    """Do the study. Raises DataError for a corpus that is too small."""
    settings = QUICK if order.quick else FULL
    random = {
        width: sharpness(width, settings.draws, settings.keys, order.seed * SEEDS_APART + width)
        for width in settings.widths
    }
    pairs = pairs_of(order)
    arms = [_arm(settings, heads, scale) for heads in settings.heads for scale in (True, False)]
    outcomes = try_arms(arms, pairs, order.seeds, order.watch)
    harms = {}
    for heads in settings.heads:
        scaled, plain = (outcomes[_name(settings, heads, scale)] for scale in (True, False))
        harms[settings.d_k(heads)] = Harm(
            bleu_difference(scaled, plain, pairs.references), loss_difference(scaled, plain)
        )
    saturated = saturates(random)
    numbers = {
        "random": {name: [{"d_k": width, **_means(random[width][name])} for width in random] for name in NAMES},
        "trained": outcome_numbers(outcomes),
        "without_minus_with": {str(d_k): {"bleu": asdict(h.bleu), "loss": asdict(h.loss)} for d_k, h in harms.items()},
    }
    return Findings(
        _sentence(random, saturated, harms, settings),
        numbers,
        [outcome_table("Trained with and without 1/√d_k", outcomes, pairs.references), _harm_table(harms)],
        [drawn(random, settings.keys, settings.draws), _trained_picture(outcomes)],
        told(order, settings, pairs),
        _NOTES,
        held(saturated, harms[max(harms)]),
    )


def held(saturated: bool | None, harm: Harm) -> bool | None:
    """True: random softmax rows saturate, and the model of the largest d_k is surely worse without scaling."""
    return all_held((saturated, harm.verdict))


_SURE = {True: "the softmax saturates", False: "the softmax does not saturate", None: "saturation is not sure"}
_HARM = {True: "surely worse", False: "surely better", None: "not surely better or worse"}
_NOTES = (
    "Gradient: the norm of the Jacobian of one softmax row by its scores. Of the gradient that reaches a query, 1/√d_k "
    "itself takes a part as well, which is the same for all its components.",
    "Random queries and keys are what footnote 4 speaks of, and what the trained models begin with. Training may make "
    "queries and keys smaller and so undo what is left out; how well it does is what their scores show.",
    "The additive similarity is measured as it stands before training, on random vectors; no model is trained with it.",
)


def _means(one: Sharpness) -> dict[str, float]:
    return {
        "variance": over_seeds(one.variance).value,
        "entropy": over_seeds(one.entropy).value,
        "gradient": over_seeds(one.gradient).value,
    }


def _sentence(random: Random, saturated: bool | None, harms: Mapping[int, Harm], settings: Scaling) -> str:
    width = max(random)
    plain, scaled = (random[width][name] for name in (PLAIN, SCALED))
    entropies, gradients = (
        [over_seeds(values).text(digits, 1.0) for values in both]
        for both, digits in (((plain.entropy, scaled.entropy), 2), ((plain.gradient, scaled.gradient), 3))
    )
    trained = "; ".join(
        f"at d_k {d_k} it is {_HARM[harm.verdict]}, {harm.bleu.text('BLEU')} and {harm.loss.text('nats per token', 3)}"
        for d_k, harm in harms.items()
    )
    return (
        f"Random vectors: {_SURE[saturated]} without 1/√d_k. At d_k {width:,} a row has {entropies[0]} nats of entropy "
        f"and with scaling {entropies[1]} (of at most {math.log(settings.keys):.2f}), and its gradient a norm of "
        f"{gradients[0]}, with scaling {gradients[1]}. Trained models: without scaling, {trained}."
    )


def _name(settings: Scaling, heads: int, scale: bool) -> str:
    return f"d_k {settings.d_k(heads)}, {'scaled' if scale else 'not scaled'}"


def _arm(settings: Scaling, heads: int, scale: bool) -> Arm:
    model = {**settings.model, "heads": heads, "scale": scale}
    return Arm(_name(settings, heads, scale), of_family("transformer", model), plan_of(settings))


def _harm_table(harms: Mapping[int, Harm]) -> Table:
    rows = [
        (d_k, harm.bleu.text("BLEU"), harm.loss.text("nats", 3), _HARM[harm.verdict]) for d_k, harm in harms.items()
    ]
    note = "Without scaling minus with scaling, on the test pairs."
    return Table("What leaving 1/√d_k out changes", ("d_k", "BLEU", "nats per token", "without scaling"), rows, note)


def _trained_picture(outcomes: Outcomes) -> Picture:
    caption = "Training loss of the first seed, the mean of the last 25 updates."
    return Picture("training", trends([curve_panel(outcomes)], "Trained with and without 1/√d_k"), caption)


STUDY = Study(
    "scaling",
    "Scaled dot products",
    "Does the softmax saturate when dot products of large d_k are not divided by √d_k, and does the model suffer?",
    run,
    takes=("source", "target"),
    claim='"We suspect that for large values of d_k, the dot products grow large in magnitude, pushing the softmax '
    'function into regions where it has extremely small gradients." (Vaswani et al. 2017, section 3.2.1)',
)
