"""One table of names for both directions."""

from __future__ import annotations

import pytest
import torch

from regard.errors import CheckpointError
from regard.models.weight_names import PublicForm, embedding_names, layer_names, stack_names

FORM = PublicForm(
    [
        ("encoder.blocks.{i}.attention.query", "layers.{i}.self_attn.q_proj"),
        ("encoder.blocks.{i}.norm", "layers.{i}.norm1"),
        ("encoder.blocks.{i}.part.{j}", "groups.{j}.layers.{i}"),
        ("encoder.norm", "layer_norm"),
    ],
    [("output.bias", "logits_bias"), ("head.output", "classifier")],
    "model.",
    [r"position_ids", r"layers\.\d+\.mask"],
)
BASE = [
    ("encoder.blocks.0.attention.query.weight", "layers.0.self_attn.q_proj.weight"),
    ("encoder.blocks.11.attention.query.bias", "layers.11.self_attn.q_proj.bias"),
    ("encoder.blocks.3.norm.weight", "layers.3.norm1.weight"),
    ("encoder.blocks.10.part.2.weight", "groups.2.layers.10.weight"),
    ("encoder.norm.weight", "layer_norm.weight"),
]
HEAD = [("output.bias", "logits_bias"), ("head.output.weight", "classifier.weight")]


def numbered(names: list[str]) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(float(number)) for number, name in enumerate(names)}


@pytest.mark.parametrize("headed", [True, False])
def test_a_model_with_a_head_has_a_prefix_before_the_names_of_its_base(headed):
    weights = numbered([ours for ours, _ in BASE + HEAD])
    found = FORM.theirs(weights, headed=headed)
    prefix = "model." if headed else ""
    assert found == {prefix + public: weights[ours] for ours, public in BASE} | {p: weights[o] for o, p in HEAD}
    assert list(found) == sorted(found)


@pytest.mark.parametrize("prefix", ["model.", ""])
def test_names_are_read_with_the_prefix_and_without_it(prefix):
    tensors = numbered([prefix + public for _, public in BASE] + [public for _, public in HEAD])
    found = FORM.ours(tensors)
    assert found.weights == {ours: tensors[prefix + public] for ours, public in BASE} | {o: tensors[p] for o, p in HEAD}
    assert (found.ignored, found.unknown) == ((), ())


def test_what_means_nothing_is_listed_and_what_is_unknown_too():
    names = ["model.position_ids", "layers.3.mask", "layers.x.norm1.weight", "layers.3.masked", "my.layer_norm.weight"]
    found = FORM.ours(numbered([*names, "layer_norms.weight"]))
    assert found.weights == {}
    assert found.ignored == ("layers.3.mask", "position_ids")
    assert found.unknown == ("layer_norms.weight", "layers.3.masked", "layers.x.norm1.weight", "my.layer_norm.weight")


@pytest.mark.parametrize(
    "name", ["encoder.blocks.0.normal.weight", "encoder.blocks.x.norm.weight", "my.encoder.norm.weight", "encoderXnorm"]
)
def test_a_name_that_only_looks_like_one_is_refused(name):
    expected = rf"{name}: got a weight without a public name; expected one that has a name; check the family's table"
    with pytest.raises(CheckpointError, match=expected):
        FORM.theirs({name: torch.zeros(1)})


def test_tensors_of_another_layout_are_changed_under_public_names_without_prefix():
    def turn(tensors):
        return {name: tensor.T if name == "layer.weight" else tensor for name, tensor in tensors.items()}

    form = PublicForm([("mine", "layer")], [("head", "head")], "model.", outward=turn, inward=turn)
    weights = {"mine.weight": torch.arange(6).view(2, 3), "head.weight": torch.arange(2).view(1, 2)}
    public = form.theirs(weights)
    assert public["model.layer.weight"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert public["head.weight"].tolist() == [[0, 1]]
    back = form.ours(public).weights
    assert {name: tensor.tolist() for name, tensor in back.items()} == {n: t.tolist() for n, t in weights.items()}


@pytest.mark.parametrize(
    "pairs",
    [stack_names("encoder"), stack_names("decoder"), [*embedding_names(), *layer_names()]],
    ids=["BART's encoder", "BART's decoder", "BERT"],
)
def test_no_name_of_a_table_stands_for_two(pairs):
    for side in zip(*pairs, strict=True):
        assert len(set(side)) == len(side)
    for ours, public in pairs:
        assert ours.count("{i}") == public.count("{i}")


def test_only_a_decoder_looks_at_another_text():
    assert not any("cross_attention" in ours for ours, _ in stack_names("encoder"))
    assert sum("cross_attention" in ours for ours, _ in stack_names("decoder")) == 5
