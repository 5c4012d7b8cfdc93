"""Transfer (Devlin et al. 2019; Howard & Ruder 2018): learn the language from plain text first, then a task from few
labels, against learning the task from scratch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from regard.config import setting
from regard.data.builtin import sample
from regard.data.corpus import read_table
from regard.errors import DataError
from regard.looking.trends import Panel, trends
from regard.studies.frame.study import Findings, Order, Picture, Study, Table
from regard.studies.frame.summary import told
from regard.studies.frame.verdict import Difference, share_of
from regard.studies.text_tasks.few_labels import Material, chosen_first, cut, hits_of_frozen, pretrained, tuned
from regard.studies.text_tasks.measures import hits_differ, hits_of_word_bag
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
QUICK = replace(FULL, labels=(20, 100, 300, 1000), test_texts=400, pretraining_steps=600, tuning_steps=120)


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


def verdict(found: Hits, chance: float) -> tuple[int | None, Difference | None, int | None]:
    """The fewest labels at which either way is surely above chance, fine-tuned minus from scratch there, and the
    number of labels from which on fine-tuning is not surely better any more; each None where there is none.
    """
    counts = list(found[TUNED])
    gains = {count: hits_differ(found[SCRATCH][count], found[TUNED][count]) for count in counts}
    above = [n for n in counts if any(share_of(found[arm][n]).low > chance for arm in (SCRATCH, TUNED))]
    meet = None
    for count in reversed(counts):
        if gains[count].larger:
            break
        meet = count
    return (above[0], gains[above[0]], meet) if above else (None, None, meet)


def _findings(order: Order, settings: Transfer, material: Material, found: Hits) -> Findings:
    gold = [label for _, label in material.test]
    chance = max(gold.count(label) for label in material.labels) / len(gold)
    fewest, gain, meet = verdict(found, chance)
    held = None if gain is None else True if gain.larger else False if gain.smaller else None
    counts = list(found[TUNED])
    text = {arm: {n: share_of(group) for n, group in line.items()} for arm, line in found.items()}
    if fewest is None or gain is None:
        sentence = f"Neither way is surely above chance ({100 * chance:.0f} %) with up to {counts[-1]:,} labels."
    else:
        gains = {n: hits_differ(found[SCRATCH][n], found[TUNED][n]) for n in counts}
        most = max(counts, key=lambda count: gains[count].value)
        rest = f"the gain is largest with {most:,} labels, {gains[most].text('points')}, and " + (
            f"from {meet:,} labels on fine-tuning is not surely better any more"
            if meet is not None and meet > fewest
            else f"with {counts[-1]:,} labels the two are at {text[TUNED][counts[-1]].text()} and "
            f"{text[SCRATCH][counts[-1]].text()} %"
        )
        sentence = (
            f"With {fewest:,} labels the pretrained model is right in {text[TUNED][fewest].text()} % of "
            f"the test's texts, the one from scratch in {text[SCRATCH][fewest].text()} % "
            f"({gain.text('points')}); {rest}."
        )
    rows = [
        (
            f"{n:,}",
            *(text[arm][n].text() for arm in found),
            hits_differ(found[SCRATCH][n], found[TUNED][n]).text("points"),
        )
        for n in counts
    ]
    note = (
        f"Always the most frequent label: {100 * chance:.1f} %. Of one seed Wilson's interval, of several Student's t."
    )
    table = Table("Accuracy by labels, %", ("labels", *found, "fine-tuned minus from scratch"), rows, note)
    numbers = {
        "chance": chance,
        "accuracy": {
            arm: {str(n): [float(one.mean()) for one in group] for n, group in line.items()}
            for arm, line in found.items()
        },
        "fewest_labels_above_chance": fewest,
        "meet_at": meet,
    }  # fmt: skip
    lines = {arm: [(float(n), _percent(one)) for n, one in line.items()] for arm, line in text.items()}
    panel = Panel(lines, "labels", "right, % of the test's texts", "", log_x=True, reference=("", 100 * chance))
    caption = "Accuracy on held-out texts by the number of labels. Bands: 95 %; dashed: chance."
    picture = Picture("transfer", trends([panel], "With and without pretraining"), caption)
    return Findings(sentence, numbers, [table], [picture], told(order, settings, text=material.name), _NOTES, held)


def _percent(one: Any) -> Any:
    return type(one)(100 * one.value, 100 * one.low, 100 * one.high)


_NOTES = (
    "The rule: the claim holds where fine-tuning is surely better with the fewest labels at which either way is surely "
    "above chance. Of several numbers of labels one may seem to differ by chance.",
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
