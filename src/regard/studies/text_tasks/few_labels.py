"""A task from few labels: by a BERT that begins with what it learnt from plain text, or with nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from regard.data.batching import filled
from regard.data.tokenizers.tokenizer import Tokenizer
from regard.models.encoder_model import EncoderModel
from regard.models.heads import Head
from regard.studies.frame.arms import learn_wholly
from regard.studies.frame.watch import Watch
from regard.studies.text_tasks.measures import ROWS, hits
from regard.studies.text_tasks.texts import Ids, ends, labelled_feed, masked_feed, text_model
from regard.studies.text_tasks.who_acts import Labelled
from regard.tasks.classification import Classification
from regard.tasks.contrastive import mean_pooling
from regard.tasks.masked_token import MaskedToken
from regard.training.settings import TrainSettings


@dataclass(frozen=True)
class Material:
    """Labelled texts to learn and to test, plain text, and what reads them."""

    name: str
    train: Sequence[Labelled]
    test: Sequence[Labelled]
    plain: Ids
    tokenizer: Tokenizer

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes."""
        return tuple(sorted({label for _, label in self.train}))


def cut(texts: Ids, shape: Mapping[str, Any]) -> Ids:
    """The texts without what a model of this shape has no places for."""
    return [text[: int(shape["longest"]) - 2] for text in texts]


def chosen_first(rows: Sequence[Labelled], seed: int) -> list[Labelled]:
    """The rows as chance orders them, but one with each label before all others: fewer labels are part of more."""
    order = [rows[place] for place in np.random.default_rng(seed).permutation(len(rows))]
    first = {label: row for row in reversed(order) for label in [row[1]]}
    return [*first.values(), *(row for row in order if row not in first.values())]


def pretrained(
    material: Material, shape: Mapping[str, Any], plan: TrainSettings, hidden: float, watch: Watch
) -> EncoderModel:
    """A BERT that has learnt to guess hidden tokens of the plain text."""
    torch.manual_seed(plan.seed)
    model: EncoderModel = text_model("bert", shape, material.tokenizer)
    feed = masked_feed(material.plain, material.tokenizer, plan.batch_tokens, plan.seed, hidden)
    learn_wholly(model, MaskedToken(), feed, plan, watch)
    return model


def tuned(
    material: Material,
    few: Sequence[Labelled],
    shape: Mapping[str, Any],
    plan: TrainSettings,
    beginning: EncoderModel | None,
    watch: Watch,
) -> np.ndarray:
    """The hits of a BERT after learning from a few labels; its encoder begins with the weights of ``beginning``."""
    torch.manual_seed(plan.seed)
    tokenizer, labels = material.tokenizer, material.labels
    model = text_model("bert", shape, tokenizer, Head("classification", labels))
    if beginning is not None:
        model.encoder.load_state_dict(beginning.encoder.state_dict())
    ids = cut(tokenizer.encode_batch([text for text, _ in few]), shape)
    classes = [labels.index(label) for _, label in few]
    feed = labelled_feed(ids, classes, tokenizer, plan.batch_tokens, plan.seed)
    learn_wholly(model, Classification(), feed, plan, watch)
    return hits(model, tokenizer, labels, material.test)


def hits_of_frozen(model: EncoderModel, few: Sequence[Labelled], material: Material) -> np.ndarray:
    """The hits of logistic regression on the mean state of each text, the pretrained weights left as they are."""
    train, test = (_states(model, [text for text, _ in rows], material.tokenizer) for rows in (few, material.test))
    reader = LogisticRegression(max_iter=1000).fit(train, [label for _, label in few])
    gold = np.array([label for _, label in material.test])
    return np.asarray(reader.predict(test) == gold, dtype=np.float64)


@torch.no_grad()
def _states(model: EncoderModel, texts: Sequence[str], tokenizer: Tokenizer) -> np.ndarray:
    model.eval()
    assert model.most_tokens is not None, "BERT has a table of places"
    room = model.most_tokens - 2
    bos, eos, pad = ends(tokenizer)
    read = [[bos, *ids[:room]] for ids in tokenizer.encode_batch(list(texts))]
    batches = [filled(read[begin : begin + ROWS], pad, eos) for begin in range(0, len(read), ROWS)]
    return np.concatenate([mean_pooling(model(ids), ids != pad).numpy() for ids in batches])
