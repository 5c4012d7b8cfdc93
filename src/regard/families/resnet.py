"""Residual networks (He et al. 2016), and the same with attention inside (Zhang et al. 2019): what reads pictures
without being a Transformer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

from torch import nn

from regard.config import build as build_settings
from regard.config import setting
from regard.errors import SettingError
from regard.layers.grid_attention import GridAttention
from regard.layers.image_norm import NORMS, image_norm
from regard.models.grid_classifier import GridClassifier
from regard.models.heads import POOLED, Head
from regard.models.own_layout import MODEL_TYPE, own_config, read_own_config
from regard.models.parts import check_heads
from regard.models.public import check_usual, head_facts, head_of, translated, translated_back
from regard.models.resnet import BLOCKS, RESNETS, STEMS, ResNet, ResNetShape
from regard.models.resnet_names import COUNTER, resnet_names, with_counters
from regard.models.vocabulary import NO_TEXT, Vocabulary
from regard.models.weight_names import PublicForm

TASKS = ("image_classification",)
LAYOUT = None
MODEL_TYPES = ("resnet",)


@dataclass(frozen=True)
class Config:
    """The settings of a residual network. The defaults are ResNet-50."""

    depths: tuple[int, ...] = setting((3, 4, 6, 3), help="blocks of each stage")
    widths: tuple[int, ...] = setting((256, 512, 1024, 2048), help="channels of each stage")
    block: str = setting("bottleneck", help="kind of the blocks", choices=BLOCKS)
    stem_width: int = setting(64, help="channels of the first convolution", minimum=1)
    stem: str = setting("large", help='its kind; "small" keeps the size of the picture', choices=STEMS)
    backbone_norm: str = setting("batch", help="the norms; frozen ones are for pretrained weights alone", choices=NORMS)
    norm_groups: int = setting(8, help="groups of channels, with backbone_norm=group", minimum=1)
    attention: tuple[int, ...] = setting((), help="stages, from 1, behind which cells look at each other")
    heads: int = setting(4, help="h, of this attention", minimum=1)
    image_size: int = setting(224, help="height and width of a picture, in pixels", minimum=1)

    def __post_init__(self) -> None:
        """Check how the settings fit together. Raises SettingError."""
        for stage in self.attention:
            if not 1 <= stage <= len(self.shape.widths):
                expected = f"stages from 1 to {len(self.widths)}"
                raise SettingError.because("attention", list(self.attention), expected, f"use [{len(self.widths)}]")
            check_heads(self.heads, self.widths[stage - 1])

    @property
    def shape(self) -> ResNetShape:
        """That of the network."""
        return ResNetShape(self.depths, self.widths, self.block, self.stem_width, self.stem)

    @property
    def d_model(self) -> int:
        """Channels of the last map."""
        return self.widths[-1]

    @property
    def most_tokens(self) -> None:
        """A picture of any size is read."""


SMALL = Config((3, 3, 3), (16, 32, 64), "basic", 16, "small", image_size=32)
TOY = Config((1, 1), (8, 16), "basic", 8, image_size=8)

SIZES: Mapping[str, Config] = MappingProxyType(
    {
        "resnet20": SMALL,  # He et al. 2016, section 4.2, n = 3: 0.27 M
        "resnet20-attention": replace(SMALL, attention=(2,)),  # ours: cells look at each other at a half of the size
        "resnet18": Config(RESNETS["resnet18"].depths, RESNETS["resnet18"].widths, "basic"),  # table 1: 11.7 M
        "resnet50": Config(),  # the same: 25.6 M
    }
)


def vocabulary(source: int, target: int, *, shared: bool, roles: Mapping[str, int | None]) -> Vocabulary:
    """That of a model without text."""
    return NO_TEXT


def build(config: Config, vocabulary: Vocabulary, head: Head = POOLED) -> GridClassifier:
    """Put the model together, with fresh weights. ``head``: classes, or none (the mean over the cells)."""
    return GridClassifier(backbone_of(config), len(head.labels) or None)


def backbone_of(config: Config) -> ResNet:
    """The convolutions, with attention where it is wanted."""
    backbone = ResNet(config.shape, partial(image_norm, config.backbone_norm, groups=config.norm_groups))
    for stage in config.attention:
        blocks = backbone.stages[stage - 1]
        assert isinstance(blocks, nn.Sequential)
        blocks.append(GridAttention(config.widths[stage - 1], config.heads))
    return backbone


# On disk -------------------------------------------------------------------------------------------------------------

_ARCHITECTURES = {"classification": "ResNetForImageClassification", "none": "ResNetModel"}
_SETTINGS = {"depths": "depths", "widths": "hidden_sizes", "block": "layer_type", "stem_width": "embedding_size"}
_USUAL = {
    "num_channels": 3,
    "hidden_act": "relu",
    "downsample_in_first_stage": False,
    "downsample_in_bottleneck": False,
}


def obstacle(config: Config, vocabulary: Vocabulary) -> str | None:
    """The setting that keeps the model from being a public one."""
    if config.attention:
        return f"attention = {list(config.attention)}"
    if config.backbone_norm == "group":
        return "backbone_norm = group"
    return "stem = small" if config.stem == "small" else None


def public_config(config: Config, vocabulary: Vocabulary, head: Head = POOLED) -> dict[str, Any]:
    """The contents of ``config.json``."""
    if obstacle(config, vocabulary):
        return {**own_config("resnet", config, vocabulary), **head_facts(head, _ARCHITECTURES)}
    return {
        **translated(config, _SETTINGS),
        **head_facts(head, _ARCHITECTURES),
        **_USUAL,
        "backbone_norm": config.backbone_norm,  # ours: transformers' is always batch norm
        "dtype": "float32",
        "image_size": config.image_size,  # ours: transformers reads it from preprocessor_config.json
        "model_type": "resnet",
    }


def read_public_config(table: Mapping[str, Any], names: Collection[str] = ()) -> tuple[Config, Vocabulary, Head]:
    """The settings in a ``config.json``, with the ``names`` of the weights beside it.

    Raises SettingError for values out of range, CheckpointError for a variation that is not here.
    """
    head = head_of(table, _ARCHITECTURES)
    if table.get("model_type") == MODEL_TYPE:
        return *read_own_config(Config, table), head
    check_usual(table, _USUAL)
    ours = translated_back(table, {**_SETTINGS, "backbone_norm": "backbone_norm", "image_size": "image_size"})
    return build_settings(Config, ours, "model."), NO_TEXT, head


def public_form(config: Config, vocabulary: Vocabulary, head: Head = POOLED) -> PublicForm:
    """How the weights stand in a checkpoint."""
    if obstacle(config, vocabulary):
        return PublicForm([(part, part) for part in ("backbone", "output")])
    ignored = (rf".*\.{COUNTER}",)
    return PublicForm(
        resnet_names("backbone", ""), [("output", "classifier.1")], "resnet.", ignored, outward=with_counters
    )
