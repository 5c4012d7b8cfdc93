"""Labels of words: the word's first piece decides, whatever it was cut into."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from regard.data.tokenizers.layout import LAYOUTS
from regard.data.tokenizers.tokenizer import Tokenizer, TokenizerSettings, train_tokenizer
from regard.decoding.tagger import Tagger
from regard.errors import CheckpointError, DataError

TEXTS = ["the dog runs", "a cat sleeps in the park", "dogs"]
LABELS = ("even", "odd", "first")


class Echo(nn.Module):
    """Says "first" at the first token of the text, else whether the id is odd."""

    def __init__(self, classes: int = 3, most_tokens: int | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.classes = classes
        self.most_tokens = most_tokens

    def classify(self, ids: torch.Tensor, types: torch.Tensor | None = None) -> torch.Tensor:
        logits = torch.zeros(*ids.shape, self.classes)
        logits.scatter_(2, (ids % 2)[..., None], 3.0)
        logits[:, 1] = torch.tensor([0.0, 0.0, 9.0])[: self.classes]
        return logits


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(TEXTS * 3, TokenizerSettings(size=330), LAYOUTS["bert"])


def by_hand(tokenizer: Tokenizer, text: str) -> list[str]:
    """Each word encoded with what stands before it: its first piece is the one behind those."""
    found = []
    words = text.split()
    for number in range(len(words)):
        before = len(tokenizer.encode(" ".join(words[:number])))
        piece = tokenizer.encode(" ".join(words[: number + 1]))[before]
        found.append("first" if number == 0 else LABELS[piece % 2])
    return found


def test_the_first_piece_of_each_word_decides(tokenizer):
    texts = [*TEXTS, "xylophone sleepsparks dogcat", "", "  the  dog "]
    found = Tagger(Echo(), tokenizer, LABELS).tag(texts)
    assert [[one.word for one in line] for line in found] == [text.split() for text in texts]
    assert [[one.label for one in line] for line in found] == [by_hand(tokenizer, text) for text in texts]


def test_probabilities_are_those_of_softmax(tokenizer):
    ((first, second, *_),) = Tagger(Echo(), tokenizer, LABELS).tag(["the dog runs"])
    expected = torch.tensor([0.0, 0.0, 9.0]).double().softmax(0)[2].item(), torch.tensor([3.0, 0, 0]).double()
    assert first.probability == pytest.approx(expected[0])
    assert second.probability == pytest.approx(expected[1].softmax(0)[0].item())


def test_batches_do_not_matter_and_progress_is_told(tokenizer):
    tagger, seen = Tagger(Echo(), tokenizer, LABELS), []
    whole = tagger.tag(TEXTS, progress=seen.append)
    assert tagger.tag(TEXTS, batch_tokens=1) == whole
    assert seen[-1] == 3


def test_words_behind_the_last_position_have_a_label_when_cut(tokenizer):
    text = " ".join(["dog"] * 30)
    tagger = Tagger(Echo(most_tokens=8), tokenizer, LABELS)
    with pytest.raises(DataError, match="tokens; expected at most 8, the model's positions; shorten it"):
        tagger.tag([text])
    (found,) = tagger.tag([text], cut=True)
    assert len(found) == 30


def test_labels_and_outputs_must_be_as_many(tokenizer):
    with pytest.raises(CheckpointError, match="expected a label for each output of a token; use the labels"):
        Tagger(Echo(), tokenizer, LABELS[:2]).tag(TEXTS)
