"""A model's weights by name, and putting them back: all or none."""

from __future__ import annotations

import pytest
import torch

from regard.errors import CheckpointError
from regard.families.transformer import Config
from regard.models.state import put_weights, weights_of
from regard.models.vocabulary import own_vocabulary

SMALL = Config(layers=1, d_model=4, d_ff=6, heads=2)


def test_a_shared_matrix_appears_once_under_its_first_name(make_model):
    weights = weights_of(make_model(SMALL))
    assert "encoder.embed.tokens.weight" in weights
    assert not {"decoder.embed.tokens.weight", "output.weight"} & weights.keys()


def test_separate_matrices_appear_each(make_model):
    weights = weights_of(make_model(SMALL, own_vocabulary(9, 7, shared=False)))
    assert weights["encoder.embed.tokens.weight"].shape == (9, 4)
    assert weights["decoder.embed.tokens.weight"].shape == (7, 4)
    assert "output.weight" not in weights


def test_every_trained_number_and_the_output_bias_are_there(make_model):
    model = make_model(SMALL)
    weights = weights_of(model)
    trained = sum(weight.numel() for weight in model.parameters())
    assert sum(weight.numel() for weight in weights.values()) == trained + model.ids.target
    assert not any(weight.requires_grad for weight in weights.values())


def test_what_was_taken_out_can_be_put_into_another(make_model):
    first, second = make_model(SMALL), make_model(SMALL)
    put_weights(second, weights_of(first))
    for name, weight in second.state_dict().items():
        assert torch.equal(weight, first.state_dict()[name])
    assert second.output.weight is second.encoder.embed.tokens.weight


def test_everything_that_does_not_fit_is_listed_and_nothing_is_changed(make_model):
    model = make_model(SMALL)
    before = {name: weight.clone() for name, weight in weights_of(model).items()}
    weights = {name: torch.zeros_like(weight) for name, weight in before.items()}
    del weights["encoder.blocks.0.feed_forward.inner.bias"]
    weights["decoder.blocks.7.feed_forward.inner.bias"] = torch.zeros(6)
    weights["output.bias"] = torch.zeros(5)
    expected = (
        r"weights: got decoder\.blocks\.7\.feed_forward\.inner\.bias has no place in this model; "
        r"encoder\.blocks\.0\.feed_forward\.inner\.bias is missing; output\.bias has shape \[5\], not \[13\]; "
        r"expected the model's own names and shapes; "
        r"check that config\.json and model\.safetensors belong together\."
    )
    with pytest.raises(CheckpointError, match=expected):
        put_weights(model, weights)
    assert all(torch.equal(weight, before[name]) for name, weight in weights_of(model).items())


def test_of_many_problems_twenty_are_shown(make_model):
    with pytest.raises(CheckpointError) as raised:
        put_weights(make_model(SMALL), {})
    assert str(raised.value).count(" is missing") == 20
