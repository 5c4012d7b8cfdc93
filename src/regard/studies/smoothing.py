"""Label smoothing (section 5.4; row D of Table 3): one model is trained with several values of ε, otherwise alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from regard.config import setting
from regard.looking.trends import Panel, trends
from regard.studies.frame.arms import Arm, of_family, try_arms
from regard.studies.frame.pairs import pairs_of
from regard.studies.frame.plan import plan_of
from regard.studies.frame.study import Findings, Order, Picture, Study
from regard.studies.frame.summary import Outcomes, outcome_numbers, outcome_table, perplexity, told
from regard.studies.frame.verdict import bleu_difference, loss_difference, over_seeds

MODEL = {"layers": 2, "d_model": 128, "d_ff": 256, "heads": 4, "dropout": 0.1, "norm": "pre"}


@dataclass(frozen=True)
class Smoothing:
    """What the study does."""

    model: Mapping[str, Any] = field(default_factory=lambda: MODEL)
    epsilons: tuple[float, ...] = setting((0.0, 0.1, 0.2, 0.4), help="ε of label smoothing; the first is without")
    steps: int = setting(3000, help="updates of each model", minimum=1)
    batch_tokens: int = setting(2048, help="padded tokens a batch", minimum=1)
    learning_rate: float = setting(2e-3, help="peak of the learning rate", minimum=0.0)


FULL = Smoothing()
QUICK = replace(FULL, model={**MODEL, "d_model": 64}, epsilons=(0.0, 0.1, 0.4), steps=400, batch_tokens=1024)


def run(order: Order) -> Findings:
    """Do the study. Raises DataError for a corpus that is too small."""
    settings = QUICK if order.quick else FULL
    pairs = pairs_of(order)
    arms = [_arm(settings, epsilon) for epsilon in settings.epsilons]
    outcomes = try_arms(arms, pairs, order.seeds, order.watch)
    without, paper = outcomes[_name(0.0)], outcomes[_name(0.1)]
    better = bleu_difference(without, paper, pairs.references)
    worse = loss_difference(without, paper)
    held = True if better.larger and worse.larger else False if better.smaller or worse.smaller else None
    sentence = (
        f"With ε = 0.1 the perplexity is {worse.way('higher', 'lower')} than without "
        f"({worse.text('nats per token', 3)}), and BLEU is {better.way('higher', 'lower')} ({better.text('BLEU')})."
    )
    return Findings(
        sentence,
        outcome_numbers(outcomes),
        [outcome_table("Perplexity and BLEU", outcomes, pairs.references)],
        [_picture(settings, outcomes)],
        told(order, settings, pairs),
        _NOTES,
        held,
    )


def _name(epsilon: float) -> str:
    return f"ε = {epsilon:g}"


def _arm(settings: Smoothing, epsilon: float) -> Arm:
    return Arm(_name(epsilon), of_family("transformer", settings.model), plan_of(settings, epsilon))


def _picture(settings: Smoothing, outcomes: Outcomes) -> Picture:
    groups = list(zip(settings.epsilons, outcomes.values(), strict=True))
    bleu = [(epsilon, over_seeds([one.bleu for one in group])) for epsilon, group in groups]
    surprise = [(epsilon, over_seeds([perplexity(one) for one in group])) for epsilon, group in groups]
    panels = [
        Panel({"perplexity": surprise}, "ε of label smoothing", "perplexity per token", "Lower is better"),
        Panel({"BLEU": bleu}, "ε of label smoothing", "BLEU", "Higher is better"),
    ]
    caption = "Perplexity and BLEU of one model on the test pairs, by label smoothing. Bands: 95 % over the seeds."
    return Picture("smoothing", trends(panels, "Label smoothing (section 5.4)"), caption)


_NOTES = (
    "The rule: the claim holds where ε = 0.1 surely raises perplexity and surely raises BLEU; it does not where one of "
    "them surely falls. Other ε are shown and not judged; accuracy, of which the claim also speaks, is not measured.",
    "Perplexity is that of the references themselves, without smoothing.",
)
STUDY = Study(
    "smoothing",
    "Label smoothing",
    "Does label smoothing make the model less sure of the reference, and its translations better?",
    run,
    takes=("source", "target"),
    claim='"This hurts perplexity, as the model learns to be more unsure, but improves accuracy and BLEU score." '
    "(Vaswani et al. 2017, section 5.4)",
)
