"""Longer than any text of training (section 3.5): copying, or translating a corpus, with every kind of position."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from regard.config import setting
from regard.data.builtin import sample
from regard.data.tokenizers.tokenizer import TokenizerSettings
from regard.looking.trends import Panel, trends
from regard.studies.by_length.beyond import JUDGED, beyond_training, change
from regard.studies.by_length.bleu import bleu, counted
from regard.studies.by_length.copying import (
    broke_off,
    changes,
    copied,
    copied_exactly,
    inside,
    lines,
    measured,
    percent,
    texts_to_copy,
)
from regard.studies.by_length.shown import (
    BORDER,
    COPYING_CAPTION,
    COPYING_NOTES,
    TRANSLATING_NOTES,
    copying_sentence,
    copying_table,
    translating_picture,
    translating_sentence,
    translating_table,
)
from regard.studies.frame.arms import Arm, of_family, try_arms
from regard.studies.frame.pairs import SentencePairs, pairs_of, with_tokenizers
from regard.studies.frame.study import Findings, Order, Picture, Study
from regard.studies.frame.summary import curve_panel, outcome_numbers, told
from regard.studies.frame.verdict import Difference
from regard.training.settings import TrainSettings

SINUSOID, CONTROL = "sinusoid", "sinusoid, trained on all lengths"
MODEL = {"layers": 2, "d_model": 128, "d_ff": 256, "heads": 4, "dropout": 0.0, "norm": "pre"}
LEARNT = 0.8  # of the words copied inside the lengths of training: with less, beyond says nothing of positions
LEARNT_BLEU = 10.0  # of texts of a corpus beyond those lengths, by the model that was trained on them too
SLIGHT = 0.05  # a share of the words, or of that model's BLEU, that is lost though the claim holds


@dataclass(frozen=True)
class Longer:
    """What the study does. Lengths are in words; ``beyond`` are those that the verdict on copying is of."""

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
    corpus_tokens: int = setting(2048, help="padded tokens a batch of a corpus", minimum=1)
    corpus_dropout: float = setting(0.1, help="dropout of models of a corpus", minimum=0.0, below=1.0)


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
    """Do the study. Raises DataError for a corpus that is too small, or of too long lines."""
    settings = QUICK if order.quick else FULL
    return _copying(order, settings) if order.source is None else _translating(order, settings)


def _copying(order: Order, settings: Longer) -> Findings:
    pairs, longest = _pairs(settings, order.seed), max(settings.tested)
    arms = [_arm(settings, kind, settings.model, settings.batch_tokens, longest) for kind in settings.positions]
    outcomes = try_arms(arms, pairs, order.seeds, order.watch)
    shares, exact, short = (
        measured(settings.tested, pairs.sources, outcomes, measure) for measure in (copied, copied_exactly, broke_off)
    )
    fell = {kind: changes(group, settings.trained, settings.beyond) for kind, group in shares.items()}
    words, texts = lines(shares, settings.tested), lines(exact, settings.tested)
    learnt = float(np.mean([inside(one, settings.trained).mean() for one in shares[SINUSOID]])) >= LEARNT
    within = [length for length in settings.tested if length <= settings.trained]
    border = (BORDER, float(settings.trained))
    panels = [
        Panel(words, "words in the text", "words copied, %", "Words", limits=(-3, 112), border=border),
        Panel(texts, "words in the text", "texts copied exactly, %", "Whole texts", limits=(-3, 112), border=border),
        curve_panel(outcomes, "Training"),
    ]
    numbers = {
        "arms": outcome_numbers(outcomes),
        "words copied": {kind: {length: one.value for length, one in line} for kind, line in words.items()},
        "texts copied": {kind: {length: one.value for length, one in line} for kind, line in texts.items()},
        "copies too short beyond": {kind: percent(group, settings.beyond) for kind, group in short.items()},
        "beyond minus inside": {kind: {"value": one.value, "sure": one.sure} for kind, one in fell.items()},
    }
    return Findings(
        copying_sentence(SINUSOID, within, settings.beyond, shares, short, fell[SINUSOID]),
        numbers,
        [
            copying_table("Words copied, %", settings.trained, words, fell),
            copying_table("Texts copied exactly, %", settings.trained, texts),
        ],
        [Picture("longer", trends(panels, "Copying texts longer than any of training"), COPYING_CAPTION)],
        told(order, settings),
        COPYING_NOTES,
        verdict(fell[SINUSOID], learnt),
    )


def _translating(order: Order, settings: Longer) -> Findings:
    beyond = beyond_training(pairs_of(order), settings.texts, order.seed)
    model = {**settings.model, "dropout": settings.corpus_dropout}
    arms = [_arm(settings, kind, model, settings.corpus_tokens, beyond.longest) for kind in settings.positions]
    control = replace(arms[settings.positions.index(SINUSOID)], name=CONTROL)
    outcomes = {
        **try_arms(arms, beyond.short, order.seeds, order.watch),
        **try_arms([control], beyond.whole, order.seeds, order.watch),
    }
    references = beyond.short.references
    counts = {name: [counted(one.translations, references) for one in group] for name, group in outcomes.items()}
    judged = beyond.buckets[JUDGED]
    learnt = min(bleu(one[judged.rows]) for one in counts[CONTROL]) >= LEARNT_BLEU
    lost = change(counts[CONTROL], counts[SINUSOID], judged)
    numbers = {
        "longest text of training": beyond.trained,
        "bleu": {
            name: {one.name: [bleu(each[one.rows]) for each in group] for one in beyond.buckets}
            for name, group in counts.items()
        },
        "against all lengths": asdict(lost),
        "arms": outcome_numbers(outcomes),
    }
    return Findings(
        translating_sentence(SINUSOID, CONTROL, beyond, counts, lost),
        numbers,
        [translating_table(beyond, counts)],
        [translating_picture(beyond, counts, curve_panel(outcomes, "Training"))],
        told(order, settings, beyond.short),
        TRANSLATING_NOTES,
        verdict(lost, learnt),
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


def _arm(settings: Longer, kind: str, model: Mapping[str, Any], batch_tokens: int, longest: int) -> Arm:
    plan = TrainSettings(
        steps=settings.steps, batch_tokens=batch_tokens, learning_rate=settings.learning_rate, label_smoothing=0.0
    )
    places = 2 * longest + 16  # of a learned table, which a translation may also reach
    return Arm(kind, of_family("transformer", {**model, "positions": kind, "longest": places}), plan)


def verdict(lost: Difference, learnt: bool) -> bool | None:
    """Of the sinusoids: True where surely at most SLIGHT is lost beyond the lengths of training, False where more is.

    None where neither is sure, or the task was not learnt.
    """
    if not learnt or lost.low is None or lost.high is None:
        return None
    return True if lost.low > -SLIGHT else False if lost.high < -SLIGHT else None


STUDY = Study(
    "longer",
    "Longer than any text of training",
    "Do sinusoids serve texts longer than any in training?",
    run,
    takes=("source", "target"),
    claim='Sinusoids were chosen "because it may allow the model to extrapolate to sequence lengths longer than the '
    'ones encountered during training" (Vaswani et al. 2017, section 3.5)',
)
