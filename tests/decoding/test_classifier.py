from __future__ import annotations

import math
import random
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from regard.decoding.classifier import Classifier
from regard.decoding.roster import LEAST_ROWS
from regard.errors import CheckpointError, DataError


class Words:
    """The text "7 3" is the tokens 7 and 3; 1 stands before a text and 2 behind each."""

    def encode_batch(self, texts):
        return [[int(word) for word in text.split()] for text in texts]

    def decode(self, ids):
        return " ".join(map(str, ids))

    def wrap(self, first, second=None):
        ids, types = [1, *first, 2], [0] * (len(first) + 2)
        if second is not None:
            ids, types = [*ids, *second, 2], [*types, *[1] * (len(second) + 1)]
        return SimpleNamespace(ids=ids, types=types)


class Sums(nn.Module):
    """Logits: the sum of the first text's ids in hundreds, that of the second, and 0."""

    most_tokens = 30

    def __init__(self):
        super().__init__()
        self.inner = nn.Dropout(0.5)
        self.shapes = []

    def classify(self, ids, types=None):
        assert not self.training
        self.shapes.append(tuple(ids.shape))
        first, second = (ids * (types == 0)).sum(1) / 100, (ids * (types == 1)).sum(1) / 100
        return torch.stack([first, second, torch.zeros_like(first)], dim=1)


LABELS = ("first", "second", "neither")


def softmax(*logits):
    total = sum(math.exp(x) for x in logits)
    return [math.exp(x) / total for x in logits]


def test_texts_and_pairs_get_their_probabilities_in_order():
    texts = ["10 20", ("10", "50 60"), "", ("", "")]
    found = Classifier(Sums(), Words(), LABELS).classify(texts)
    sums = [(0.33, 0.0), (0.13, 1.12), (0.03, 0.0), (0.03, 0.02)]
    for one, (first, second) in zip(found, sums, strict=True):
        assert list(one.probabilities) == list(LABELS)
        assert list(one.probabilities.values()) == pytest.approx(softmax(first, second, 0.0))
        assert one.probability == max(one.probabilities.values())
    assert [one.label for one in found] == ["first", "second", "first", "first"]
    assert Classifier(Sums(), Words(), LABELS).classify([]) == []


def test_only_texts_of_one_length_share_a_batch_and_a_text_fares_the_same_in_any():
    texts = [" ".join(str(random.randint(3, 90)) for _ in range(random.randint(0, 12))) for _ in range(60)]
    model = Sums()
    classifier = Classifier(model, Words(), LABELS)
    seen = []
    together = classifier.classify(texts, batch_tokens=60, progress=seen.append)
    assert [classifier.classify([text])[0] for text in texts] == together
    assert all(rows >= LEAST_ROWS and (rows == LEAST_ROWS or rows * width <= 60) for rows, width in model.shapes)
    assert seen == sorted(seen)
    assert seen[-1] == 60
    order = random.sample(range(60), 60)
    assert classifier.classify([texts[i] for i in order]) == [together[i] for i in order]


def test_what_does_not_fit_is_refused():
    classifier = Classifier(Sums(), Words(), LABELS)
    with pytest.raises(DataError, match="text 2: got 31 tokens; expected at most 30, the model's positions"):
        classifier.classify(["3", ("3 " * 20, "4 " * 8)])
    with pytest.raises(CheckpointError, match=r"got 2 labels with outputs of the shape \[3\]"):
        Classifier(Sums(), Words(), ("yes", "no")).classify(["3"])

    class Plain:
        def classify(self, ids, types=None): ...

    with pytest.raises(TypeError, match="the model is a Plain, not a torch module"):
        Classifier(Plain(), Words(), LABELS)
