"""Longer than any text of training (section 3.5): copying, with every kind of position, beyond the lengths trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from regard.config import setting
from regard.data.builtin import sample
from regard.data.tokenizers.tokenizer import TokenizerSettings
from regard.evaluation.interval import Interval
from regard.looking.trends import Panel, trends
from regard.studies.by_length.copying import (
    Shares,
    broke_off,
    changes,
    copied,
    copied_exactly,
    inside,
    measured,
    over_texts,
    percent,
    texts_to_copy,
)
from regard.studies.frame.arms import Arm, of_family, try_arms
from regard.studies.frame.pairs import SentencePairs, with_tokenizers
from regard.studies.frame.study import Findings, Order, Picture, Study, Table
from regard.studies.frame.summary import curve_panel, outcome_numbers, told
from regard.studies.frame.verdict import Difference
from regard.training.settings import TrainSettings

SINUSOID = "sinusoid"
MODEL = {"layers": 2, "d_model": 128, "d_ff": 256, "heads": 4, "dropout": 0.0, "norm": "pre"}
LEARNT = 0.8  # of the words copied inside the lengths of training: with less, beyond says nothing of positions
SLIGHT = 0.05  # a share of words that is lost though the claim holds


@dataclass(frozen=True)
class Longer:
    """What the study does. Lengths are in words; ``beyond`` are those that the verdict is of."""

    positions: tuple[str, ...] = (SINUSOID, "learned", "relative", "alibi", "rotary", "none")
    model: Mapping[str, Any] = field(default_factory=lambda: MODEL)
    words: int = setting(100, help="different words in the texts", minimum=2)
    trained: int = setting(16, help="words of the longest text of training", minimum=1)
    tested: tuple[int, ...] = setting((2, 4, 8, 12, 16, 18, 20, 24, 28, 32, 48, 64), help="words in a text of the test")
    beyond: tuple[int, ...] = setting((24, 28, 32), help="of these, 1.5 to 2 times the longest of training")
    texts: int = setting(100, help="texts of each length in the test", minimum=2)
    many: int = setting(20_000, help="texts of training", minimum=1)
    steps: int = setting(4000, help="updates of each model", minimum=1)
    batch_tokens: int = setting(1024, help="padded tokens a batch", minimum=1)
    learning_rate: float = setting(1e-3, help="peak of the learning rate", minimum=0.0)


FULL = Longer()
QUICK = replace(
    FULL,
    model={**MODEL, "layers": 1, "d_model": 64, "d_ff": 128},
    words=30,
    trained=8,
    tested=(2, 4, 6, 8, 10, 12, 14, 16, 24, 32),
    beyond=(12, 14, 16),
    texts=30,
    many=8000,
    steps=400,
    batch_tokens=512,
    learning_rate=4e-3,
)


def run(order: Order) -> Findings:
    """Do the study."""
    settings = QUICK if order.quick else FULL
    pairs = _pairs(settings, order.seed)
    outcomes = try_arms([_arm(settings, kind) for kind in settings.positions], pairs, order.seeds, order.watch)
    shares, exact, short = (
        measured(settings.tested, pairs.sources, outcomes, measure) for measure in (copied, copied_exactly, broke_off)
    )
    fell = {kind: changes(group, settings.trained, settings.beyond) for kind, group in shares.items()}
    words = {
        kind: [(length, over_texts(group, length)) for length in settings.tested] for kind, group in shares.items()
    }
    words, texts = _lines(settings, shares), _lines(settings, exact)
    learnt = float(np.mean([inside(one, settings.trained).mean() for one in shares[SINUSOID]]))
    border = ("longest of training", float(settings.trained))
    panels = [
        Panel(words, "words in the text", "words copied, %", "Words", limits=(-3, 112), border=border),
        Panel(texts, "words in the text", "texts copied exactly, %", "Whole texts", limits=(-3, 112), border=border),
        curve_panel(outcomes, "Training"),
    ]
    return Findings(
        _sentence(settings, shares, short, fell),
        {
            "arms": outcome_numbers(outcomes),
            "words copied": {kind: {length: one.value for length, one in line} for kind, line in words.items()},
            "texts copied": {kind: {length: one.value for length, one in line} for kind, line in texts.items()},
            "copies too short beyond": {kind: percent(group, settings.beyond) for kind, group in short.items()},
            "beyond minus inside": {kind: {"value": one.value, "sure": one.sure} for kind, one in fell.items()},
        },
        [_table("Words copied, %", settings, words, fell), _table("Texts copied exactly, %", settings, texts, {})],
        [Picture("longer", trends(panels, "Copying texts longer than any of training"), _CAPTION)],
        told(order, settings),
        _NOTES,
        verdict(fell[SINUSOID], learnt),
    )


def _pairs(settings: Longer, seed: int) -> SentencePairs:
    """Texts of the most frequent words of the built-in English, one vocabulary for both sides."""
    counts: dict[str, int] = {}
    for pair in sample.splits()["train"]:
        for word in sample.words(pair.english.lower()):
            counts[word] = counts.get(word, 0) + word.isalpha()
    words = sorted(counts, key=lambda word: (-counts[word], word))[: settings.words]
    train = texts_to_copy(words, range(1, settings.trained + 1), settings.many, seed)
    test = [texts_to_copy(words, (length,), settings.texts, 1000 + length) for length in settings.tested]
    flat = [pair for part in test for pair in part]
    return with_tokenizers("words to copy", train, flat, TokenizerSettings("word"))


def _arm(settings: Longer, kind: str) -> Arm:
    plan = TrainSettings(
        steps=settings.steps,
        batch_tokens=settings.batch_tokens,
        learning_rate=settings.learning_rate,
        label_smoothing=0.0,
    )
    longest = 2 * max(settings.tested) + 16  # places of a learned table, which a translation may also reach
    return Arm(kind, of_family("transformer", {**settings.model, "positions": kind, "longest": longest}), plan)


def _lines(settings: Longer, shares: Mapping[str, Sequence[Shares]]) -> dict[str, list[tuple[int, Interval]]]:
    return {kind: [(length, over_texts(group, length)) for length in settings.tested] for kind, group in shares.items()}


def verdict(change: Difference, inside: float) -> bool | None:
    """Of the sinusoids: True where surely at most SLIGHT less is copied beyond, False where surely more than that.

    None where neither is sure, or copying was not learnt inside the lengths of training.
    """
    if inside < LEARNT or change.low is None or change.high is None:
        return None
    return True if change.low > -SLIGHT else False if change.high < -SLIGHT else None


def _sentence(
    settings: Longer,
    shares: Mapping[str, Sequence[Shares]],
    short: Mapping[str, Sequence[Shares]],
    fell: Mapping[str, Difference],
) -> str:
    within = [length for length in settings.tested if length <= settings.trained]
    beyond = {kind: percent(group, settings.beyond) for kind, group in shares.items()}
    best = max(beyond, key=lambda kind: beyond[kind])
    won = "the best of all" if best == SINUSOID else f"the best of all is {best} with {beyond[best]:.1f} %"
    return (
        f"With sinusoids {percent(shares[SINUSOID], within):.1f} % of the words of texts as long as those of training "
        f"(up to {settings.trained} words) are copied, and {beyond[SINUSOID]:.1f} % of texts of {settings.beyond[0]} "
        f"to {settings.beyond[-1]} words ({fell[SINUSOID].text('of all words', 3)}), where "
        f"{percent(short[SINUSOID], settings.beyond):.0f} % of the copies end too early: beyond training, {won}."
    )


def _table(
    title: str,
    settings: Longer,
    lines: Mapping[str, Sequence[tuple[int, Interval]]],
    fell: Mapping[str, Difference],
) -> Table:
    rows = [
        (kind, *(f"{one.value:.0f}" for _, one in line), *([fell[kind].text("", 3)] if fell else []))
        for kind, line in lines.items()
    ]
    lengths = [f"{length}{' *' if length > settings.trained else ''}" for length in settings.tested]
    last = ["share beyond minus inside"] if fell else []
    return Table(title, ("positions", *lengths, *last), rows, "Words in the text; * longer than any of training.")


_CAPTION = (
    "Greedy copies of texts of random words, by length: the words at their place, and texts without a mistake. The "
    "longest text of training stands at the dashed line. Bands: 95 %, over texts or seeds."
)
_NOTES = (
    "Copying is not translating: a model that copies has to find one place in the source for each word.",
    "The learned table has rows for every place of the test; those beyond the lengths of training are as they were "
    "drawn at the start.",
    "A text may end too early because the model learnt where texts end in training, not only because it loses its "
    "place; both count as words that were not copied.",
    "Relative, alibi and rotary tell self-attention of distances alone; attention from target to source is told of no "
    "positions by them.",
)

STUDY = Study(
    "longer",
    "Longer than any text of training",
    "Do sinusoids serve texts longer than any in training?",
    run,
    claim='Sinusoids were chosen "because it may allow the model to extrapolate to sequence lengths longer than the '
    'ones encountered during training" (Vaswani et al. 2017, section 3.5)',
)
