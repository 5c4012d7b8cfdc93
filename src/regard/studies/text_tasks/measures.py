"""How well texts are told apart, and how well they are foretold; each measure text by text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from torch import Tensor

from regard.data.batching import IGNORED
from regard.data.tokenizers.tokenizer import Tokenizer
from regard.decoding.classifier import Classifier
from regard.evaluation.translation import against, corpus_bleu
from regard.studies.frame.verdict import TEXTS, Difference, over_test, seeds_differ
from regard.studies.text_tasks.texts import Ids, next_tokens
from regard.studies.text_tasks.who_acts import Labelled

ROWS = 64  # texts that are read at once
Next = Callable[[Tensor], Tensor]  # the beginnings of texts [B T] → the logits of what comes next [B V]


@dataclass(frozen=True)
class Nats:
    """What each text surprised a model by, −log P in nats, and its tokens."""

    nats: np.ndarray
    tokens: np.ndarray

    @property
    def per_token(self) -> float:
        """Of all texts together."""
        return float(self.nats.sum() / self.tokens.sum())


def hits(model: Any, tokenizer: Tokenizer, labels: Sequence[str], rows: Sequence[Labelled]) -> np.ndarray:
    """1 for each row whose label the model finds, else 0. Texts of too many tokens are cut."""
    found = Classifier(model, tokenizer, labels).classify([text for text, _ in rows], threads=0, cut=True)
    return np.array([float(one.label == label) for one, (_, label) in zip(found, rows, strict=True)])


def hits_of_word_bag(train: Sequence[Labelled], test: Sequence[Labelled]) -> np.ndarray:
    """The same of logistic regression on which words a text has, in whatever order."""
    reader = make_pipeline(CountVectorizer(token_pattern=r"(?u)\w+", binary=True), LogisticRegression(max_iter=1000))
    reader.fit([text for text, _ in train], [label for _, label in train])
    found = reader.predict([text for text, _ in test])
    return np.array([float(one == label) for one, (_, label) in zip(found, test, strict=True)])


def nats_differ(first: Sequence[Nats], second: Sequence[Nats]) -> Difference:
    """Nats per token, second minus first: over the seeds, or of one seed over the texts."""
    if len(first) > 1:
        return seeds_differ([one.per_token for one in first], [one.per_token for one in second], digits=3)
    return over_test((second[0].nats - first[0].nats) / first[0].tokens.mean(), TEXTS, 3)


def bleu_differ(
    first: Sequence[Sequence[str]], second: Sequence[Sequence[str]], references: Sequence[str]
) -> Difference:
    """BLEU, second minus first: over the seeds, or of one seed by paired bootstrap over the sentences."""
    if len(first) > 1:
        before, after = ([corpus_bleu(one, references) for one in group] for group in (first, second))
        return seeds_differ(before, after)
    found = against(first[0], second[0], references).bleu
    evidence = f"p = {found.p_value:.3f}, paired bootstrap over sentences, one seed"
    return Difference(found.delta, found.significant, evidence)


def to_others(translations: Sequence[Sequence[str]]) -> list[list[str]]:
    """Each translation given to the sentence before its own: as fluent, but of something else."""
    return [[*one[1:], one[0]] for one in translations]


def word_frequency_nats(train: Ids, asked: Ids) -> Nats:
    """Nats of each text by Σ −log (count + 1)/(all + tokens + 1), with the training's counts: no model."""
    counts = Counter(token for text in train for token in text)
    total = sum(counts.values()) + len(counts) + 1
    nats = [sum(-float(np.log((counts[token] + 1) / total)) for token in text) for text in asked]
    return Nats(np.array(nats), np.array([len(text) for text in asked]))


@torch.no_grad()
def next_token_nats(model: Any, texts: Ids, tokenizer: Tokenizer) -> Nats:
    """Σ_t −log P(x_t | x_<t) of each text with its ``</s>``, by a model that sees no future; dropout is off."""
    model.eval()
    nats = np.zeros(len(texts))
    for begin in range(0, len(texts), ROWS):
        batch = next_tokens(texts[begin : begin + ROWS], tokenizer)
        log_probabilities = model.logits(model(batch.ids)).double().log_softmax(-1)
        counted = batch.labels != IGNORED
        answered = log_probabilities.gather(-1, batch.labels.where(counted, 0)[..., None])[..., 0]
        nats[begin : begin + ROWS] = -answered.where(counted, 0.0).sum(1).numpy()
    return Nats(nats, np.array([len(text) + 1 for text in texts]))


@torch.no_grad()
def chain_rule_nats(model: Any, following: Next, texts: Ids) -> Nats:
    """Σ_t −log P(x_t | x_<t) of each text without its end, by any model that says what follows a beginning."""
    model.eval()
    nats = np.zeros(len(texts))
    for place in range(max(map(len, texts))):
        longer = np.array([row for row, text in enumerate(texts) if len(text) > place])
        for rows in np.array_split(longer, -(-len(longer) // ROWS)):
            begun = torch.tensor([texts[row][: place + 1] for row in rows])
            logits = following(begun[:, :place]).double()
            nats[rows] -= logits.log_softmax(-1).gather(1, begun[:, place:])[:, 0].numpy()
    return Nats(nats, np.array([len(text) for text in texts]))
