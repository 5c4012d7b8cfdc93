"""Between a model and a checkpoint: what fits, what not, and what ``config.json`` says of the head."""

from __future__ import annotations

import pytest
import torch
import transformers
from torch import nn

from regard.errors import CheckpointError
from regard.families.bert import TOY
from regard.models.heads import Head
from regard.models.public import (
    ACTIVATION_NAMES,
    activation_of,
    check_fit,
    check_usual,
    head_facts,
    head_of,
    public_weights,
    put_public_weights,
    translated,
    translated_back,
)
from regard.models.weight_names import PublicForm

FORM = PublicForm([("body", "layer")], [("head", "classifier")], "model.", [r"mask"])
ARCHITECTURES = {"language": "XForMaskedLM", "classification": "XForSequenceClassification", "none": "XModel"}
ARCHITECTURES["tokens"] = "XForTokenClassification"


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(2, 3)
        self.head = nn.Linear(3, 2)


def shapes(tensors: dict[str, torch.Tensor]) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in tensors.items()}


def test_what_was_taken_out_fits_and_goes_into_another():
    one, other = Small().to(torch.bfloat16), Small()
    saved = public_weights(one, FORM, Head("classification", ("no", "yes")))
    assert set(saved) == {"model.layer.weight", "model.layer.bias", "classifier.weight", "classifier.bias"}
    assert {tensor.dtype for tensor in saved.values()} == {torch.float32}
    saved["model.mask"] = torch.zeros(1)
    assert check_fit(other, FORM, shapes(saved)) == (("mask",), ())
    assert put_public_weights(other, FORM, saved) == (("mask",), ())
    for name, weight in other.state_dict().items():
        assert torch.equal(weight, one.state_dict()[name].float())


def test_a_model_without_a_head_is_saved_without_prefix():
    model = Small()
    del model.head
    assert set(public_weights(model, FORM, Head("none"))) == {"layer.weight", "layer.bias"}


def test_everything_that_does_not_fit_is_listed_and_nothing_is_changed():
    model = Small()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    tensors = {"layer.weight": torch.ones(2, 2), "layer.bias": torch.ones(3), "classifier.bias": torch.ones(2)}
    tensors |= {"extra.weight": torch.ones(1)}
    expected = (
        r"weights: got body\.weight has shape \[2, 2\], not \[3, 2\]; extra\.weight has no place in this family; "
        r"head\.weight is missing; expected the model's own names and shapes; "
        r"check that config\.json and the weights belong together\."
    )
    with pytest.raises(CheckpointError, match=expected):
        check_fit(model, FORM, shapes(tensors))
    with pytest.raises(CheckpointError, match=expected):
        put_public_weights(model, FORM, tensors)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_a_fit_is_found_out_without_memory():
    with torch.device("meta"):
        model = nn.ModuleDict({"body": nn.Linear(10**6, 10**6)})
        assert check_fit(model, FORM, {"layer.weight": [10**6, 10**6], "layer.bias": [10**6]}) == ((), ())


def test_what_is_fresh_may_be_missing_and_keeps_its_first_values():
    model = Small()
    first = model.head.weight.clone()
    tensors = {"layer.weight": torch.ones(3, 2), "layer.bias": torch.ones(3)}
    fit = put_public_weights(model, FORM, tensors, fresh=("head",))
    assert fit == ((), ("head.weight", "head.bias"))
    assert torch.equal(model.head.weight, first)
    assert torch.equal(model.body.weight, torch.ones(3, 2))
    with pytest.raises(CheckpointError, match=r"body\.bias is missing"):
        put_public_weights(model, FORM, {"layer.weight": torch.ones(3, 2)}, fresh=("head",))


def test_a_head_that_the_model_has_no_use_for_is_left_out_where_heads_are_fresh():
    model = nn.ModuleDict({"body": nn.Linear(2, 3)})
    tensors = {"layer.weight": torch.ones(3, 2), "layer.bias": torch.ones(3), "classifier.bias": torch.ones(2)}
    assert put_public_weights(model, FORM, tensors, fresh=("head",)) == (("head.bias",), ())
    with pytest.raises(CheckpointError, match=r"head\.bias has no place in this model"):
        put_public_weights(model, FORM, tensors)


@pytest.mark.parametrize(
    "head", [Head(), Head("none"), Head("tokens", ("x", "y")), Head("classification", tuple("abcdefghijklm"))]
)
def test_a_head_comes_back_from_the_configuration(head):
    assert head_of(head_facts(head, ARCHITECTURES), ARCHITECTURES) == head


def test_labels_are_in_the_order_of_their_numbers():
    table = {"architectures": ["XForSequenceClassification"], "id2label": {"10": "c", "9": "b", "1": "a"}}
    assert head_of(table, ARCHITECTURES).labels == ("a", "b", "c")


def test_classes_without_names_are_numbered_as_transformers_does_it():
    names = {"architectures": ["XForTokenClassification"]}
    expected = tuple(transformers.BertConfig(num_labels=3).id2label.values())
    assert head_of({**names, "num_labels": 3}, ARCHITECTURES).labels == expected
    assert head_of(names, ARCHITECTURES).labels == tuple(transformers.BertConfig().id2label.values())


@pytest.mark.parametrize("table", [{}, {"architectures": None}, {"architectures": ["XForPreTraining"]}])
def test_a_class_that_is_not_known_is_taken_for_the_first(table):
    assert head_of(table, ARCHITECTURES) == Head("language")


def test_settings_are_translated_and_what_is_not_said_is_left_out():
    names = {"layers": "num_layers", "d_model": "width"}
    assert translated(TOY, names) == {"num_layers": 2, "width": 16}
    assert translated_back({"num_layers": 0, "width": None, "other": 1}, names) == {"layers": 0}


@pytest.mark.parametrize("ours", ACTIVATION_NAMES)
def test_an_activation_is_computed_as_transformers_computes_the_one_of_its_name(ours):
    from transformers.activations import ACT2FN

    from regard.layers.feedforward import ACTIVATIONS

    x = torch.linspace(-6, 6, 101, dtype=torch.float64)
    torch.testing.assert_close(ACTIVATIONS[ours](x), ACT2FN[ACTIVATION_NAMES[ours]](x), rtol=0, atol=1e-12)
    assert activation_of({"act": ACTIVATION_NAMES[ours]}, "act", "relu") == ours


def test_an_activation_may_have_other_names_or_none():
    assert activation_of({"act": "swish"}, "act", "relu") == "silu"
    assert activation_of({"act": "gelu_pytorch_tanh"}, "act", "relu") == "gelu_tanh"
    assert activation_of({}, "act", "gelu_new") == "gelu_tanh"


def test_an_activation_that_is_not_here_is_named():
    expected = r"act: got 'mish'; expected one of relu, gelu, .*; open a model with one of these\."
    with pytest.raises(CheckpointError, match=expected):
        activation_of({"act": "mish"}, "act", "relu")


def test_a_model_of_the_usual_kind_may_say_so_or_not():
    for table in ({}, {"is_decoder": False}, {"is_decoder": None, "tied": True}):
        check_usual(table, {"is_decoder": False, "tied": True})


def test_a_model_of_another_kind_is_refused():
    expected = r"tied: got False; expected True, the only kind there is here; open a model without this variation\."
    with pytest.raises(CheckpointError, match=expected):
        check_usual({"tied": False}, {"tied": True})
