"""One table of names for both directions."""

from __future__ import annotations

import pytest
import torch

from regard.errors import CheckpointError
from regard.models.weight_names import WeightNames

NAMES = WeightNames(
    [
        ("encoder.blocks.{i}.attention.query", "model.encoder.layers.{i}.self_attn.q_proj"),
        ("encoder.blocks.{i}.norm", "model.encoder.layers.{i}.norm1"),
        ("encoder.norm", "model.encoder.layer_norm"),
        ("output.bias", "final_logits_bias"),
    ]
)
BOTH = [
    ("encoder.blocks.0.attention.query.weight", "model.encoder.layers.0.self_attn.q_proj.weight"),
    ("encoder.blocks.11.attention.query.bias", "model.encoder.layers.11.self_attn.q_proj.bias"),
    ("encoder.blocks.3.norm.weight", "model.encoder.layers.3.norm1.weight"),
    ("encoder.norm.weight", "model.encoder.layer_norm.weight"),
    ("output.bias", "final_logits_bias"),
]


@pytest.mark.parametrize(("ours", "theirs"), BOTH)
def test_a_name_is_translated_in_both_directions(ours, theirs):
    assert NAMES.to_public(ours) == theirs
    assert NAMES.from_public(theirs) == ours


@pytest.mark.parametrize(
    "name", ["encoder.blocks.0.normal.weight", "encoder.blocks.x.norm.weight", "my.encoder.norm.weight", "encoderXnorm"]
)
def test_a_name_that_only_looks_like_one_is_refused(name):
    expected = rf"{name}: got a weight without a place; expected a name of this family; check the family\."
    with pytest.raises(CheckpointError, match=expected):
        NAMES.to_public(name)


def test_weights_are_exported_in_the_order_of_their_public_names():
    weights = {ours: torch.tensor(float(number)) for number, (ours, _) in enumerate(BOTH)}
    exported = NAMES.export(weights)
    assert list(exported) == sorted(theirs for _, theirs in BOTH)
    assert exported == {theirs: weights[ours] for ours, theirs in BOTH}
