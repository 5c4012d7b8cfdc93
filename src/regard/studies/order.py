"""Order (section 3.5): what permuting a source changes, exactly; then models with and without positions, trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from regard.config import setting
from regard.errors import DataError
from regard.layers.position import NoPositions
from regard.models.vocabulary import Vocabulary
from regard.studies.frame.arms import Arm, Outcome, of_family, translate, try_arms
from regard.studies.frame.pairs import SentencePairs, pairs_of
from regard.studies.frame.study import Findings, Order, Study
from regard.studies.frame.summary import outcome_numbers, outcome_table, told
from regard.studies.frame.verdict import Difference, bleu_difference, share_of
from regard.studies.word_order.permuted import Moved, moved
from regard.studies.word_order.pictures import code_pictures, residuals
from regard.studies.word_order.shown import Told, apart_picture, order_table, permuted_table, training_picture
from regard.studies.word_order.swapped import Swapped, built_in, reversed_words
from regard.training.settings import TrainSettings

MODEL = {"layers": 2, "d_model": 128, "d_ff": 256, "heads": 4, "dropout": 0.1, "norm": "pre"}
KINDS = ("none", "sinusoid", "learned", "relative", "alibi", "rotary")
SINUSOID, LEARNED, NONE, BAG = "sinusoid", "learned", "none", "none in the encoder"
ROUNDING = 1e-9  # differences in float64 below this are none


@dataclass(frozen=True)
class WordOrder:
    """What the study does."""

    model: Mapping[str, Any] = field(default_factory=lambda: MODEL)
    swapped: int = setting(500, help="pairs of sources that differ in order alone, at most", minimum=1)
    steps: int = setting(3000, help="updates of each model", minimum=1)
    batch_tokens: int = setting(2048, help="padded tokens a batch", minimum=1)
    learning_rate: float = setting(2e-3, help="peak of the learning rate", minimum=0.0)


FULL = WordOrder()
QUICK = replace(FULL, model={**MODEL, "d_model": 64, "d_ff": 128}, swapped=100, steps=400, batch_tokens=512)


def run(order: Order) -> Findings:
    """Do the study. Raises DataError for a corpus that is too small, or whose texts have one word each."""
    settings = QUICK if order.quick else FULL
    exactly = {kind: moved(kind, order.seed) for kind in KINDS}
    pairs = pairs_of(order)
    swapped = _swapped(order, pairs)[: settings.swapped]
    plan = TrainSettings(steps=settings.steps, batch_tokens=settings.batch_tokens, learning_rate=settings.learning_rate)
    arms = [Arm(name, with_positions(name, settings.model), plan) for name in (SINUSOID, LEARNED, NONE, BAG)]
    outcomes = try_arms(arms, pairs, order.seeds, order.watch)
    told_apart = {name: tell_apart(group, pairs, swapped) for name, group in outcomes.items()}
    gains = {
        name: bleu_difference(outcomes[NONE], outcomes[name], pairs.references) for name in (SINUSOID, LEARNED, BAG)
    }
    steps = residuals()
    numbers = {
        "permuted": {kind: asdict(one) for kind, one in exactly.items()},
        "trained": outcome_numbers(outcomes),
        "bleu_minus_none": {name: asdict(one) for name, one in gains.items()},
        "same_words": {name: asdict(one) for name, one in told_apart.items()},
        "steps": steps,
    }
    return Findings(
        _sentence(exactly, gains, told_apart, len(swapped), order),
        numbers,
        [
            permuted_table(exactly),
            outcome_table("On the test pairs", outcomes, pairs.references),
            order_table(told_apart),
        ],
        [training_picture(outcomes), apart_picture(told_apart), *code_pictures(steps)],
        told(order, settings, pairs),
        _NOTES,
        held(exactly, gains),
    )


def _swapped(order: Order, pairs: SentencePairs) -> list[Swapped]:
    if order.source is None:
        return built_in()
    found = reversed_words(pairs.sources)
    if not found:
        rule, action = "texts of words with spaces between them", "put spaces between words, or give another corpus"
        raise DataError.because(order.source, "no text that reads otherwise backwards", rule, action)
    return found


def with_positions(name: str, settings: Mapping[str, Any]) -> Callable[[Vocabulary], Any]:
    """How a model with these positions is built. "none in the encoder": sinusoids in the decoder alone."""
    whole = of_family("transformer", {**settings, "positions": SINUSOID if name == BAG else name})

    def build(vocabulary: Vocabulary) -> Any:
        model = whole(vocabulary)
        if name == BAG:
            model.encoder.embed.positions = NoPositions()
        return model

    return build


def tell_apart(group: Sequence[Outcome], pairs: SentencePairs, swapped: Sequence[Swapped]) -> Told:
    """Of an arm: the mean over its seeds, of one seed with Wilson's interval over the sentences."""
    differ, right = [], []
    for one in group:
        first = translate(one.model, pairs, [pair.first for pair in swapped])
        second = translate(one.model, pairs, [pair.second for pair in swapped])
        found = list(zip(first, second, strict=True))
        differ.append(np.array([a != b for a, b in found]))
        right.append(np.array([both == pair.translations for both, pair in zip(found, swapped, strict=True)]))
    known = all(pair.translations for pair in swapped)
    return Told(share_of(differ), share_of(right) if known else None)


def held(exactly: Mapping[str, Moved], gains: Mapping[str, Difference]) -> bool | None:
    """True: a permuted source permutes the encoder's output and changes no prediction without positions, does neither
    with any kind of them, and sinusoids surely raise BLEU. False: the first is not so, or BLEU is surely lower.
    """
    without = exactly[NONE]
    ignored = max(without.encoder, without.prediction) < ROUNDING
    broken = all(min(one.encoder, one.prediction) >= ROUNDING for kind, one in exactly.items() if kind != NONE)
    if not (ignored and broken) or gains[SINUSOID].smaller:
        return False
    return True if gains[SINUSOID].larger else None


_NOTES = (
    "The rule: the claim holds where, in random models, permuting the source changes less than 1e-9 without positions "
    "and more with any kind of them, and, in trained ones, sinusoids surely raise BLEU over none at all; it does not "
    "where the first is not so, or BLEU is surely lower.",
    "A decoder without positions still has some of the order of its own text, since its look-ahead mask lets each "
    "position see one word more than the one before. An encoder without positions has none of its source's.",
    "A translation may be right although the encoder knows no order: in most sentences only one order of the words "
    "makes sense. The sentences of the same words are those where it does not help.",
    "Steps of codes: a constant was added to each code, which helps binary codes most. Where k is a power of two, the "
    "digits below it stay as they are.",
)


def _sentence(
    exactly: Mapping[str, Moved], gains: Mapping[str, Difference], apart: Mapping[str, Told], many: int, order: Order
) -> str:
    least = min((one for kind, one in exactly.items() if kind != NONE), key=lambda one: one.encoder)
    kind = "reversing a sentence's words" if order.source else "swapping who does it and to whom"
    shares = ", ".join(f"{100 * one.differ.value:.0f} % with {name}" for name, one in apart.items())
    return (
        f"Without positions the output of a random encoder for a permuted source is the permuted output to within "
        f"{exactly[NONE].encoder:.0e}, and predictions change by {exactly[NONE].prediction:.0e}; with any kind of "
        f"positions the output differs by {least.encoder:.2g} or more. Trained alike, sinusoids give "
        f"{gains[SINUSOID].text('BLEU')} over none at all, learned positions {gains[LEARNED].text('BLEU')}, and "
        f"sinusoids in the decoder alone {gains[BAG].text('BLEU')}. In {many} sentences {kind} changes the "
        f"translation of {shares}."
    )


STUDY = Study(
    "order",
    "The order of words",
    "Does self-attention ignore the order of its input, and do positions give it back?",
    run,
    takes=("source", "target"),
    claim='"Since our model contains no recurrence and no convolution, in order for the model to make use of the order '
    "of the sequence, we must inject some information about the relative or absolute position of the tokens in the "
    'sequence." (Vaswani et al. 2017, section 3.5)',
)
