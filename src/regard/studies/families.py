"""Three families at one size: an encoder, a decoder, and both, on three tasks: tell classes, write, translate.

Each learns each task from scratch, with as many updates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from regard.config import setting
from regard.data.tokenizers.tokenizer import Tokenizer
from regard.evaluation.translation import corpus_bleu
from regard.models.heads import Head
from regard.studies.frame.arms import learn_wholly
from regard.studies.frame.study import Findings, Order, Study
from regard.studies.frame.summary import told
from regard.studies.frame.verdict import hits_differ
from regard.studies.text_tasks.kinds import Kind, kinds
from regard.studies.text_tasks.measures import (
    Nats,
    bleu_differ,
    chain_rule_nats,
    hits,
    hits_of_word_bag,
    nats_differ,
    to_others,
    word_frequency_nats,
)
from regard.studies.text_tasks.shown import Outcome, Outcomes, Plain, pictures, sentence, table
from regard.studies.text_tasks.texts import labelled_feed, text_model
from regard.studies.text_tasks.three_tasks import Material, of_corpus, of_sample
from regard.tasks.classification import Classification
from regard.training.settings import TrainSettings


@dataclass(frozen=True)
class Families:
    """What the study does."""

    width: int = setting(96, help="d_model", minimum=4)
    layers: int = setting(
        2, help="blocks on each side of the encoder–decoder; the others have twice as many", minimum=1
    )
    hidden: float = setting(0.3, help="share of the tokens that the encoder learns to guess", below=1.0)
    labels: int = setting(5000, help="labelled texts to learn from", minimum=2)
    corpus_labels: int = setting(50_000, help="of a corpus at most, half of them with two words exchanged", minimum=2)
    test_texts: int = setting(500, help="texts of each test at most", minimum=2)
    steps: Mapping[str, int] = field(default_factory=lambda: {"classes": 1500, "writing": 2000, "translation": 4000})
    batch_tokens: int = setting(1024, help="padded tokens a batch", minimum=1)
    learning_rate: float = setting(2e-3, help="peak of the learning rate", minimum=0.0)


FULL = Families()
QUICK = replace(FULL, width=64, layers=1, labels=1500, test_texts=300)
QUICK = replace(QUICK, steps={"classes": 200, "writing": 200, "translation": 400})


def run(order: Order) -> Findings:
    """Do the study. Raises DataError for a corpus that is too small."""
    settings = QUICK if order.quick else FULL
    material = _material(order, settings)
    found: dict[str, Outcome] = {}
    for kind in kinds(settings.width, settings.layers, settings.hidden):
        outcome = found[kind.name] = Outcome()
        for seed in order.seeds:
            outcome.hits.append(_classes(order, settings, material, kind, seed))
            outcome.nats.append(_writing(order, settings, material, kind, seed, outcome))
            if kind.translate is not None:
                outcome.translations.append(_translation(order, settings, material, kind, seed))
                outcome.bleu.append(corpus_bleu(outcome.translations[-1], material.references))
    return _findings(order, settings, material, found)


def _material(order: Order, settings: Families) -> Material:
    if order.source is None:
        return of_sample(settings.labels, settings.test_texts, order.seed)
    return of_corpus(order, settings.corpus_labels, settings.test_texts)


def _learn(
    order: Order, settings: Families, kind: Kind, task: Any, feed: Any, seed: int, name: str, head: Head | None,
    tokenizer: Tokenizer,
) -> Any:  # fmt: skip
    torch.manual_seed(seed)
    model = text_model(kind.family, kind.settings, tokenizer, *([head] if head else []))
    order.watch.begin(f"{kind.name}: {name}, seed {seed}", settings.steps[name])
    rate = settings.learning_rate
    learn_wholly(
        model,
        task,
        feed,
        TrainSettings(steps=settings.steps[name], learning_rate=rate, seed=seed, precision="float32"),
        order.watch,
    )
    return model


def _classes(order: Order, settings: Families, material: Material, kind: Kind, seed: int) -> np.ndarray:
    tokenizer = material.tokenizer
    ids = tokenizer.encode_batch([text for text, _ in material.labelled])
    labels = material.labels
    classes = [labels.index(label) for _, label in material.labelled]
    feed = labelled_feed(ids, classes, tokenizer, settings.batch_tokens, seed)
    model = _learn(
        order, settings, kind, Classification(), feed, seed, "classes", Head("classification", labels), tokenizer
    )
    return hits(model, tokenizer, labels, material.asked)


def _writing(order: Order, settings: Families, material: Material, kind: Kind, seed: int, outcome: Outcome) -> Nats:
    tokenizer = material.tokenizer
    feed = kind.texts(material.pairs[0], tokenizer, settings.batch_tokens, seed)
    model = _learn(order, settings, kind, kind.writing, feed, seed, "writing", None, tokenizer)
    outcome.parameters = sum(weight.numel() for weight in model.parameters())
    asked = tokenizer.encode_batch(material.sources)
    return chain_rule_nats(model, kind.following(model, tokenizer), asked)


def _translation(order: Order, settings: Families, material: Material, kind: Kind, seed: int) -> list[str]:
    assert kind.pairs is not None, "asked only of those that can"
    assert kind.translate is not None, "asked only of those that can"
    tokenizer = material.tokenizer
    feed = kind.pairs(*material.pairs, tokenizer, settings.batch_tokens, seed)
    model = _learn(order, settings, kind, kind.translating, feed, seed, "translation", None, tokenizer)
    return kind.translate(model, tokenizer, material.sources)


def verdict(
    encoder: Outcome, decoder: Outcome, both: Outcome, bag: np.ndarray, references: Sequence[str]
) -> bool | None:
    """True: encoder and encoder–decoder surely tell classes better than the words without their order, whose hits are
    ``bag``; decoder and encoder–decoder surely foretell words better than the encoder; and what the encoder–decoder
    translates is surely of its source, not of another sentence. False: one of these is surely reversed.
    """
    better = [hits_differ([bag] * len(one.hits), one.hits) for one in (encoder, both)]
    better += [nats_differ(one.nats, encoder.nats) for one in (decoder, both)]
    better += [bleu_differ(to_others(both.translations), both.translations, references)]
    if any(one.smaller for one in better):
        return False
    return True if all(one.larger for one in better) else None


def _findings(order: Order, settings: Families, material: Material, found: Outcomes) -> Findings:
    encoder, decoder, both = found.values()
    hits_of_bag = hits_of_word_bag(material.labelled, material.asked)
    frequencies = word_frequency_nats(material.pairs[0], material.tokenizer.encode_batch(material.sources))
    plain = Plain(hits_of_bag, frequencies.per_token)
    numbers = {
        name: {
            "parameters": one.parameters,
            "accuracy": [float(group.mean()) for group in one.hits],
            "nats_per_word": [nats.per_token for nats in one.nats],
            "bleu": one.bleu,
        }
        for name, one in found.items()
    } | {"no model": {"accuracy": float(plain.hits.mean()), "nats_per_word": plain.nats}}
    return Findings(
        sentence(material, found, plain),
        numbers,
        [table(material, found, plain)],
        pictures(material, found, plain),
        told(order, settings, material=material.name),
        _NOTES,
        verdict(encoder, decoder, both, plain.hits, material.references),
    )


_NOTES = (
    "The rule: the claim holds where encoder and encoder–decoder surely tell the classes better than words without "
    "order, decoder and encoder–decoder surely foretell words better than the encoder, and translations of the "
    "encoder–decoder surely have more BLEU of their own sentence than each would have of another; it does not where "
    "one of these is surely reversed. Whether a decoder understands less or translates worse is not judged.",
    "The classes: in the built-in data, whether an animal or a person acts; in a corpus, whether two neighbouring "
    "words of a source were exchanged (Conneau et al. 2018), which no word alone tells either.",
    "The encoder's usual measure, each word given all others (pseudo-log-likelihood), is no probability of a text and "
    "does not compare with the chain rule; so the chain rule is asked of it too, one word at a time behind the text.",
    "That an encoder loses as a writer is a matter of its training as well as of its mask: trained on beginnings it "
    "would write, a word at a time, reading everything anew for each.",
    "A decoder does all three tasks: today's large models are such. The families differ in what is efficient and how "
    "well, not in what is possible at all.",
)

STUDY = Study(
    "families",
    "Encoder, decoder, both",
    "Does an encoder understand, a decoder write, and an encoder–decoder both, at one size?",
    run,
    takes=("source", "target"),
    claim="Encoders serve understanding, decoders generation, encoder–decoders both. (Lewis et al. 2020, section 1; "
    "Raffel et al. 2020, section 3.2)",
)
