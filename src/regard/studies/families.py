"""Three families at one size: an encoder, a decoder, and both, on three tasks: tell classes, write, translate.

Each learns each task from scratch, with as many updates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from regard.config import setting
from regard.data.builtin import sample
from regard.data.tokenizers.tokenizer import Tokenizer
from regard.evaluation.interval import Interval
from regard.evaluation.translation import corpus_bleu
from regard.looking.trends import bars, exact
from regard.models.heads import Head
from regard.studies.frame.arms import learn_wholly
from regard.studies.frame.study import Findings, Order, Picture, Study, Table
from regard.studies.frame.summary import text_over_seeds, told
from regard.studies.frame.verdict import over_seeds, seeds_differ, share_of
from regard.studies.text_tasks.kinds import Kind, kinds
from regard.studies.text_tasks.measures import Nats, chain_rule_nats, hits, hits_differ, hits_of_word_bag, nats_differ
from regard.studies.text_tasks.texts import Ids, labelled_feed, text_model, tokenizer_of
from regard.studies.text_tasks.who_acts import ANIMAL, PERSON, Labelled, who_acts
from regard.tasks.classification import Classification
from regard.training.settings import TrainSettings

LABELS = (ANIMAL, PERSON)


@dataclass(frozen=True)
class Families:
    """What the study does."""

    width: int = setting(96, help="d_model", minimum=4)
    layers: int = setting(
        2, help="blocks on each side of the encoder–decoder; the others have twice as many", minimum=1
    )
    hidden: float = setting(0.3, help="share of the tokens that the encoder learns to guess", below=1.0)
    labels: int = setting(5000, help="labelled texts to learn from", minimum=2)
    test_texts: int = setting(500, help="texts of each test at most", minimum=2)
    steps: Mapping[str, int] = field(default_factory=lambda: {"classes": 1500, "writing": 2000, "translation": 4000})
    batch_tokens: int = setting(1024, help="padded tokens a batch", minimum=1)
    learning_rate: float = setting(2e-3, help="peak of the learning rate", minimum=0.0)


FULL = Families()
QUICK = replace(FULL, width=64, layers=1, labels=1500, test_texts=300)
QUICK = replace(QUICK, steps={"classes": 200, "writing": 200, "translation": 400})


@dataclass(frozen=True)
class Material:
    """What all learn and are asked."""

    labelled: Sequence[Labelled]
    asked: Sequence[Labelled]
    pairs: tuple[Ids, Ids]
    test: Sequence[sample.Pair]
    tokenizer: Tokenizer


@dataclass
class Outcome:
    """What a kind of model could do, an entry each seed."""

    parameters: int = 0
    hits: list[np.ndarray] = field(default_factory=list)
    nats: list[Nats] = field(default_factory=list)
    bleu: list[float] = field(default_factory=list)


def run(order: Order) -> Findings:
    """Do the study."""
    settings = QUICK if order.quick else FULL
    material = _material(order, settings)
    found: dict[str, Outcome] = {}
    for kind in kinds(settings.width, settings.layers, settings.hidden):
        outcome = found[kind.name] = Outcome()
        for seed in order.seeds:
            outcome.hits.append(_classes(order, settings, material, kind, seed))
            outcome.nats.append(_writing(order, settings, material, kind, seed, outcome))
            if kind.translate is not None:
                outcome.bleu.append(_translation(order, settings, material, kind, seed))
    return _findings(order, settings, material, found)


def _material(order: Order, settings: Families) -> Material:
    splits = sample.splits()
    train, test = splits["train"], splits["test"][: settings.test_texts]
    labelled, asked = who_acts("train", settings.labels, order.seed), who_acts("test", settings.test_texts, order.seed)
    sides = [pair.english for pair in train], [pair.german for pair in train]
    tokenizer = tokenizer_of([*sides[0], *sides[1], *(text for text, _ in labelled)])
    return Material(
        labelled, asked, (tokenizer.encode_batch(sides[0]), tokenizer.encode_batch(sides[1])), test, tokenizer
    )


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
    classes = [LABELS.index(label) for _, label in material.labelled]
    feed = labelled_feed(ids, classes, tokenizer, settings.batch_tokens, seed)
    model = _learn(
        order, settings, kind, Classification(), feed, seed, "classes", Head("classification", LABELS), tokenizer
    )
    return hits(model, tokenizer, LABELS, material.asked)


def _writing(order: Order, settings: Families, material: Material, kind: Kind, seed: int, outcome: Outcome) -> Nats:
    tokenizer = material.tokenizer
    feed = kind.texts(material.pairs[0], tokenizer, settings.batch_tokens, seed)
    model = _learn(order, settings, kind, kind.writing, feed, seed, "writing", None, tokenizer)
    outcome.parameters = sum(weight.numel() for weight in model.parameters())
    asked = tokenizer.encode_batch([pair.english for pair in material.test])
    return chain_rule_nats(model, kind.following(model, tokenizer), asked)


def _translation(order: Order, settings: Families, material: Material, kind: Kind, seed: int) -> float:
    assert kind.pairs is not None, "asked only of those that can"
    assert kind.translate is not None, "asked only of those that can"
    tokenizer = material.tokenizer
    feed = kind.pairs(*material.pairs, tokenizer, settings.batch_tokens, seed)
    model = _learn(order, settings, kind, kind.translating, feed, seed, "translation", None, tokenizer)
    found = kind.translate(model, tokenizer, [pair.english for pair in material.test])
    return corpus_bleu(found, [pair.german for pair in material.test])


def word_frequency_nats(train: Ids, asked: Ids) -> Nats:
    """Nats of each text by Σ −log (count + 1)/(all + tokens + 1), with the training's counts: no model."""
    counts = Counter(token for text in train for token in text)
    total = sum(counts.values()) + len(counts) + 1
    nats = [sum(-float(np.log((counts[token] + 1) / total)) for token in text) for text in asked]
    return Nats(np.array(nats), np.array([len(text) for text in asked]))


def verdict(encoder: Outcome, decoder: Outcome, both: Outcome, bag: np.ndarray) -> bool | None:
    """True: encoder and encoder–decoder surely tell classes better than the words without their order, whose hits are
    ``bag``, and decoder and encoder–decoder surely foretell words better than the encoder. False: one of these is
    surely reversed.
    """
    tells = [hits_differ([bag] * len(one.hits), one.hits) for one in (encoder, both)]
    writes = [nats_differ(encoder.nats, one.nats) for one in (decoder, both)]
    if any(one.smaller for one in tells) or any(one.larger for one in writes):
        return False
    return True if all(one.larger for one in tells) and all(one.smaller for one in writes) else None


def _findings(order: Order, settings: Families, material: Material, found: Mapping[str, Outcome]) -> Findings:
    hits_of_bag = hits_of_word_bag(material.labelled, material.asked)
    bag = float(hits_of_bag.mean())
    asked = material.tokenizer.encode_batch([pair.english for pair in material.test])
    plain = word_frequency_nats(material.pairs[0], asked).per_token
    encoder, decoder, both = found.values()
    held = verdict(encoder, decoder, both, hits_of_bag)
    told_apart = {name: share_of(one.hits) for name, one in found.items()}
    loss = [text_over_seeds([nats.per_token for nats in one.nats], 2) for one in found.values()]
    worse = [nats_differ(encoder.nats, one.nats).text("nats", 2) for one in (decoder, both)]
    bleu = [text_over_seeds(one.bleu) if one.bleu else "—" for one in found.values()]
    more = seeds_differ(decoder.bleu, both.bleu)
    right = ", ".join(one.text() for one in told_apart.values())
    sentence = (
        f"Encoder, decoder and encoder–decoder tell who acts in {right} % of the test's sentences (words without "
        f"order: {100 * bag:.0f} %); word by word they foretell a text at "
        f"{', '.join(loss)} nats a word (word frequencies: {plain:.2f}); the decoder translates with {bleu[1]} "
        f"BLEU and the encoder–decoder with {bleu[2]} ({more.text('BLEU')}); the encoder writes nothing."
    )
    rows = [
        (name, one.parameters, told_apart[name].text(), nats, change, score)
        for (name, one), nats, change, score in zip(found.items(), loss, ["", *worse], bleu, strict=True)
    ]
    rows += [("no model", 0, f"{100 * bag:.1f}", f"{plain:.2f}", "", "—")]
    headings = ("", "parameters", "who acts, % right", "nats a word", "against the encoder", "BLEU, English to German")
    note = (
        "No model: logistic regression on the words without order, and word frequencies. Nats a word: chain rule, each "
        "word from those before it; the encoder sees them and a mask, the encoder–decoder has an empty source. "
        "—: it has no way to."
    )
    numbers = {
        name: {
            "parameters": one.parameters,
            "accuracy": [float(group.mean()) for group in one.hits],
            "nats_per_word": [nats.per_token for nats in one.nats],
            "bleu": one.bleu,
        }
        for name, one in found.items()
    } | {"no model": {"accuracy": bag, "nats_per_word": plain}}
    table = Table("What each can do", headings, rows, note)
    return Findings(sentence, numbers, [table], _pictures(found, bag, plain), told(order, settings), _NOTES, held)


def _pictures(found: Mapping[str, Outcome], bag: float, plain: float) -> list[Picture]:
    right = {name: _percent(share_of(one.hits)) for name, one in found.items()} | {
        "words without order": exact(100 * bag)
    }
    nats = {name: over_seeds([nats.per_token for nats in one.nats]) for name, one in found.items()}
    nats |= {"word frequencies": exact(plain)}
    bleu = {name: over_seeds(one.bleu or [0.0]) for name, one in found.items()}
    return [
        Picture(
            "classes", bars(right, "right, %", "Who acts: an animal or a person?"), "Held-out sentences. Lines: 95 %."
        ),
        Picture("writing", bars(nats, "nats a word, lower is better", "Each word from those before it", 2), _WRITING),
        Picture(
            "translation", bars(bleu, "BLEU", "English to German"), "The encoder by itself cannot: it writes nothing."
        ),
    ]


def _percent(one: Interval) -> Interval:
    return Interval(100 * one.value, 100 * one.low, 100 * one.high)


_WRITING = (
    "Surprise at each word of held-out sentences, given the words before it. The encoder learnt to guess words from "
    "both sides; with nothing on the right it is asked what it never learnt."
)
_NOTES = (
    "The rule: the claim holds where encoder and encoder–decoder surely tell who acts better than words without order, "
    "and decoder and encoder–decoder surely foretell words better than the encoder; translations are not "
    "judged, nor whether a decoder understands less.",
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
    claim="Encoders serve understanding, decoders generation, encoder–decoders both. (Lewis et al. 2020, section 1; "
    "Raffel et al. 2020, section 3.2)",
)
