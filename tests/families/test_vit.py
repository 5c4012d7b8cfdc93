"""ViT against transformers, its published sizes, positions between the learnt ones, and its laws."""

from __future__ import annotations

import pytest
import torch
import transformers
from tests.families.parity import both_ways, open_here, perturbed, weights_in

from regard.errors import DataError, SettingError
from regard.families import vit
from regard.models.heads import Head
from regard.models.patches import PatchEmbedder, patches
from regard.models.vocabulary import NO_TEXT

SHAPES = [
    {"hidden_size": 16, "num_attention_heads": 4, "intermediate_size": 24, "num_hidden_layers": 2},
    {"hidden_size": 30, "num_attention_heads": 3, "intermediate_size": 50, "num_hidden_layers": 3},
]
CLASSES = Head("classification", ("cat", "dog", "neither"))


def theirs(architecture: str, **settings) -> torch.nn.Module:
    facts = {"image_size": 12, "patch_size": 4, "num_labels": 3, **SHAPES[0], **settings}
    return getattr(transformers, architecture)(transformers.ViTConfig(**facts))


def asked(images: torch.Tensor, **options):
    def ask_theirs(model):
        with torch.no_grad():
            found = model(pixel_values=images, **options)
        return found.pooler_output if "pooler_output" in found else found.logits

    def ask_ours(model):
        with torch.no_grad():
            return model.classify(images)

    return ask_theirs, ask_ours


@pytest.fixture
def model():
    return perturbed(vit.build(vit.TOY, NO_TEXT, CLASSES))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("architecture", ["ViTForImageClassification", "ViTModel"])
def test_transformers_computes_the_same(architecture, shape, tmp_path):
    images = torch.randn(4, 3, 12, 12, dtype=torch.float64)
    both_ways("vit", theirs(architecture, **shape), tmp_path, *asked(images))


def test_transformers_computes_the_same_for_a_patch_of_any_size(tmp_path):
    images = torch.randn(2, 3, 12, 12, dtype=torch.float64)
    both_ways("vit", theirs("ViTForImageClassification", patch_size=3, hidden_act="relu"), tmp_path, *asked(images))


@pytest.mark.parametrize("size", [(20, 20), (8, 8), (8, 28)])
def test_pictures_of_another_size_get_positions_between_the_learnt_ones(size, tmp_path):
    images = torch.randn(2, 3, *size, dtype=torch.float64)
    ask = asked(images, interpolate_pos_encoding=True)
    both_ways("vit", theirs("ViTForImageClassification"), tmp_path, *ask)


def test_another_epsilon_would_be_seen(tmp_path):
    perturbed(theirs("ViTForImageClassification", layer_norm_eps=1e-6)).save_pretrained(tmp_path)
    ours, config, *_ = open_here(tmp_path, vit)
    assert config.epsilon == 1e-6
    images = torch.randn(4, 3, 12, 12, dtype=torch.float64)
    expected = ours.classify(images)
    ours.encoder.final_norm.epsilon = 1e-12
    assert (ours.classify(images) - expected).abs().max() > 1e-9


def test_the_published_sizes_have_their_numbers_of_weights():
    """Base: recounted from transformers with 1,000 classes. Tiny and small: Touvron et al. 2021, in millions."""
    thousand = Head("classification", tuple(map(str, range(1000))))
    with torch.device("meta"):
        counts = {name: weights_in(vit.build(config, NO_TEXT, thousand)) for name, config in vit.SIZES.items()}
    assert counts["base"] == 86_567_656
    assert round(counts["tiny"] / 1e6) in (5, 6)
    assert round(counts["small"] / 1e6) == 22
    with torch.device("meta"):
        large = transformers.ViTConfig(
            hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096, num_labels=1000
        )
        assert counts["large"] == weights_in(transformers.ViTForImageClassification(large))


def test_a_patch_is_what_a_convolution_with_its_stride_sees():
    embed = perturbed(PatchEmbedder((6, 9), 3, 5, 0.0))
    images = torch.randn(2, 3, 6, 9, dtype=torch.float64)
    convolved = embed.projection(images).flatten(2).transpose(1, 2)
    found = embed(images)[:, 1:] - embed.positions[:, 1:]
    torch.testing.assert_close(found, convolved, rtol=0, atol=1e-12)


def test_patches_stand_row_by_row():
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    expected = [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    assert patches(image, 2)[0].tolist() == expected


def test_without_positions_the_order_of_patches_is_unknown(model):
    """The class token attends to a set: only positions tell where a patch is."""
    images = torch.randn(1, 3, 8, 8, dtype=torch.float64)
    turned = torch.cat((images[..., 4:], images[..., :4]), -1)
    assert not torch.allclose(model.classify(images), model.classify(turned))
    model.encoder.embed.positions.data[:] = 0
    torch.testing.assert_close(model.classify(images), model.classify(turned), rtol=0, atol=1e-12)


def test_a_side_that_is_no_multiple_of_the_patch_is_refused(model):
    with pytest.raises(
        DataError, match=r"picture: got 8 × 10 pixels; expected multiples of the patch, 4; resize the pictures"
    ):
        model.classify(torch.zeros(1, 3, 8, 10, dtype=torch.float64))


def test_a_patch_must_divide_the_size():
    with pytest.raises(SettingError, match=r"patch: got 5 with image_size 32; expected a divisor of image_size; use 4"):
        vit.Config(image_size=32, patch=5)
