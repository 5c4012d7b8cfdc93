from __future__ import annotations

import pytest
import torch
from torch import nn

from regard.data.tokenizers.layout import LAYOUTS
from regard.data.tokenizers.tokenizer import TokenizerSettings, train_tokenizer
from regard.decoding.fill import Filler
from regard.errors import CheckpointError, DataError, SettingError

LINES = ["the dog runs home", "a dog sees the cat", "the cat runs"]


class Echo(nn.Module):
    """At each place, token i has the logit −|i − place − type|."""

    def __init__(self, vocabulary: int, most_tokens: int | None = None) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.most_tokens = most_tokens
        self.read: list[list[int]] = []

    def forward(self, ids, types=None):
        self.read.append(ids[0].tolist())
        places = torch.arange(ids.shape[1]).expand_as(ids)
        return (1.0 * places + types)[:, :, None]

    def logits(self, hidden):
        return -(torch.arange(self.vocabulary) - hidden).abs()


@pytest.fixture(params=["bert", "roberta", "albert"])
def tokenizer(request):
    kind = {"bert": "wordpiece", "roberta": "bpe", "albert": "unigram"}[request.param]
    size = {"bert": 60, "roberta": 290, "albert": 290}[request.param]
    return train_tokenizer(LINES * 3, TokenizerSettings(kind=kind, size=size), LAYOUTS[request.param])


@pytest.mark.parametrize("mark", ["[MASK]", "<mask>"])
def test_each_gap_gets_its_likeliest_pieces(tokenizer, mark):
    model = Echo(tokenizer.size)
    found = Filler(model, tokenizer).fill(f"the {mark} runs {mark}", top=3)
    (read,) = model.read
    gaps = [place for place, index in enumerate(read) if index == tokenizer.mask]
    assert len(gaps) == len(found) == 2
    assert read[0] == tokenizer.bos
    assert read[-1] == tokenizer.eos
    total = sum(torch.tensor([-abs(i - gaps[0]) for i in range(tokenizer.size)]).exp().tolist())
    assert [guess.id for guess in found[0]] == [gaps[0], gaps[0] - 1, gaps[0] + 1]
    assert [guess.probability for guess in found[0]] == pytest.approx([1 / total] + [2.718281828**-1 / total] * 2)
    assert [guess.piece for guess in found[1]] == tokenizer.pieces_of([guess.id for guess in found[1]])


def test_a_filler_agrees_with_a_pass_through_the_model():
    tokenizer = train_tokenizer(LINES * 3, TokenizerSettings(kind="wordpiece", size=60), LAYOUTS["bert"])

    class Random(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(tokenizer.size, 8)

        def forward(self, ids, types=None):
            return self.table(ids).cumsum(dim=1)

        def logits(self, hidden):
            return hidden @ self.table.weight.T

    model = Random()
    (found,) = Filler(model, tokenizer).fill("the cat [MASK]", top=tokenizer.size + 10)
    ids = tokenizer.wrap([*tokenizer.encode("the cat"), tokenizer.mask]).ids
    expected = model.logits(model(torch.tensor([ids])))[0, -2].softmax(dim=0)
    assert sum(guess.probability for guess in found) == pytest.approx(1.0)
    assert [guess.probability for guess in found] == pytest.approx(expected.sort(descending=True).values.tolist())
    assert found[0].id == int(expected.argmax())


def test_what_cannot_be_filled_is_refused():
    tokenizer = train_tokenizer(LINES * 3, TokenizerSettings(kind="wordpiece", size=60), LAYOUTS["bert"])
    filler = Filler(Echo(tokenizer.size, most_tokens=5), tokenizer)
    assert len(filler.fill("the [MASK] runs")) == 1
    with pytest.raises(DataError, match=r"got no gap; expected \[MASK\] where a piece is to be guessed"):
        filler.fill("the dog runs")
    with pytest.raises(DataError, match="text: got 6 tokens; expected at most 5, the model's positions"):
        filler.fill("the [MASK] runs home")
    with pytest.raises(SettingError, match="top: got 0; expected at least 1"):
        filler.fill("the [MASK]", top=0)
    with pytest.raises(CheckpointError, match="got no mask token; expected one"):
        Filler(Echo(9), train_tokenizer(LINES, TokenizerSettings(size=280), LAYOUTS["regard"]))

    class Plain:
        def __call__(self, ids, types=None): ...

        def logits(self, hidden): ...

    with pytest.raises(TypeError, match="the model is a Plain, not a torch module"):
        Filler(Plain(), tokenizer)
