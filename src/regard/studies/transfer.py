"""Transfer (Devlin et al. 2019; Howard & Ruder 2018): learn the language from plain text first, then a task from few
labels, against learning the task from scratch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from regard.config import setting
from regard.data.builtin import sample
from regard.data.corpus import read_table
from regard.errors import DataError
from regard.studies.frame.curve import accuracies, accuracy_table, drawn, gain, gain_fades, verdict
from regard.studies.frame.study import Findings, Order, Study
from regard.studies.frame.summary import told
from regard.studies.frame.verdict import Difference, share_of
from regard.studies.text_tasks.few_labels import Material, chosen_first, cut, hits_of_frozen, pretrained, tuned
from regard.studies.text_tasks.measures import hits_of_word_bag
from regard.studies.text_tasks.texts import tokenizer_of
from regard.studies.text_tasks.who_acts import who_acts
from regard.training.settings import TrainSettings

SCRATCH, TUNED, FROZEN, BAG = "from scratch", "fine-tuned", "frozen, logistic regression", "bag of words"
MODEL = {"layers": 2, "d_model": 64, "d_ff": 128, "heads": 4, "longest": 128, "attention_dropout": 0.0}
LEAST_ROWS, MOST_ROWS, PIECES = 100, 100_000, 5000


@dataclass(frozen=True)
class Transfer:
    """What the study does."""

    model: Mapping[str, Any] = field(default_factory=lambda: MODEL)
    labels: tuple[int, ...] = setting((20, 50, 100, 300, 1000, 3000), help="labels to learn from, rising")
    test_texts: int = setting(1000, help="labelled texts to test with", minimum=2)
    hidden: float = setting(0.3, help="share of the tokens that pretraining hides (Wettig et al. 2023)", below=1.0)
    pretraining_steps: int = setting(4000, help="updates on plain text", minimum=1)
    pretraining_tokens: int = setting(1024, help="padded tokens a batch of plain text", minimum=1)
    tuning_steps: int = setting(400, help="updates on labelled texts, as many from scratch", minimum=1)
    tuning_tokens: int = setting(512, help="padded tokens a batch of labelled texts", minimum=1)
    pretraining_rate: float = setting(2e-3, help="peak of the learning rate on plain text", minimum=0.0)
    tuning_rate: float = setting(1e-3, help="peak of the learning rate on labelled texts", minimum=0.0)

    def pretraining(self, seed: int) -> TrainSettings:
        """How plain text is learnt."""
        return _plan(self.pretraining_steps, self.pretraining_rate, self.pretraining_tokens, seed)

    def tuning(self, seed: int) -> TrainSettings:
        """How labels are learnt, with pretraining and without."""
        return _plan(self.tuning_steps, self.tuning_rate, self.tuning_tokens, seed)


def _plan(steps: int, rate: float, tokens: int, seed: int) -> TrainSettings:
    return TrainSettings(steps=steps, learning_rate=rate, batch_tokens=tokens, seed=seed, precision="float32")


FULL = Transfer()
QUICK = replace(FULL, labels=(100, 300, 1000, 3000), test_texts=400, pretraining_steps=600)


Hits = dict[str, dict[int, list[np.ndarray]]]  # by arm and number of labels: an array a seed


def run(order: Order) -> Findings:
    """Do the study. Raises DataError for a table that is too small."""
    settings = QUICK if order.quick else FULL
    material = _material(order, settings)
    counts = [count for count in settings.labels if count <= len(material.train)]
    found: Hits = {arm: {count: [] for count in counts} for arm in (SCRATCH, TUNED, FROZEN, BAG)}
    for seed in order.seeds:
        order.watch.begin(f"pretraining, seed {seed}", settings.pretraining_steps)
        before = pretrained(material, settings.model, settings.pretraining(seed), settings.hidden, order.watch)
        rows = chosen_first(material.train, seed)
        for count in counts:
            few = rows[:count]
            found[BAG][count].append(hits_of_word_bag(few, material.test))
            found[FROZEN][count].append(hits_of_frozen(before, few, material))
            for arm, beginning in ((SCRATCH, None), (TUNED, before)):
                order.watch.begin(f"{arm}, {count} labels, seed {seed}", settings.tuning_steps)
                one = tuned(material, few, settings.model, settings.tuning(seed), beginning, order.watch)
                found[arm][count].append(one)
    return _findings(order, settings, material, found)


def _material(order: Order, settings: Transfer) -> Material:
    if order.text is None:
        train = who_acts("train", max(settings.labels), order.seed)
        test = who_acts("test", settings.test_texts, order.seed)
        plain = [pair.english for pair in sample.splits()["train"]]
        tokenizer, name = tokenizer_of([*plain, *(text for text, _ in train)]), "built in: an animal acts, or a person"
    else:
        rows = [(text, label) for text, label in read_table(order.text, ["text", "label"]) if text.strip()][:MOST_ROWS]
        every = max(5, len(rows) // settings.test_texts)
        tested = {text for text, _ in rows[::every]}
        train, test = [row for row in rows if row[0] not in tested], rows[::every]
        if len(rows) < LEAST_ROWS or len({label for _, label in train}) < 2:
            expected = f"at least {LEAST_ROWS} rows of two labels or more"
            raise DataError.because(order.text, f"{len(rows)} rows", expected, "give a larger table, or none")
        plain = [text for text, _ in train]
        tokenizer, name = tokenizer_of(plain, "bpe", PIECES), order.text.name
    return Material(name, train, test, cut(tokenizer.encode_batch(plain), settings.model), tokenizer)


def _findings(order: Order, settings: Transfer, material: Material, found: Hits) -> Findings:
    gold = [label for _, label in material.test]
    chance = max(gold.count(label) for label in material.labels) / len(gold)
    whole, fades = (measure(found[SCRATCH], found[TUNED]) for measure in (gain, gain_fades))
    numbers = {
        "chance": chance,
        "accuracy": accuracies(found),
        "gain": asdict(whole),
        "gain with few minus with many": asdict(fades),
    }
    return Findings(
        _sentence(found, whole, fades),
        numbers,
        [accuracy_table(found, SCRATCH, TUNED, chance)],
        [drawn(found, chance, "transfer", "With and without pretraining")],
        told(order, settings, text=material.name),
        _NOTES,
        verdict(whole, fades),
    )


def _sentence(found: Hits, whole: Difference, fades: Difference) -> str:
    ends = " and ".join(
        f"{n:,} labels {' and '.join(share_of(found[arm][n]).text() for arm in (TUNED, SCRATCH))} %"
        for n in (min(found[TUNED]), max(found[TUNED]))
    )
    return (
        f"Over all numbers of labels fine-tuning is {whole.way('better', 'worse')} than training from scratch, "
        f"{whole.text('points')}; with few labels the gain is {fades.way('larger', 'smaller')} than with many, "
        f"{fades.text('points')}. Of the test's texts the two are right, with {ends}."
    )


_NOTES = (
    "The rule: the claim holds where the gain over all numbers of labels together (the area between the two curves, "
    "labels on a logarithmic axis) is surely above 0, and the mean gain with the fewer half of these numbers surely "
    "above that with the other half; it does not where the first is surely below 0. Where the second is surely the "
    "other way, the verdict is left open: with so few labels that neither way learns there is nothing to gain, and of "
    "more labels than were tried it would say nothing.",
    "From scratch there are as many updates as in fine-tuning; with more of them it might need fewer labels than here.",
    "The built-in task: who notices whom, an animal or a person? Both stand in each sentence, so that no word alone "
    "tells; logistic regression on the words without their order shows what is left to such guessing.",
    "Plain text and labelled texts are of the same kind here, which is the best case for pretraining. The nouns of a "
    "test sentence never stand together in either.",
    "Pretraining costs many updates more, which the comparison leaves out: labels are what is scarce.",
)

STUDY = Study(
    "transfer",
    "Transfer",
    "Does pretraining on plain text make a few labels go further?",
    run,
    takes=("text",),
    claim="Pretraining on unlabelled text and fine-tuning beats training on the task alone, most so with few labels. "
    "(Howard & Ruder 2018, section 5; Devlin et al. 2019, section 4)",
)
