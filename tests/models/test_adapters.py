"""Low-rank changes of a whole model: merged they are the same function, and they fit no other model."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from regard.errors import CheckpointError, SettingError
from regard.families import bert, transformer
from regard.models.adapters import adapters_of, add_adapters, apply_adapter, merged
from regard.models.heads import Head
from regard.models.state import weights_of
from regard.models.vocabulary import Vocabulary, joint_vocabulary

VOCABULARY = Vocabulary.of_texts(20, {"pad": 0, "eos": 3})
CLASSES = Head("classification", ("a", "b"))


def reader() -> nn.Module:
    torch.manual_seed(1)
    model = bert.build(bert.TOY, VOCABULARY, CLASSES).double().eval()
    with torch.no_grad():  # the fresh one is so quiet that a change would not be heard
        for weight in model.parameters():
            weight.normal_(0, 0.3)
    return model


def adapted(rank: int = 2, alpha: float = 5.0, targets: tuple[str, ...] = ("query", "value")) -> nn.Module:
    model = reader()
    add_adapters(model, rank, alpha, targets, [name for name, _ in model.named_parameters() if name.startswith("head")])
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(".up"):
                weight.normal_()
    return model


@pytest.mark.parametrize("targets", [("query", "value"), ("inner", "outer", "output"), ("key",)], ids=str)
def test_the_merged_model_is_the_changed_one(targets):
    changed, plain = adapted(targets=targets), reader()
    ids = torch.randint(4, 20, (3, 9))
    different = plain.classify(ids)
    apply_adapter(plain, adapters_of(weights_of(changed)), 2.5)
    torch.testing.assert_close(plain.classify(ids), changed.classify(ids), rtol=0, atol=1e-12)
    assert (plain.classify(ids) - different).abs().max() > 1e-3
    assert merged(weights_of(changed), 2.5).keys() == weights_of(reader()).keys()


def test_a_decoder_that_shares_its_matrix_is_merged_too():
    torch.manual_seed(1)
    model = transformer.build(transformer.TOY, joint_vocabulary(11)).double().eval()
    torch.manual_seed(1)
    plain = transformer.build(transformer.TOY, joint_vocabulary(11)).double().eval()
    add_adapters(model, 1, 1.0, ["output", "query"])
    assert not model.output.weight.requires_grad
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(".up"):
                weight.normal_()
    apply_adapter(plain, adapters_of(weights_of(model)), 1.0)
    source, target = torch.randint(2, 10, (2, 5)), torch.randint(2, 10, (2, 4))
    logits = [one.logits(one(source, target))[..., :-1] for one in (plain, model)]
    torch.testing.assert_close(*logits, rtol=0, atol=1e-12)


def test_what_is_named_learns_and_is_kept_with_the_changes():
    """Also where it is called as a target is: a new head is not frozen under a change of it."""
    model = adapted(targets=("query", "output"))
    learning = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert learning == {
        *(f"head.{part}.{kind}" for part in ("dense", "output") for kind in ("weight", "bias")),
        *(
            f"encoder.blocks.{n}.self_attention.{target}.{part}"
            for n in range(2) for target in ("query", "output") for part in ("down", "up")
        ),
    }  # fmt: skip
    assert adapters_of(weights_of(model), learning).keys() == learning


@pytest.mark.parametrize("targets", [(), ("quarry",), ("tokens",)])
def test_maps_that_are_not_there_are_named_with_those_that_are(targets):
    expected = "expected names of linear maps; use some of dense, inner, key, outer, output, query, value"
    with pytest.raises(
        SettingError, match=f"init.lora_targets: got {targets[0] if targets else 'nothing'}; {expected}"
    ):
        add_adapters(reader(), 2, 1.0, targets)


@pytest.mark.parametrize("change", ["another name", "without up", "without down", "another width", "no matrix"])
def test_the_change_of_another_model_is_refused_and_changes_nothing(change):
    name = "encoder.blocks.1.self_attention.query"
    adapter = adapters_of(weights_of(adapted()))
    if change == "another name":
        adapter["encoder.blocks.7.x.down"] = adapter.pop(f"{name}.down")
        adapter["encoder.blocks.7.x.up"] = adapter.pop(f"{name}.up")
    elif change.startswith("without"):
        del adapter[f"{name}.{change.split()[1]}"]
    else:
        adapter[f"{name}.down"] = torch.ones(2, 17) if change == "another width" else torch.ones(())
    model = reader()
    before = {key: tensor.clone() for key, tensor in weights_of(model).items()}
    with pytest.raises(
        CheckpointError, match=r"adapter: got a change of .*; expected \[rank, in\] and \[out, rank\] of"
    ):
        apply_adapter(model, adapter, 1.0)
    with pytest.raises(CheckpointError, match="spare has no place in this model"):
        apply_adapter(model, {"spare": torch.ones(1)}, 1.0)
    assert all(torch.equal(tensor, before[key]) for key, tensor in weights_of(model).items())
