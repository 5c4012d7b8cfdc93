"""What each kind of model can do as a sentence, a table and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from regard.evaluation.interval import Interval
from regard.looking.trends import bars, exact
from regard.studies.frame.study import Picture, Table
from regard.studies.frame.summary import text_over_seeds
from regard.studies.frame.verdict import over_seeds, share_of
from regard.studies.text_tasks.measures import Nats, bleu_differ, nats_differ, to_others
from regard.studies.text_tasks.three_tasks import Material


@dataclass
class Outcome:
    """What a kind of model could do, an entry each seed; ``translations`` are none where it cannot."""

    parameters: int = 0
    hits: list[np.ndarray] = field(default_factory=list)
    nats: list[Nats] = field(default_factory=list)
    translations: list[list[str]] = field(default_factory=list)
    bleu: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Plain:
    """What is reached without a model: hits by the words without their order, and nats by their frequencies."""

    hits: np.ndarray
    nats: float


Outcomes = Mapping[str, Outcome]  # encoder, decoder, both, in this order


def sentence(material: Material, found: Outcomes, plain: Plain) -> str:
    """All three tasks, all three kinds."""
    _, decoder, both = found.values()
    right = ", ".join(share_of(one.hits).text() for one in found.values())
    loss = ", ".join(_loss(one) for one in found.values())
    more = bleu_differ(decoder.translations, both.translations, material.references)
    about = bleu_differ(to_others(both.translations), both.translations, material.references)
    return (
        f"Encoder, decoder and encoder–decoder tell {material.tells} in {right} % of the test's sentences (words "
        f"without order: {100 * plain.hits.mean():.0f} %); word by word they foretell a text at {loss} nats a word "
        f"(word frequencies: {plain.nats:.2f}); the decoder translates with {text_over_seeds(decoder.bleu)} BLEU and "
        f"the encoder–decoder with {text_over_seeds(both.bleu)} ({more.text('BLEU')}), which is {about.text('BLEU')} "
        "more than its translations have of other sentences; the encoder writes nothing."
    )


def table(material: Material, found: Outcomes, plain: Plain) -> Table:
    """A row each kind, a column each task."""
    encoder = next(iter(found.values()))
    rows = [
        (
            name,
            one.parameters,
            share_of(one.hits).text(),
            _loss(one),
            "" if one is encoder else nats_differ(encoder.nats, one.nats).text("nats", 2),
            text_over_seeds(one.bleu) if one.bleu else "—",
        )
        for name, one in found.items()
    ]
    rows += [("no model", 0, f"{100 * plain.hits.mean():.1f}", f"{plain.nats:.2f}", "", "—")]
    headings = ("", "parameters", f"{material.tells}, % right", "nats a word", "against the encoder", "BLEU")
    note = (
        "No model: logistic regression on the words without order, and word frequencies. Nats a word: chain rule, each "
        "word from those before it; the encoder sees them and a mask, the encoder–decoder has an empty source. "
        "—: it has no way to."
    )
    return Table("What each can do", headings, rows, note)


def pictures(material: Material, found: Outcomes, plain: Plain) -> list[Picture]:
    """One for each task."""
    right = {name: _percent(share_of(one.hits)) for name, one in found.items()}
    right |= {"words without order": exact(100 * float(plain.hits.mean()))}
    nats = {name: over_seeds([nats.per_token for nats in one.nats]) for name, one in found.items()}
    nats |= {"word frequencies": exact(plain.nats)}
    bleu = {name: over_seeds(one.bleu or [0.0]) for name, one in found.items()}
    asked, by = f"Which can tell {material.tells}?", material.name
    return [
        Picture("classes", bars(right, "right, %", asked), "Held-out sentences. Lines: 95 %."),
        Picture("writing", bars(nats, "nats a word, lower is better", "Each word from those before it", 2), _WRITING),
        Picture("translation", bars(bleu, "BLEU", by), "The encoder by itself cannot translate: it writes nothing."),
    ]


def _loss(one: Outcome) -> str:
    return text_over_seeds([nats.per_token for nats in one.nats], 2)


def _percent(one: Interval) -> Interval:
    return Interval(100 * one.value, 100 * one.low, 100 * one.high)


_WRITING = (
    "Surprise at each word of held-out sentences, given the words before it. The encoder learnt to guess words from "
    "both sides; with nothing on the right it is asked what it never learnt."
)
