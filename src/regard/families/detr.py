"""DETR (Carion et al. 2020): the paper's encoder–decoder finds the objects of an image, all at once.

What it changed: the source is a grid of features that a residual network makes of the image; a cell's place is told in
every layer, to queries and keys alone; the target is no text but a fixed number of learned queries, each of which says
one class and one box, or "no object"; nothing is hidden from the decoder, which writes all of its answers together.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

from regard.config import build as build_settings
from regard.config import setting
from regard.errors import CheckpointError
from regard.layers.feedforward import ACTIVATIONS
from regard.layers.grid_position import check_grid
from regard.layers.image_norm import NORMS, image_norm
from regard.layers.norm import LayerNorm
from regard.layers.residual import PostNorm
from regard.models.detr import Detr, GridEncoder, QueryDecoder
from regard.models.detr_names import detr_form
from regard.models.heads import Head
from regard.models.own_layout import MODEL_TYPE, own_config, read_own_config
from regard.models.parts import Parts, check_heads
from regard.models.public import (
    ACTIVATION_NAMES,
    activation_of,
    check_usual,
    head_facts,
    head_of,
    translated,
    translated_back,
)
from regard.models.resnet import BLOCKS, RESNETS, STEMS, ResNet, ResNetShape
from regard.models.vocabulary import NO_TEXT, Vocabulary
from regard.models.weight_names import PublicForm

TASKS = ("detection",)
LAYOUT = None
MODEL_TYPES = ("detr",)
OBJECTS = Head("detection", ("object",))  # one class: something is there


@dataclass(frozen=True)
class Config:
    """The settings of DETR. The defaults are its published model on ResNet-50; dropout is as in its training."""

    layers: int = setting(6, help="N, the blocks of the encoder, and of the decoder", minimum=1)
    decoder_layers: int | None = setting(None, help="blocks of the decoder, where they differ from layers", minimum=1)
    d_model: int = setting(256, help="width of every hidden state", minimum=1)
    d_ff: int = setting(2048, help="inner width of the feed-forward networks", minimum=1)
    heads: int = setting(8, help="h, attention heads", minimum=1)
    queries: int = setting(100, help="object queries: the most objects that an image can have", minimum=1)
    dropout: float = setting(0.1, help="on each sub-layer", minimum=0.0, below=1.0)
    attention_dropout: float = setting(0.1, help="dropout on the attention weights", minimum=0.0, below=1.0)
    activation_dropout: float = setting(0.1, help="dropout inside the feed-forward", minimum=0.0, below=1.0)
    activation: str = setting("relu", help="of the feed-forward network", choices=tuple(ACTIVATIONS))
    depths: tuple[int, ...] = setting((3, 4, 6, 3), help="blocks of each stage of the backbone, a ResNet")
    widths: tuple[int, ...] = setting((256, 512, 1024, 2048), help="channels of each of its stages")
    block: str = setting("bottleneck", help="kind of its blocks", choices=BLOCKS)
    stem_width: int = setting(64, help="channels of its first convolution", minimum=1)
    stem: str = setting("large", help='its beginning; "small" keeps the image\'s size', choices=STEMS)
    backbone_norm: str = setting(
        "frozen", help="its norms; frozen ones are for pretrained weights alone", choices=NORMS
    )
    norm_groups: int = setting(8, help="groups of channels, with backbone_norm=group", minimum=1)
    image_size: int = setting(800, help="shorter side of a picture, in pixels", minimum=1)
    longest_side: int = setting(1333, help="its longer side at most, in pixels", minimum=1)

    def __post_init__(self) -> None:
        """Check how the settings fit together. Raises SettingError."""
        check_heads(self.heads, self.d_model)
        check_grid(self.d_model)
        _ = self.shape

    @property
    def shape(self) -> ResNetShape:
        """That of the backbone."""
        return ResNetShape(self.depths, self.widths, self.block, self.stem_width, self.stem)

    @property
    def most_tokens(self) -> None:
        """An image of any size is read."""


R50 = Config()
TOY = Config(
    layers=2,
    d_model=16,
    d_ff=24,
    heads=4,
    queries=5,
    depths=(1, 1),
    widths=(8, 16),
    block="basic",
    stem_width=8,
    backbone_norm="batch",
)

SIZES: Mapping[str, Config] = MappingProxyType(
    {
        # Ours, to train from nothing on a processor: 2.6 M
        "tiny": Config(
            layers=3,
            d_model=128,
            d_ff=512,
            heads=4,
            queries=50,
            attention_dropout=0.0,
            activation_dropout=0.0,
            depths=(1, 1, 1, 1),
            widths=(32, 64, 128, 256),
            block="basic",
            stem_width=32,
            backbone_norm="batch",
            image_size=240,
            longest_side=400,
        ),
        "r50": R50,  # Carion et al. 2020, table 1: 41 M
        "r101": replace(R50, depths=RESNETS["resnet101"].depths),  # the same: 60 M
    }
)


def vocabulary(source: int, target: int, *, shared: bool, roles: Mapping[str, int | None]) -> Vocabulary:
    """That of a model without text."""
    return NO_TEXT


def build(config: Config, vocabulary: Vocabulary, head: Head = OBJECTS) -> Detr:
    """Put the model together, with fresh weights. ``head``: the classes of objects."""
    norm = partial(LayerNorm, config.d_model)
    parts = Parts(
        d_model=config.d_model,
        heads=config.heads,
        d_ff=config.d_ff,
        activation=config.activation,
        dropout=config.dropout,
        attention_dropout=config.attention_dropout,
        activation_dropout=config.activation_dropout,
        norm=norm,
        placement=PostNorm,
    )
    depth = config.decoder_layers or config.layers
    return Detr(
        ResNet(config.shape, partial(image_norm, config.backbone_norm, groups=config.norm_groups)),
        GridEncoder([parts.encoder_block() for _ in range(config.layers)]),
        QueryDecoder([parts.decoder_block() for _ in range(depth)], config.queries, config.d_model, norm()),
        config.d_model,
        len(head.labels),
    )


# On disk -------------------------------------------------------------------------------------------------------------

_ARCHITECTURES = {"detection": "DetrForObjectDetection"}
_SETTINGS = {
    "layers": "encoder_layers",
    "d_model": "d_model",
    "d_ff": "encoder_ffn_dim",
    "heads": "encoder_attention_heads",
    "queries": "num_queries",
    "dropout": "dropout",
    "attention_dropout": "attention_dropout",
    "activation_dropout": "activation_dropout",
}
_OF_RESNET = {
    "depths": "depths",
    "widths": "hidden_sizes",
    "block": "layer_type",
    "stem_width": "embedding_size",
}
_USUAL = {"position_embedding_type": "sine", "dilation": False, "num_channels": 3}
_USUAL_RESNET = {
    "num_channels": 3,
    "hidden_act": "relu",
    "downsample_in_first_stage": False,
    "downsample_in_bottleneck": False,
}


def obstacle(config: Config, vocabulary: Vocabulary) -> str | None:
    """The setting that keeps the model from being a public one.

    Batch norm does not: once trained it is what the public model has, a scale and a shift.
    """
    if config.backbone_norm == "group":
        return "backbone_norm = group"
    return "stem = small" if config.stem == "small" else None


def public_config(config: Config, vocabulary: Vocabulary, head: Head = OBJECTS) -> dict[str, Any]:
    """The contents of ``config.json``."""
    if obstacle(config, vocabulary):
        return {**own_config("detr", config, vocabulary), **head_facts(head, _ARCHITECTURES)}
    backbone = {
        **translated(config, _OF_RESNET),
        **_USUAL_RESNET,
        "model_type": "resnet",
        "out_features": [f"stage{len(config.depths)}"],
    }
    return {
        **translated(config, _SETTINGS),
        **head_facts(head, _ARCHITECTURES),
        **_USUAL,
        "activation_function": ACTIVATION_NAMES[config.activation],
        "auxiliary_loss": False,  # with it, transformers computes another model
        "backbone": None,
        "backbone_config": backbone,
        "backbone_norm": config.backbone_norm,  # ours: transformers' is always frozen
        "decoder_attention_heads": config.heads,
        "decoder_ffn_dim": config.d_ff,
        "decoder_layers": config.decoder_layers or config.layers,
        "dtype": "float32",
        "is_encoder_decoder": True,
        "model_type": "detr",
        "use_pretrained_backbone": False,
        "use_timm_backbone": False,
    }


def read_public_config(table: Mapping[str, Any], names: Collection[str] = ()) -> tuple[Config, Vocabulary, Head]:
    """The settings in a ``config.json``, with the ``names`` of the weights beside it.

    Raises SettingError for values out of range, CheckpointError for a variation that is not here.
    """
    head = head_of(table, _ARCHITECTURES)
    if table.get("model_type") == MODEL_TYPE:
        return *read_own_config(Config, table), head
    check_usual(table, _USUAL)
    same = {"decoder_ffn_dim": "encoder_ffn_dim", "decoder_attention_heads": "encoder_attention_heads"}
    check_usual(table, {decoders: table.get(encoders) for decoders, encoders in same.items()})
    ours = {
        **translated_back(table, _SETTINGS),
        **_read_backbone(table),
        "activation": activation_of(table, "activation_function", "relu"),
    }
    if table.get("decoder_layers") not in (None, table.get("encoder_layers")):
        ours["decoder_layers"] = table["decoder_layers"]
    if table.get("backbone_norm") is not None:
        ours["backbone_norm"] = table["backbone_norm"]
    return build_settings(Config, ours, "model."), NO_TEXT, head


def _read_backbone(table: Mapping[str, Any]) -> dict[str, Any]:
    """The shape of the ResNet, which is written out, or has a name that timm knows."""
    inner = table.get("backbone_config") or {}
    if inner.get("model_type") == "resnet":
        check_usual(inner, _USUAL_RESNET)
        return translated_back(inner, _OF_RESNET)
    name = inner.get("backbone") or table.get("backbone") or "resnet50"
    plain = str(name).partition(".")[0]  # what follows a point are timm's weights
    if plain not in RESNETS:
        action = "open a model with one of these"
        raise CheckpointError.because("backbone", repr(name), "one of " + ", ".join(RESNETS), action)
    shape = RESNETS[plain]
    return {ours: getattr(shape, ours) for ours in _OF_RESNET}


def public_form(config: Config, vocabulary: Vocabulary, head: Head = OBJECTS) -> PublicForm:
    """How the weights stand in a checkpoint."""
    if obstacle(config, vocabulary):
        parts = ("backbone", "projection", "encoder", "decoder", "class_head", "box_head")
        return PublicForm([(part, part) for part in parts])
    return detr_form()
