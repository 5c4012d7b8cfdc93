from __future__ import annotations

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from regard.decoding.embedder import Embedder
from regard.errors import DataError, SettingError
from regard.families import gpt2, rnn, transformer
from regard.models.vocabulary import Vocabulary, joint_vocabulary


class Words:
    """The text "7 3" is the tokens 7 and 3, with ``ends`` behind them."""

    def __init__(self, *ends):
        self.ends = ends

    def encode_batch(self, texts):
        return [[int(word) for word in text.split()] for text in texts]

    def decode(self, ids):
        return " ".join(map(str, ids))

    def wrap(self, first, second=None):
        ids = [*first, *self.ends]
        return SimpleNamespace(ids=ids, types=[0] * len(ids))


class Table(nn.Module):
    """The state of a token is a row of a table."""

    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.randn(50, 6, dtype=torch.float64))

    def forward(self, ids, types=None):
        return self.table[ids]


def some_texts(count):
    return [" ".join(str(random.randint(3, 28)) for _ in range(random.randint(1, 12))) for _ in range(count)]


@pytest.mark.parametrize("pooling", ["mean", "first", "last"])
def test_a_vector_is_the_mean_of_all_states_or_one_of_them(pooling):
    model = Table()
    found = Embedder(model, Words(2), pooling).embed(["7 8 7", "9"], unit_length=False)
    table = model.table.detach().numpy()
    expected = {
        "mean": [(2 * table[7] + table[8] + table[2]) / 4, (table[9] + table[2]) / 2],
        "first": [table[7], table[9]],
        "last": [table[2], table[2]],
    }[pooling]
    np.testing.assert_allclose(found, np.stack(expected), rtol=1e-12)
    ones = Embedder(model, Words(2), pooling).embed(["7 8 7", "9"])
    np.testing.assert_allclose(np.linalg.norm(ones, axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(ones, found / np.linalg.norm(found, axis=1, keepdims=True), rtol=1e-12)


def test_a_text_has_the_same_vector_alone_and_in_any_batch():
    model = gpt2.build(gpt2.Config(layers=1, d_model=16, d_ff=32, heads=4), Vocabulary.of_texts(30, {"eos": 0}))
    embedder = Embedder(model, Words(0), "last")
    texts = some_texts(40)
    seen = []
    together = embedder.embed(texts, batch_tokens=50, progress=seen.append)
    assert (together.dtype, together.shape) == (np.float32, (40, 16))
    assert np.array_equal(np.concatenate([embedder.embed([text]) for text in texts]), together)
    assert seen[-1] == 40
    assert model.training


def test_a_text_is_read_as_often_as_makes_rows_enough():
    """Sixteen rows: of a long text its tokens are as many, and where it is read token by token, each is one row."""

    class Counting(Table):
        def forward(self, ids, types=None):
            self.shape = tuple(ids.shape)
            return super().forward(ids, types)

    model = Counting()
    for length, copies in ((0, 16), (4, 4), (20, 1)):
        Embedder(model, Words(2)).embed([" 7" * length])
        assert model.shape == (copies, length + 1)
    model.encoder = SimpleNamespace(reads_one_by_one=True)
    Embedder(model, Words(2)).embed([" 7" * 20])
    assert model.shape == (16, 21)


def test_a_recurrent_encoder_s_vectors_are_the_same_alone_and_in_any_batch():
    model = rnn.build(rnn.TOY, joint_vocabulary(30))
    texts = some_texts(12)
    embedder = Embedder(model, Words(0))
    together = embedder.embed(texts)
    assert np.array_equal(np.concatenate([embedder.embed([text]) for text in texts]), together)


def test_of_an_encoder_and_decoder_the_encoder_reads():
    model = transformer.build(transformer.TOY, joint_vocabulary(30)).eval()
    found = Embedder(model, Words(0)).embed(["5 6 7"], unit_length=False)
    expected = model.encode(torch.tensor([[5, 6, 7, 0]])).mean(dim=1)
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_half_precision_becomes_single():
    assert Embedder(Table().bfloat16(), Words(2)).embed(["7"]).dtype == np.float32


def test_no_texts_are_no_vectors_and_no_token_is_refused():
    assert Embedder(Table(), Words()).embed([]).shape == (0, 0)
    with pytest.raises(DataError, match="text 2: got no token; expected some text"):
        Embedder(Table(), Words()).embed(["7", ""])
    with pytest.raises(SettingError, match="pooling: got 'max'; expected one of mean, first, last"):
        Embedder(Table(), Words(), "max")
