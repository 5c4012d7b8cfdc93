from __future__ import annotations

import json
import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import regard.evaluation.perplexity as module
from regard.errors import DataError, SettingError
from regard.evaluation.perplexity import Perplexity, perplexity

VOCABULARY, EOS, PAD = 13, 0, 12


@dataclass(frozen=True)
class Batch:
    source: Tensor
    target: Tensor


class Toy(nn.Module):
    """Its states depend on the source and the token before; dropout would show if it stayed on."""

    pad, start = PAD, PAD

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.embedding = nn.Embedding(VOCABULARY, 8)
        self.output = nn.Linear(8, VOCABULARY)
        self.dropout = nn.Dropout(0.5)
        self.largest = 0

    def forward(self, source: Tensor, target_in: Tensor) -> Tensor:
        return self.dropout(self.embedding(target_in) + self.embedding(source).mean(1, keepdim=True))

    def logits(self, hidden: Tensor) -> Tensor:
        self.largest = max(self.largest, hidden.numel() // hidden.shape[-1])
        pad_is_impossible = torch.zeros(VOCABULARY).index_fill(0, torch.tensor([PAD]), -math.inf)
        return self.output(hidden) + pad_is_impossible


def batches() -> list[Batch]:
    generator = torch.Generator().manual_seed(5)
    made = []
    for lengths in ([4, 7, 2], [1, 3]):
        target = torch.full((len(lengths), max(lengths) + 1), PAD)
        for row, length in enumerate(lengths):
            target[row, :length] = torch.randint(1, PAD, (length,), generator=generator)
            target[row, length] = EOS
        made.append(Batch(torch.randint(1, PAD, (len(lengths), 5), generator=generator), target))
    return made


def by_torch(model: Toy) -> float:
    """torch's own cross entropy over whole batches of logits."""
    nats = tokens = 0.0
    model.eval()
    for batch in batches():
        start = torch.full((len(batch.target), 1), PAD)
        logits = model.logits(model(batch.source, torch.cat([start, batch.target[:, :-1]], 1)))
        loss = functional.cross_entropy(
            logits.flatten(0, 1), batch.target.flatten(), ignore_index=PAD, reduction="sum", label_smoothing=0.0
        )
        nats += loss.item()
        tokens += int((batch.target != PAD).sum())
    return nats / tokens


@pytest.mark.parametrize("logits_at_once", [1, 2 * VOCABULARY, 2**22])
def test_perplexity_is_the_exponential_of_torchs_cross_entropy(monkeypatch: pytest.MonkeyPatch, logits_at_once: int):
    monkeypatch.setattr(module, "LOGITS_AT_ONCE", logits_at_once)
    model = Toy().double()
    result = perplexity(model, batches())
    expected = by_torch(model)
    assert result.nats_per_token == pytest.approx(expected, abs=1e-6)
    assert result.perplexity == pytest.approx(math.exp(expected), rel=1e-6)
    assert result.tokens == (4 + 7 + 2 + 1 + 3) + 5  # every sentence's </s> counts


def test_a_model_that_knows_nothing_has_the_vocabulary_as_its_perplexity():
    model = Toy()
    nn.init.zeros_(model.output.weight)
    nn.init.zeros_(model.output.bias)
    assert perplexity(model, batches()).perplexity == pytest.approx(VOCABULARY - 1, rel=1e-6)  # padding is impossible


def test_no_more_logits_are_held_than_allowed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "LOGITS_AT_ONCE", 3 * VOCABULARY)
    model = Toy()
    perplexity(model, batches())
    assert model.largest == 3


def test_more_padding_changes_nothing():
    model = Toy()
    padded = [Batch(b.source, functional.pad(b.target, (0, 3), value=PAD)) for b in batches()]
    assert perplexity(model, padded) == perplexity(model, batches())


def test_a_batch_of_padding_alone_counts_for_nothing():
    model = Toy()
    empty = Batch(torch.ones(2, 3, dtype=torch.long), torch.full((2, 4), PAD))
    assert perplexity(model, [*batches(), empty]) == perplexity(model, batches())


@pytest.mark.parametrize("training", [True, False])
def test_dropout_is_off_meanwhile_and_comes_back(training: bool):
    model = Toy().train(training)
    assert perplexity(model, batches()) == perplexity(model, batches())
    assert model.training is training
    assert model.dropout.training is training


def test_nats_per_word_share_the_same_nats_among_the_words():
    result = perplexity(Toy(), batches(), words=11)
    assert result.nats_per_word == pytest.approx(result.nats_per_token * 22 / 11)
    assert perplexity(Toy(), batches()).nats_per_word is None


def test_perplexity_beyond_a_float_is_infinite():
    assert Perplexity(800.0, 1).perplexity == math.inf
    assert math.isnan(Perplexity(math.nan, 1).perplexity)


def test_perplexity_survives_json():
    table = json.loads(json.dumps(Perplexity(math.log(4), 10, 5).to_dict()))
    assert table["perplexity"] == pytest.approx(4)
    assert table["nats_per_word"] == pytest.approx(2 * math.log(4))


def test_no_tokens_and_no_words_are_refused():
    with pytest.raises(DataError, match=r"^perplexity: got no target tokens; expected at least one"):
        perplexity(Toy(), [])
    with pytest.raises(SettingError, match=r"^words: got 0; expected at least one reference word"):
        perplexity(Toy(), batches(), words=0)


def test_bytes_by_chance_cost_eight_bits_each():
    result = Perplexity(math.log(256), 1000, bytes=1000)
    assert result.bits_per_byte == pytest.approx(8)
    assert json.loads(json.dumps(result.to_dict()))["bits_per_byte"] == pytest.approx(8)
    assert Perplexity(1.0, 10).bits_per_byte is None
