"""The residual network against transformers', its published sizes, and its laws."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import transformers
from torch import nn

from regard.errors import SettingError
from regard.layers.image_norm import image_norm
from regard.models.resnet import RESNETS, NormedConvolution, ResidualBlock, ResNet, ResNetShape

BASIC = ResNetShape((2, 1, 2), (6, 8, 8), "basic", stem_width=6)
BOTTLENECK = ResNetShape((1, 2), (8, 12), "bottleneck", stem_width=6)
SMALL = ResNetShape((1, 1), (8, 16), "basic", stem_width=8, stem="small")

TORCHVISION = {  # published counts, with the classifier's 1000 (width + 1)
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
}


def made(shape: ResNetShape, kind: str = "batch") -> ResNet:
    """In float64, every number random, variances above zero."""
    model = ResNet(shape, partial(image_norm, kind, groups=2)).double()
    for name, tensor in model.state_dict().items():
        nn.init.uniform_(tensor, 0.5, 1.5) if "variance" in name else nn.init.normal_(tensor, std=0.2)
    return model


def theirs_of(shape: ResNetShape) -> transformers.ResNetModel:
    settings = transformers.ResNetConfig(
        embedding_size=shape.stem_width, hidden_sizes=shape.widths, depths=shape.depths, layer_type=shape.block
    )
    return transformers.ResNetModel(settings).double()


def renamed(name: str) -> str:
    """Our name for one of transformers' weights."""
    name = name.replace("embedder.embedder", "stem").replace("normalization", "norm").replace("_var", "_variance")
    return name.replace("encoder.", "").replace("layers.", "").replace("layer.", "path.")


def copied(shape: ResNetShape, kind: str) -> tuple[ResNet, transformers.ResNetModel]:
    ours, theirs = made(shape, kind), theirs_of(shape)
    own = ours.state_dict()
    pairs = {renamed(name): one for name, one in theirs.state_dict().items() if "num_batches" not in name}
    assert pairs.keys() == own.keys()
    with torch.no_grad():
        for name, tensor in pairs.items():
            tensor.copy_(own[name])
    return ours, theirs


@pytest.mark.parametrize("kind", ["frozen", "batch"])
@pytest.mark.parametrize("shape", [BASIC, BOTTLENECK])
def test_every_map_is_what_transformers_computes(shape, kind):
    ours, theirs = copied(shape, kind)
    images = torch.randn(2, 3, 37, 50, dtype=torch.float64)
    wanted = theirs.eval()(images, output_hidden_states=True).hidden_states[1:]
    found = ours.eval().maps(images)
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)
    torch.testing.assert_close(ours(images), wanted[-1], rtol=0, atol=1e-9)


def test_training_with_batch_norm_is_transformers_training():
    """Gradients and running statistics after a step, through every path and shortcut."""
    ours, theirs = copied(BASIC, "batch")
    images = torch.randn(2, 3, 32, 40, dtype=torch.float64)
    ours.train()(images).square().sum().backward()
    theirs.train()(images).last_hidden_state.square().sum().backward()
    gradients = {renamed(name): weight.grad for name, weight in theirs.named_parameters()}
    for name, weight in ours.named_parameters():
        torch.testing.assert_close(weight.grad, gradients[name], rtol=1e-9, atol=1e-9)
    for name, statistic in theirs.named_buffers():
        if "num_batches" not in name:
            torch.testing.assert_close(ours.get_buffer(renamed(name)), statistic, rtol=0, atol=1e-9)


def test_a_frozen_norm_that_the_convolution_took_over_has_the_same_gradients():
    ours = made(BOTTLENECK, "frozen")
    images, outer = torch.randn(1, 3, 32, 32, dtype=torch.float64), torch.randn(1, 12, 4, 4, dtype=torch.float64)
    ours(images).backward(outer)
    folded = [weight.grad.clone() for weight in ours.parameters()]
    ours.zero_grad()
    for module in ours.modules():
        if hasattr(module, "fixed"):
            module.fixed = lambda: None  # the norm by itself
    ours(images).backward(outer)
    for one, weight in zip(folded, ours.parameters(), strict=True):
        torch.testing.assert_close(one, weight.grad, rtol=1e-9, atol=1e-9)


def test_a_block_by_hand():
    """One pixel: relu(3 · relu(2 · 1) + 1) = 7 and relu(−3 · 2 + 1) = 0; with a shortcut of 5 relu(6 + 5) = 11."""
    norm = partial(image_norm, "frozen")
    path = [NormedConvolution(1, 1, 1, 1, norm) for _ in range(2)]
    shortcut = NormedConvolution(1, 1, 1, 1, norm)
    with torch.no_grad():
        for convolution, weight in zip((*path, shortcut), (2.0, 3.0, 5.0), strict=True):
            convolution.convolution.weight.fill_(weight)
            convolution.norm.running_variance.fill_(1 - convolution.norm.epsilon)
    x = torch.ones(1, 1, 1, 1)
    assert ResidualBlock(path, None)(x).item() == pytest.approx(7.0)
    assert ResidualBlock(path, shortcut)(x).item() == pytest.approx(11.0)
    path[1].convolution.weight.data.neg_()
    assert ResidualBlock(path, None)(x).item() == 0.0


@pytest.mark.parametrize("name", RESNETS)
def test_the_published_sizes_have_their_parameters(name):
    with torch.device("meta"):
        model = ResNet(RESNETS[name], partial(image_norm, "batch"))
    count = sum(weight.numel() for weight in model.parameters())
    assert count + 1000 * (model.width + 1) == TORCHVISION[name]


@pytest.mark.parametrize(("shape", "cell"), [(BASIC, 16), (BOTTLENECK, 8), (SMALL, 2), (RESNETS["resnet50"], 32)])
def test_a_cell_has_its_side_and_what_is_left_over_has_a_cell(shape, cell):
    assert shape.cell == cell
    with torch.device("meta"):
        model = ResNet(shape, partial(image_norm, "frozen"))
        found = model(torch.empty(1, 3, 2 * cell, 2 * cell + 1))
    assert found.shape == (1, shape.widths[-1], 2, 3)


@pytest.mark.parametrize("kind", ["frozen", "group"])
def test_in_training_an_image_does_not_see_the_others(kind):
    model = made(SMALL, kind).train()
    images = torch.randn(3, 3, 9, 9, dtype=torch.float64)
    torch.testing.assert_close(model(images)[1:2], model(images[1:2]), rtol=0, atol=1e-9)


def test_gray_images_have_one_colour():
    model = ResNet(SMALL, partial(image_norm, "frozen"), colours=1)
    assert model(torch.randn(1, 1, 8, 8)).shape == (1, 16, 4, 4)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"block": "wide"}, r"block: got 'wide'; expected basic or bottleneck; use one of these\."),
        ({"stem": "tiny"}, r"stem: got 'tiny'; expected large or small; use one of these\."),
        ({"depths": (1,)}, r"expected a depth and a width, 1 or more, for every stage; give as many\."),
        ({"depths": (), "widths": ()}, r"depths: got \[\] with widths \[\]; expected a depth and a width"),
        ({"depths": (1, 0, 1, 1)}, r"expected a depth and a width, 1 or more, for every stage"),
        ({"widths": (4, 6, 8, 8)}, r"widths: got \[4, 6, 8, 8\]; expected multiples of 4 in bottlenecks; change them"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(wrong, message):
    with pytest.raises(SettingError, match=message):
        ResNetShape(**wrong)
