"""ViT (Dosovitskiy et al. 2021): the paper's encoder reads a picture, cut into patches, as if these were words.

What it changed: norms before the sub-layers and one at the end, GELU, and a token of its own at the beginning, whose
last state tells the class.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

from regard.config import build as build_settings
from regard.config import setting
from regard.errors import SettingError
from regard.layers.feedforward import ACTIVATIONS
from regard.layers.norm import LayerNorm
from regard.layers.residual import PreNorm
from regard.models.encoder_model import EncoderModel
from regard.models.heads import POOLED, Head, TextHead, first_token
from regard.models.parts import Parts, check_heads, draw_normal
from regard.models.patches import PatchEmbedder
from regard.models.public import (
    ACTIVATION_NAMES,
    activation_of,
    check_usual,
    head_facts,
    head_of,
    translated,
    translated_back,
)
from regard.models.stack import Encoder
from regard.models.vocabulary import NO_TEXT, Vocabulary
from regard.models.weight_names import Pair, PublicForm

TASKS = ("image_classification",)
LAYOUT = None
MODEL_TYPES = ("vit",)


@dataclass(frozen=True)
class Config:
    """The settings of ViT. The defaults are its base model."""

    layers: int = setting(12, help="N, the blocks", minimum=1)
    d_model: int = setting(768, help="width of every hidden state", minimum=1)
    d_ff: int = setting(3072, help="inner width of the feed-forward networks", minimum=1)
    heads: int = setting(12, help="h, attention heads", minimum=1)
    dropout: float = setting(0.0, help="on each sub-layer and on the embeddings", minimum=0.0, below=1.0)
    attention_dropout: float = setting(0.0, help="dropout on the attention weights", minimum=0.0, below=1.0)
    activation: str = setting("gelu", help="of the feed-forward network", choices=tuple(ACTIVATIONS))
    image_size: int = setting(224, help="height and width of a picture, in pixels", minimum=1)
    patch: int = setting(16, help="height and width of a patch, in pixels", minimum=1)
    epsilon: float = setting(1e-12, help="ε of the layer norms", minimum=0.0)

    def __post_init__(self) -> None:
        """Check how the settings fit together. Raises SettingError."""
        check_heads(self.heads, self.d_model)
        if self.image_size % self.patch:
            fitting = [n for n in range(1, self.image_size + 1) if self.image_size % n == 0]
            nearest = min(fitting, key=lambda n: abs(n - self.patch))
            got = f"{self.patch} with image_size {self.image_size}"
            raise SettingError.because("patch", got, "a divisor of image_size", f"use {nearest}")

    @property
    def most_tokens(self) -> None:
        """A picture of any size is read."""


BASE = Config()
TOY = Config(layers=2, d_model=16, d_ff=24, heads=4, image_size=8, patch=4)

SIZES: Mapping[str, Config] = MappingProxyType(
    {
        "micro": Config(layers=6, d_model=128, d_ff=256, heads=4, image_size=32, patch=4),  # 0.8 M, for small pictures
        "tiny": replace(BASE, d_model=192, d_ff=768, heads=3),  # Touvron et al. 2021, table 1: 5 M
        "small": replace(BASE, d_model=384, d_ff=1536, heads=6),  # the same: 22 M
        "base": BASE,  # Dosovitskiy et al. 2021, table 1: 86 M
        "large": replace(BASE, layers=24, d_model=1024, d_ff=4096, heads=16),  # the same: 307 M
    }
)


def vocabulary(source: int, target: int, *, shared: bool, roles: Mapping[str, int | None]) -> Vocabulary:
    """That of a model without text."""
    return NO_TEXT


def build(config: Config, vocabulary: Vocabulary, head: Head = POOLED) -> EncoderModel:
    """Put the model together, with fresh weights (N(0, 0.02²)). ``head``: classes, or none (the pooled state)."""
    norm = partial(LayerNorm, config.d_model, config.epsilon)
    parts = Parts(
        d_model=config.d_model,
        heads=config.heads,
        d_ff=config.d_ff,
        activation=config.activation,
        dropout=config.dropout,
        attention_dropout=config.attention_dropout,
        norm=norm,
        placement=PreNorm,
    )
    size = config.image_size, config.image_size
    classes = len(head.labels) or None
    model = EncoderModel(
        Encoder(
            PatchEmbedder(size, config.patch, config.d_model, config.dropout),
            [parts.encoder_block() for _ in range(config.layers)],
            final_norm=norm(),
        ),
        vocabulary,
        head=TextHead(first_token, config.d_model, classes, dense=classes is None),
    )
    draw_normal(model, 0.02)
    return model


# On disk -------------------------------------------------------------------------------------------------------------

_ARCHITECTURES = {"classification": "ViTForImageClassification", "none": "ViTModel"}
_SETTINGS = {
    "layers": "num_hidden_layers",
    "d_model": "hidden_size",
    "d_ff": "intermediate_size",
    "heads": "num_attention_heads",
    "dropout": "hidden_dropout_prob",
    "attention_dropout": "attention_probs_dropout_prob",
    "image_size": "image_size",
    "patch": "patch_size",
    "epsilon": "layer_norm_eps",
}
_USUAL = {"num_channels": 3, "qkv_bias": True, "pooler_act": "tanh"}


def obstacle(config: Config, vocabulary: Vocabulary) -> str | None:
    """The setting that keeps the model from being a public one: none does."""
    return None


def public_config(config: Config, vocabulary: Vocabulary, head: Head = POOLED) -> dict[str, Any]:
    """The contents of ``config.json``."""
    return {
        **translated(config, _SETTINGS),
        **head_facts(head, _ARCHITECTURES),
        **_USUAL,
        "dtype": "float32",
        "hidden_act": ACTIVATION_NAMES[config.activation],
        "model_type": "vit",
        "pooler_output_size": config.d_model,
    }


def read_public_config(table: Mapping[str, Any], names: Collection[str] = ()) -> tuple[Config, Vocabulary, Head]:
    """The settings in a ``config.json``, with the ``names`` of the weights beside it.

    Raises SettingError for values out of range, CheckpointError for a variation that is not here.
    """
    check_usual(table, {**_USUAL, "pooler_output_size": table.get("hidden_size")})
    ours = {**translated_back(table, _SETTINGS), "activation": activation_of(table, "hidden_act", "gelu")}
    return build_settings(Config, ours, "model."), NO_TEXT, head_of(table, _ARCHITECTURES)


_OURS, _THEIRS = "encoder.blocks.{i}", "encoder.layer.{i}"
_NAMES: list[Pair] = [
    ("encoder.embed.first", "embeddings.cls_token"),
    ("encoder.embed.positions", "embeddings.position_embeddings"),
    ("encoder.embed.projection", "embeddings.patch_embeddings.projection"),
    (f"{_OURS}.self_attention.query", f"{_THEIRS}.attention.attention.query"),
    (f"{_OURS}.self_attention.key", f"{_THEIRS}.attention.attention.key"),
    (f"{_OURS}.self_attention.value", f"{_THEIRS}.attention.attention.value"),
    (f"{_OURS}.self_attention.output", f"{_THEIRS}.attention.output.dense"),
    (f"{_OURS}.around_self_attention.norm", f"{_THEIRS}.layernorm_before"),
    (f"{_OURS}.feed_forward.inner", f"{_THEIRS}.intermediate.dense"),
    (f"{_OURS}.feed_forward.outer", f"{_THEIRS}.output.dense"),
    (f"{_OURS}.around_feed_forward.norm", f"{_THEIRS}.layernorm_after"),
    ("encoder.final_norm", "layernorm"),
    ("head.dense", "pooler.dense"),
]
_HEAD: list[Pair] = [("head.output", "classifier")]


def public_form(config: Config, vocabulary: Vocabulary, head: Head = POOLED) -> PublicForm:
    """How the weights stand in a checkpoint. A model with classes ignores a pooler that is there."""
    pooler = (r"pooler\.dense\.(weight|bias)",) if head.labels else ()
    return PublicForm(_NAMES, _HEAD, "vit.", (r"embeddings\.mask_token", *pooler))
