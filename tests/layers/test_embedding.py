"""Embeddings and the output layer that may share their matrix."""

from __future__ import annotations

import pytest
import torch

from regard.layers.embedding import OutputLayer, TokenEmbedding

IDS = torch.tensor([[2, 0, 4], [1, 4, 4]])  # 4 is padding


def test_a_vector_is_the_row_of_its_token_times_the_root_of_d_model():
    embedding = TokenEmbedding(5, 9, pad=4)
    assert torch.equal(embedding(IDS)[0, 0], 3.0 * embedding.weight[2])
    assert torch.equal(embedding(IDS)[1, 0], 3.0 * embedding.weight[1])


def test_unscaled_it_is_the_row_itself():
    embedding = TokenEmbedding(5, 9, pad=4, scaled=False)
    assert torch.equal(embedding(IDS)[0, 0], embedding.weight[2])


def test_scaled_vectors_begin_with_variance_one():
    weight = TokenEmbedding(1000, 64, pad=999).weight[:999]
    scaled = 8.0 * weight
    assert abs(scaled.mean()) < 5 / (999 * 64) ** 0.5
    assert abs(scaled.var() - 1) < 5 * (2 / (999 * 64)) ** 0.5


def test_the_row_of_padding_is_zero_and_learns_nothing():
    embedding = TokenEmbedding(5, 9, pad=4)
    assert torch.equal(embedding.weight[4], torch.zeros(9))
    embedding(IDS).square().sum().backward()
    embedding(IDS).sum().backward()
    assert torch.equal(embedding.weight.grad[4], torch.zeros(9))
    assert (embedding.weight.grad[2] != 0).all()


def test_without_padding_every_row_learns():
    embedding = TokenEmbedding(5, 9, pad=None)
    embedding(IDS).sum().backward()
    assert (embedding.weight.grad[[0, 1, 2, 4]] != 0).all()
    assert (embedding.weight[4] != 0).any()


def test_logits_are_products_with_every_row_plus_the_bias():
    layer = OutputLayer(torch.nn.Parameter(torch.tensor([[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]])), never=None)
    layer.bias.copy_(torch.tensor([0.0, 0.5, 7.0]))
    assert layer(torch.tensor([[[10.0, 1.0]]])).tolist() == [[[12.0, 34.5, 7.0]]]


def test_what_is_never_a_prediction_has_no_probability():
    layer = OutputLayer(torch.nn.Parameter(torch.randn(5, 3)), never=4)
    logits = layer(torch.randn(2, 6, 3))
    assert (logits[..., 4] == -torch.inf).all()
    assert logits[..., :4].isfinite().all()
    assert (logits.softmax(-1)[..., 4] == 0).all()


def test_a_shared_matrix_learns_from_both_sides_and_its_row_of_padding_from_neither():
    embedding = TokenEmbedding(5, 9, pad=4)
    layer = OutputLayer(embedding.weight, never=4)
    assert layer.weight is embedding.weight
    layer(embedding(IDS)).log_softmax(-1)[..., 3].sum().backward()
    assert torch.equal(embedding.weight.grad[4], torch.zeros(9))
    assert (embedding.weight.grad[:4] != 0).all()  # row 3 was no input: its gradient is the output layer's


def test_without_such_an_id_every_one_may_be_predicted():
    layer = OutputLayer(torch.nn.Parameter(torch.randn(5, 3)), never=None)
    assert layer(torch.randn(2, 6, 3)).isfinite().all()


@pytest.mark.parametrize(
    ("kind", "trained", "kept"),
    [
        ("constant", ["weight"], {"weight", "bias"}),
        ("trained", ["weight", "bias"], {"weight", "bias"}),
        ("none", ["weight"], {"weight"}),
    ],
)
def test_the_bias_is_kept_trained_or_not_there(kind, trained, kept):
    layer = OutputLayer(torch.nn.Parameter(torch.randn(5, 3)), None, kind)
    assert [name for name, _ in layer.named_parameters()] == trained
    assert set(layer.state_dict()) == kept
    if kind != "none":
        assert torch.equal(layer.bias, torch.zeros(5))


def test_a_bias_is_added_whichever_kind_it_is():
    weight, hidden = torch.nn.Parameter(torch.randn(5, 3)), torch.randn(2, 4, 3)
    products = OutputLayer(weight, None, "none")(hidden)
    torch.testing.assert_close(products, hidden @ weight.T)
    for kind in ("constant", "trained"):
        layer = OutputLayer(weight, None, kind)
        with torch.no_grad():
            layer.bias.copy_(torch.arange(5.0))
        torch.testing.assert_close(layer(hidden), products + torch.arange(5.0))


def test_states_of_a_shorter_type_of_number_are_taken_as_they_are():
    layer = OutputLayer(torch.nn.Parameter(torch.randn(5, 3, dtype=torch.bfloat16)), None)
    assert layer.bias.dtype == torch.float32
    assert layer(torch.randn(2, 4, 3, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_the_default_is_a_bias_that_is_kept_and_not_trained():
    layer = OutputLayer(torch.nn.Parameter(torch.randn(5, 3)), 4)
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    assert set(layer.state_dict()) == {"weight", "bias"}
