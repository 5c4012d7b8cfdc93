"""DETR against transformers, through files, under every name that its weights go by; its published sizes."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tests.families.parity import both_ways, on_meta, open_here, open_there, perturbed, weights_in
from torch import Tensor, nn

from regard.errors import CheckpointError, SettingError
from regard.families import detr
from regard.models.heads import Head
from regard.models.public import check_fit, public_weights, put_public_weights
from regard.models.resnet import RESNETS
from regard.models.vocabulary import NO_TEXT

BACKBONES = {
    "bottleneck": {"hidden_sizes": [8, 12], "depths": [2, 1], "layer_type": "bottleneck", "out_features": ["stage2"]},
    "basic": {"hidden_sizes": [6, 8, 8], "depths": [1, 2, 1], "layer_type": "basic", "out_features": ["stage3"]},
}
SHAPE = {
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "num_queries": 5,
    "id2label": {0: "cell", 1: "N/A", 2: "N/A"},  # as COCO's numbers without a name
}
THINGS = Head("detection", ("cell", "N/A", "N/A"))


def theirs_of(backbone: str = "basic", **changes) -> transformers.DetrForObjectDetection:
    inner = transformers.ResNetConfig(embedding_size=6, **BACKBONES[backbone])
    settings = transformers.DetrConfig(use_timm_backbone=False, backbone_config=inner, **{**SHAPE, **changes})
    return transformers.DetrForObjectDetection(settings)


def pictures() -> tuple[Tensor, Tensor]:
    """Three images of unlike sizes in one batch, and which pixels are real."""
    images, real = torch.randn(3, 3, 40, 50, dtype=torch.float64), torch.zeros(3, 40, 50, dtype=torch.bool)
    for mask, (height, width) in zip(real, ((40, 50), (25, 50), (40, 18)), strict=True):
        mask[:height, :width] = True
    return images * real[:, None], real


IMAGES, REAL = pictures()


def ask_theirs(model) -> Tensor:
    with torch.no_grad():
        found = model(IMAGES, pixel_mask=REAL.long())
    return torch.cat((found.logits, found.pred_boxes), -1)


def ask_ours(model) -> Tensor:
    with torch.no_grad():
        found = model(IMAGES, REAL)
    return torch.cat((found.logits, found.boxes), -1)[-1]


@pytest.mark.parametrize("changes", [{}, {"decoder_layers": 2, "activation_function": "gelu"}])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_transformers_computes_the_same(backbone, changes, tmp_path):
    both_ways("detr", theirs_of(backbone, **changes), tmp_path, ask_theirs, ask_ours)


def test_classes_keep_their_names_and_settings_their_values(tmp_path):
    theirs_of(dropout=0.3, attention_dropout=0.2, activation_dropout=0.1).save_pretrained(tmp_path)
    _, config, vocabulary, head = open_here(tmp_path, detr)
    assert vocabulary == NO_TEXT
    assert head == THINGS
    assert (config.dropout, config.attention_dropout, config.activation_dropout) == (0.3, 0.2, 0.1)
    assert (config.layers, config.decoder_layers, config.queries) == (2, 3, 5)
    assert (config.depths, config.widths, config.block, config.stem_width) == ((1, 2, 1), (6, 8, 8), "basic", 6)
    assert config.backbone_norm == "frozen"


def test_a_model_trained_with_batch_norm_opens_there_and_computes_the_same(tmp_path):
    """Batch norm in evaluation is what transformers' frozen norm computes; here it goes on as batch norm."""
    torch.manual_seed(5)
    ours = detr.build(detr.TOY, NO_TEXT, THINGS)
    with torch.no_grad():
        for name, tensor in ours.state_dict().items():
            nn.init.uniform_(tensor, 0.5, 2) if "variance" in name else nn.init.normal_(tensor, std=0.3)
    ours = ours.double().eval()
    there = open_there(ours, detr, (detr.TOY, NO_TEXT, THINGS), tmp_path / "ours", transformers.DetrForObjectDetection)
    torch.testing.assert_close(ask_theirs(there), ask_ours(ours), rtol=0, atol=1e-6)  # files are float32
    again, config, *_ = open_here(tmp_path / "ours", detr)
    assert config == detr.TOY
    torch.testing.assert_close(ask_ours(again), ask_theirs(there), rtol=0, atol=1e-9)


# Other names ---------------------------------------------------------------------------------------------------------


def timm_name(name: str) -> str:
    """What transformers saves with a backbone of timm's, whose modules are called as torchvision's."""
    stem = {"embedder.embedder.convolution": "conv1", "embedder.embedder.normalization": "bn1"}
    for old, new in stem.items():
        name = name.replace(old, new)
    kinds = {"convolution": "conv", "normalization": "bn"}

    def block(match: re.Match[str]) -> str:
        stage, number, convolution, kind = match.groups()
        return f"layer{int(stage) + 1}.{number}.{kinds[kind]}{int(convolution) + 1}"

    name = re.sub(r"encoder\.stages\.(\d)\.layers\.(\d)\.layer\.(\d)\.(convolution|normalization)", block, name)
    shortcut = re.compile(r"encoder\.stages\.(\d)\.layers\.(\d)\.shortcut\.(convolution|normalization)")
    return shortcut.sub(
        lambda m: f"layer{int(m[1]) + 1}.{m[2]}.downsample.{['convolution', 'normalization'].index(m[3])}", name
    )


def original(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights in the layout of the original, whose layers are torch's with their names."""
    kept: dict[str, Tensor] = {}
    renamed = {timm_name(name): tensor for name, tensor in tensors.items()}
    for name, tensor in renamed.items():
        if name.startswith("model.backbone.conv_encoder.model."):
            kept[name.replace("model.backbone.conv_encoder.model.", "backbone.0.body.")] = tensor
    plain = {
        "class_labels_classifier": "class_embed",
        "bbox_predictor": "bbox_embed",
        "model.input_projection": "input_proj",
        "model.query_position_embeddings": "query_embed",
        "model.decoder.layernorm": "transformer.decoder.norm",
    }
    for theirs, ours in plain.items():
        kept |= {name.replace(theirs, ours): tensor for name, tensor in tensors.items() if name.startswith(theirs)}
    layers = {
        "encoder": (nn.TransformerEncoderLayer(16, 4, 24), ("self_attn",), ("self_attn_layer_norm",)),
        "decoder": (
            nn.TransformerDecoderLayer(16, 4, 24),
            ("self_attn", "encoder_attn"),
            ("self_attn_layer_norm", "encoder_attn_layer_norm"),
        ),
    }
    for stack, (torchs, attentions, norms) in layers.items():
        for number in range({"encoder": 2, "decoder": 3}[stack]):
            here, there = f"model.{stack}.layers.{number}.", f"transformer.{stack}.layers.{number}."
            own: dict[str, Tensor] = {}
            for ending in ("weight", "bias"):
                for one, other in zip(attentions, ("self_attn", "multihead_attn"), strict=False):
                    parts = [tensors[f"{here}{one}.{part}_proj.{ending}"] for part in "qkv"]
                    own[f"{other}.in_proj_{ending}"] = torch.cat(parts)
                    own[f"{other}.out_proj.{ending}"] = tensors[f"{here}{one}.out_proj.{ending}"]
                for place, one in enumerate((*norms, "final_layer_norm"), start=1):
                    own[f"norm{place}.{ending}"] = tensors[f"{here}{one}.{ending}"]
                for place in (1, 2):
                    own[f"linear{place}.{ending}"] = tensors[f"{here}fc{place}.{ending}"]
            assert own.keys() == torchs.state_dict().keys()
            kept |= {there + name: tensor for name, tensor in own.items()}
    return kept


def timm(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """As the published file has it: with a number that nothing reads."""
    counts = {"model.backbone.conv_encoder.model.layer1.0.downsample.1.num_batches_tracked": torch.tensor(0)}
    return {timm_name(name): tensor for name, tensor in tensors.items()} | counts


@pytest.mark.parametrize("layout", [timm, original])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_the_weights_are_read_under_other_names(backbone, layout, tmp_path):
    theirs = perturbed(theirs_of(backbone))
    theirs.save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    changed = layout(tensors)
    assert not changed.keys() & {name for name in tensors if "backbone" in name}
    (tmp_path / "model.safetensors").unlink()
    save_file({name: tensor.contiguous() for name, tensor in changed.items()}, tmp_path / "model.safetensors")
    ours = open_here(tmp_path, detr)[0]
    torch.testing.assert_close(ask_ours(ours), ask_theirs(theirs), rtol=0, atol=1e-9)


def test_an_original_with_a_damaged_matrix_is_refused():
    config = replace(detr.TOY, backbone_norm="frozen")
    model = detr.build(config, NO_TEXT, THINGS)
    form = detr.public_form(config, NO_TEXT, THINGS)
    shapes = {name: list(tensor.shape) for name, tensor in public_weights(model, form, THINGS).items()}
    check_fit(model, form, shapes)
    shapes["model.encoder.layers.0.self_attn.in_proj_weight"] = [47, 16]
    with pytest.raises(CheckpointError, match="has no place in this family"):
        check_fit(model, form, shapes)


# Settings ------------------------------------------------------------------------------------------------------------

PUBLISHED = {  # of config.json at the published address, what matters
    "activation_function": "relu",
    "architectures": ["DetrForObjectDetection"],
    "backbone": "resnet50",
    "backbone_config": None,
    "d_model": 256,
    "decoder_attention_heads": 8,
    "decoder_ffn_dim": 2048,
    "decoder_layers": 6,
    "dilation": False,
    "encoder_attention_heads": 8,
    "encoder_ffn_dim": 2048,
    "encoder_layers": 6,
    "model_type": "detr",
    "num_queries": 100,
    "position_embedding_type": "sine",
    "use_timm_backbone": True,
    "id2label": {str(number): f"thing {number}" for number in range(91)},
}


@pytest.mark.parametrize(
    "backbone",
    [
        {"backbone": "resnet101"},
        {"backbone": "resnet101.a1_in1k"},
        {"backbone": None, "backbone_config": {"model_type": "timm_backbone", "backbone": "resnet101"}},
    ],
)
def test_a_backbone_by_timm_s_name_has_its_shape(backbone):
    config = detr.read_public_config({**PUBLISHED, **backbone})[0]
    assert config.shape == RESNETS["resnet101"]


def test_the_published_settings_are_those_of_the_size():
    config, _, head = detr.read_public_config(PUBLISHED)
    assert config == detr.SIZES["r50"]
    assert len(head.labels) == 91


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"position_embedding_type": "learned"}, r"position_embedding_type: got 'learned'; expected 'sine'"),
        ({"dilation": True}, r"dilation: got True; expected False, the only kind there is here"),
        ({"decoder_ffn_dim": 1024}, r"decoder_ffn_dim: got 1024; expected 2048"),
        ({"decoder_attention_heads": 4}, r"decoder_attention_heads: got 4; expected 8"),
        ({"backbone": "swin_tiny"}, r"backbone: got 'swin_tiny'; expected one of resnet18, .*; open a model with one"),
        (
            {"backbone_config": {"model_type": "resnet", "downsample_in_first_stage": True}},
            r"downsample_in_first_stage: got True; expected False",
        ),
        ({"activation_function": "tanh"}, r"activation_function: got 'tanh'; expected one of"),
    ],
)
def test_a_variation_that_is_not_here_is_named(changes, message):
    with pytest.raises(CheckpointError, match=message):
        detr.read_public_config({**PUBLISHED, **changes})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"heads": 3}, r"heads: got 3 with d_model 256; expected a divisor of d_model"),
        ({"d_model": 2, "heads": 1}, r"d_model: got 2; expected a multiple of 4 with a grid of cells; use 4"),
        ({"depths": (1,)}, r"depths: got \[1\] with widths .*; expected a depth and a width"),
    ],
)
def test_settings_that_do_not_go_together_are_named(wrong, message):
    with pytest.raises(SettingError, match=message):
        detr.Config(**wrong)


@pytest.mark.parametrize(
    ("changes", "hindrance"),
    [
        ({"backbone_norm": "group", "norm_groups": 4}, "backbone_norm = group"),
        ({"stem": "small"}, "stem = small"),
        ({"backbone_norm": "frozen"}, None),
        ({"backbone_norm": "batch"}, None),
    ],
)
def test_what_no_public_model_has_goes_by_our_own_names_and_comes_back(changes, hindrance):
    config = replace(detr.TOY, **changes)
    assert detr.obstacle(config, NO_TEXT) == hindrance
    table = json.loads(json.dumps(detr.public_config(config, NO_TEXT, THINGS)))
    assert table["model_type"] == ("detr" if hindrance is None else "regard")
    assert detr.read_public_config(table) == (config, NO_TEXT, THINGS)
    model = detr.build(config, NO_TEXT, THINGS)
    form = detr.public_form(config, NO_TEXT, THINGS)
    weights = public_weights(model, form, THINGS)
    again = detr.build(config, NO_TEXT, THINGS)
    put_public_weights(again, form, weights)
    assert all(torch.equal(one, again.state_dict()[name]) for name, one in model.state_dict().items())


# Sizes ---------------------------------------------------------------------------------------------------------------

COCO = Head("detection", tuple(f"thing {number}" for number in range(91)))
# The original's training prints how many weights learn, which those of the stem and the first stage do not.
PRINTED, IDLE = 41_302_368, 222_400


def test_the_published_model_has_its_parameters():
    """As transformers counts them from the same settings: without the frozen norms' numbers, which do not learn."""
    ours = on_meta("detr", detr.SIZES["r50"], 0, COCO)
    with torch.device("meta"):
        settings = transformers.DetrConfig(use_timm_backbone=False, backbone_config=resnet50(), num_labels=91)
        theirs = transformers.DetrForObjectDetection(settings)
    assert weights_in(ours) == weights_in(theirs) == PRINTED + IDLE
    frozen = [ours.backbone.stem, ours.backbone.stages[0]]
    assert sum(map(weights_in, frozen)) == IDLE


def resnet50() -> transformers.ResNetConfig:
    return transformers.ResNetConfig(out_features=["stage4"])


def test_the_small_one_is_small():
    model = on_meta("detr", detr.SIZES["tiny"], 0, Head("detection", ("a", "b", "c")))
    assert 2e6 < weights_in(model) < 4e6
