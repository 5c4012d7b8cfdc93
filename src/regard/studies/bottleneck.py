"""The bottleneck: longer and longer texts through one vector, and past it by attention (Bahdanau et al. 2015).

An LSTM that hands its decoder its last state alone (Sutskever et al. 2014) and the same LSTM with attention learn from
the same texts for as many updates; in the full form a GRU with additive attention, a convolution and a Transformer too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from regard.config import setting
from regard.evaluation.interval import Interval
from regard.looking.trends import Panel, trends
from regard.studies.by_length.bleu import counted
from regard.studies.by_length.buckets import Bucket, by_sentences, by_tokens
from regard.studies.by_length.falls import falls_more, in_bucket
from regard.studies.by_length.models import MODELS, SMALL, WITH, WITHOUT, Models
from regard.studies.frame.arms import Arm, of_family, try_arms
from regard.studies.frame.pairs import SentencePairs, pairs_of
from regard.studies.frame.plan import plan_of
from regard.studies.frame.study import Findings, Order, Picture, Study, Table
from regard.studies.frame.summary import Outcomes, curve_panel, outcome_numbers, outcome_table, told
from regard.studies.frame.verdict import Difference

LEAST_BLEU = 15  # of either LSTM on the shortest texts: with less it has not learnt to translate


@dataclass(frozen=True)
class Bottleneck:
    """What the study does. The last of ``tested`` that is also in ``trained`` is the longest that the verdict is of."""

    models: Models = field(default_factory=lambda: MODELS)
    trained: tuple[int, ...] = setting((1, 2, 3, 4), help="sentences in a text of training")
    tested: tuple[int, ...] = setting((1, 2, 3, 4, 5, 6), help="sentences in a text of the test")
    texts: int = setting(200, help="texts of each length in the test", minimum=2)
    buckets: int = setting(5, help="buckets of length of a corpus of yours", minimum=2)
    steps: int = setting(4000, help="updates of each model", minimum=1)
    batch_tokens: int = setting(2048, help="padded tokens a batch", minimum=1)
    learning_rate: float = setting(2e-3, help="peak of the learning rate", minimum=0.0)


FULL = Bottleneck()
QUICK = replace(
    FULL,
    models=SMALL,
    trained=(1, 2),
    tested=(1, 2, 3),
    texts=80,
    steps=1300,
    batch_tokens=512,
    learning_rate=4e-3,
)


def run(order: Order) -> Findings:
    """Do the study. Raises DataError for a corpus that is too small."""
    settings = QUICK if order.quick else FULL
    pairs, buckets, inside = _tested(order, settings)
    arms = [_arm(settings, name, *model) for name, model in settings.models.items()]
    outcomes = try_arms(arms, pairs, order.seeds, order.watch)
    counts = {name: [counted(one.translations, pairs.references) for one in group] for name, group in outcomes.items()}
    ends = buckets[0], buckets[inside]
    compared = {name: falls_more(group, counts[WITHOUT], *ends) for name, group in counts.items() if name != WITHOUT}
    lines = {name: [(bucket.tokens, in_bucket(group, bucket)) for bucket in buckets] for name, group in counts.items()}
    return Findings(
        _sentence(lines, compared, buckets, inside),
        {
            "arms": outcome_numbers(outcomes),
            "bleu": {name: [one.value for _, one in line] for name, line in lines.items()},
            "tokens": [bucket.tokens for bucket in buckets],
            "falls_more": {name: {"value": one.value, "sure": one.sure} for name, one in compared.items()},
        },
        [_table(lines, compared, buckets, ends), outcome_table("All texts of the test", outcomes, pairs.references)],
        [_picture(outcomes, lines, buckets, inside)],
        _told(order, settings, pairs),
        _NOTES,
        verdict(compared[WITH], min(lines[name][0][1].value for name in (WITHOUT, WITH))),
    )


def _tested(order: Order, settings: Bottleneck) -> tuple[SentencePairs, list[Bucket], int]:
    """The pairs, the buckets of their test, and the number of the last bucket that training has texts as long as."""
    pairs = pairs_of(order)
    if order.source is not None:
        ordered, buckets = by_tokens(pairs, settings.buckets)
        return ordered, buckets, len(buckets) - 1
    long, buckets = by_sentences(pairs, settings.trained, settings.tested, settings.texts, order.seed)
    return long, buckets, max(i for i, count in enumerate(settings.tested) if count <= max(settings.trained))


def _arm(settings: Bottleneck, name: str, family: str, model: Mapping[str, Any]) -> Arm:
    return Arm(name, of_family(family, model), plan_of(settings, label_smoothing=0.1))


def verdict(more: Difference, short: float) -> bool | None:
    """Of what the LSTM without attention loses from short texts to long ones, minus what the same LSTM with it loses.

    None also where one of them has nothing to lose: ``short``, the lower BLEU on the shortest texts, is below
    LEAST_BLEU.
    """
    if short < LEAST_BLEU:
        return None
    return True if more.larger else False if more.smaller else None


def _sentence(
    lines: Mapping[str, Sequence[tuple[float, Interval]]],
    compared: Mapping[str, Difference],
    buckets: Sequence[Bucket],
    inside: int,
) -> str:
    falls = [
        f"from {line[0][1].value:.1f} to {line[inside][1].value:.1f} for the {name}" for name, line in lines.items()
    ]
    more = ", ".join(f"{one.text('points')} against the {name}" for name, one in compared.items())
    return (
        f"From {buckets[0].tokens:.0f} tokens of source to {buckets[inside].tokens:.0f}, BLEU goes {', '.join(falls)}. "
        f"What the model without attention loses, minus what each other loses: {more}."
    )


def _table(
    lines: Mapping[str, Sequence[tuple[float, Interval]]],
    compared: Mapping[str, Difference],
    buckets: Sequence[Bucket],
    ends: tuple[Bucket, Bucket],
) -> Table:
    short, long = ends
    rows = [
        (
            name,
            *(one.text(1, 1.0) for _, one in line),
            _kept(line[0][1].value, line[buckets.index(long)][1].value),
            compared[name].text("BLEU") if name in compared else "",
        )
        for name, line in lines.items()
    ]
    kept = f"kept of {short.name} at {long.name}"
    more = f"how much more the {WITHOUT} loses from {short.name} to {long.name}"
    note = "95 %: over the seeds, or of one seed by bootstrap over texts. Greedy translations, sacreBLEU 13a."
    return Table("BLEU by length", ("", *(bucket.name for bucket in buckets), kept, more), rows, note)


def _kept(short: float, long: float) -> str:
    return f"{100 * long / short:.0f} %" if short > 0 else ""


def _picture(
    outcomes: Outcomes, lines: Mapping[str, Sequence[tuple[float, Interval]]], buckets: Sequence[Bucket], inside: int
) -> Picture:
    beyond = inside + 1 < len(buckets)
    border = ("beyond training", (buckets[inside].tokens + buckets[inside + 1].tokens) / 2) if beyond else None
    panels = [
        Panel(lines, "tokens of source", "BLEU", "BLEU by length of the source", limits=(0, None), border=border),
        curve_panel(outcomes, "Training"),
    ]
    caption = "BLEU of texts of each length, and the curves of training. Bands: 95 %, over texts or seeds."
    return Picture("bottleneck", trends(panels, "One vector, or attention"), caption)


def _told(order: Order, settings: Bottleneck, pairs: SentencePairs) -> dict[str, Any]:
    """A line each model: its family and its settings."""
    lines = told(order, settings, pairs)
    del lines["models"]
    return lines | {
        name: f"{family}: {', '.join(f'{key} {value}' for key, value in model.items())}"
        for name, (family, model) in settings.models.items()
    }


_NOTES = (
    "The rule: the claim holds where the LSTM without attention surely loses more BLEU than the same LSTM with it, "
    "which has the same cell, widths and order of reading and hardly more parameters; it does not where it surely "
    "loses less. The other architectures differ in more than attention: they are shown and not judged.",
    "A model whose BLEU is low on the shortest texts already has less to lose, which understates its fall: where one "
    f"of the two has less than {LEAST_BLEU} BLEU there, the verdict is left open.",
    "Texts beyond the longest of training, where there are any, are shown, but the verdict is of lengths that were "
    "trained: beyond them the convolution's positions are untrained, and other things than the vector may fail.",
    "The built-in texts of several sentences are sentences in a row that have nothing to do with each other.",
)

STUDY = Study(
    "bottleneck",
    "The bottleneck of one vector",
    "Does a model without attention lose more on long inputs than models with it?",
    run,
    takes=("source", "target"),
    claim='"We conjecture that the use of a fixed-length vector is a bottleneck", and the performance of a model '
    "without attention drops with the length of sentences, with attention it does not (Bahdanau et al. 2015, abstract "
    "and figure 2; Cho et al. 2014)",
)
