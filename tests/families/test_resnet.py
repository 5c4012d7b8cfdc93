"""The residual network as a classifier, against transformers, and what attention inside it adds."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import transformers
from tests.families.parity import both_ways, weights_in

from regard.errors import SettingError
from regard.families import resnet
from regard.models.heads import Head
from regard.models.vocabulary import NO_TEXT

CLASSES = Head("classification", ("cat", "dog", "neither"))


@pytest.mark.parametrize("block", ["basic", "bottleneck"])
@pytest.mark.parametrize("architecture", ["ResNetForImageClassification", "ResNetModel"])
def test_transformers_computes_the_same(architecture, block, tmp_path):
    settings = transformers.ResNetConfig(
        embedding_size=6, hidden_sizes=[8, 12], depths=[1, 2], layer_type=block, num_labels=3
    )
    model = getattr(transformers, architecture)(settings).double()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if "running_var" in name:
                tensor.uniform_(0.5, 1.5)
    images = torch.randn(2, 3, 40, 33, dtype=torch.float64)

    def ask_theirs(model):
        with torch.no_grad():
            found = model.eval()(images)
        return found.pooler_output.flatten(1) if "pooler_output" in found else found.logits

    def ask_ours(model):
        with torch.no_grad():
            return model.eval().classify(images)

    both_ways("resnet", model, tmp_path, ask_theirs, ask_ours)


def test_the_published_sizes_have_their_numbers_of_weights():
    """With 1,000 classes as torchvision counts them; that for CIFAR as in the paper's table 6, in millions."""
    thousand = Head("classification", tuple(map(str, range(1000))))
    ten = Head("classification", tuple("0123456789"))
    with torch.device("meta"):
        assert weights_in(resnet.build(resnet.SIZES["resnet18"], NO_TEXT, thousand)) == 11_689_512
        assert weights_in(resnet.build(resnet.SIZES["resnet50"], NO_TEXT, thousand)) == 25_557_032
        assert round(weights_in(resnet.build(resnet.SIZES["resnet20"], NO_TEXT, ten)) / 1e6, 2) == 0.27


def test_attention_at_first_changes_nothing_and_then_tells_the_class_of_far_cells():
    """What one corner sees of the other: by convolutions alone nothing, with attention something."""
    plain = replace(resnet.SMALL, depths=(1, 1), widths=(8, 16), stem_width=8, backbone_norm="frozen")
    looking = replace(plain, attention=(2,), heads=2)
    models = [resnet.build(config, NO_TEXT, CLASSES) for config in (plain, looking)]
    models[1].load_state_dict(models[0].state_dict(), strict=False)
    image = torch.randn(1, 3, 32, 32)
    assert torch.equal(models[0].classify(image), models[1].classify(image))
    models[1].backbone.stages[1][-1].scale.data.fill_(1.0)
    changed = image.clone()
    changed[..., -1, -1] += 1
    for model, sees in zip(models, (False, True), strict=True):
        before, after = (model.backbone(one)[..., 0, 0] for one in (image, changed))
        assert torch.equal(before, after) is not sees


def test_every_attention_can_be_looked_at():
    model = resnet.build(replace(resnet.TOY, attention=(1, 2)), NO_TEXT, CLASSES)
    assert len(model.attentions()["encoder"]) == 2
    assert not resnet.build(resnet.TOY, NO_TEXT, CLASSES).attentions()["encoder"]


def test_attention_stands_behind_a_stage_that_there_is_with_heads_that_share_its_channels():
    with pytest.raises(SettingError, match=r"attention: got \[3\]; expected stages from 1 to 2; use \[2\]"):
        replace(resnet.TOY, attention=(3,))
    with pytest.raises(SettingError, match="heads: got 3 with d_model 8; expected a divisor"):
        replace(resnet.TOY, attention=(1,), heads=3)


def test_a_variation_goes_by_our_own_name():
    assert resnet.obstacle(replace(resnet.TOY, attention=(1,)), NO_TEXT) == "attention = [1]"
    assert resnet.obstacle(replace(resnet.TOY, stem="small"), NO_TEXT) == "stem = small"
    assert resnet.obstacle(replace(resnet.TOY, backbone_norm="group"), NO_TEXT) == "backbone_norm = group"
