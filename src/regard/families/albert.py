"""ALBERT (Lan et al. 2020): BERT with a few weights that are used again and again.

What it changed: token vectors are narrow (E = 128) and a linear map makes them as wide as the layers (section 3.1), and
all layers of a group are one and the same block. A reader pays for the depth in time, not in memory. Version 1 of the
published weights has erf-GELU and dropout, version 2 tanh-GELU and none.
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
from regard.layers.embedding import OutputLayer, TokenEmbedding
from regard.layers.feedforward import ACTIVATIONS
from regard.layers.norm import LayerNorm
from regard.layers.position import LearnedPositions
from regard.layers.residual import PostNorm
from regard.models.embedder import Embedder, TokenTypes
from regard.models.encoder_model import EncoderModel
from regard.models.heads import LANGUAGE, Head, Transform, reader_head
from regard.models.parts import Parts, check_heads, draw_normal
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
from regard.models.vocabulary import Vocabulary
from regard.models.weight_names import Pair, PublicForm, embedding_names

TASKS = ("masked_token", "classification", "token_classification", "embedding")
LAYOUT = "albert"
MODEL_TYPES = ("albert",)


@dataclass(frozen=True)
class Config:
    """The settings of ALBERT. The defaults are its base model, version 2."""

    layers: int = setting(12, help="N, how often a block is used", minimum=1)
    groups: int = setting(1, help="different blocks; neighbouring layers share one", minimum=1)
    d_embedding: int = setting(128, help="E, width of the token vectors", minimum=1)
    d_model: int = setting(768, help="width of every hidden state", minimum=1)
    d_ff: int = setting(3072, help="inner width of the feed-forward networks", minimum=1)
    heads: int = setting(12, help="h, attention heads", minimum=1)
    dropout: float = setting(0.0, help="on each sub-layer and on the embeddings", minimum=0.0, below=1.0)
    attention_dropout: float = setting(0.0, help="dropout on the attention weights", minimum=0.0, below=1.0)
    classifier_dropout: float = setting(0.1, help="before the classes", minimum=0.0, below=1.0)
    activation: str = setting("gelu_tanh", help="of the feed-forward network", choices=tuple(ACTIVATIONS))
    longest: int = setting(512, help="positions in the learned table", minimum=1)
    types: int = setting(2, help="kinds of texts that a token may belong to", minimum=1)
    epsilon: float = setting(1e-12, help="ε of the layer norms", minimum=0.0)

    def __post_init__(self) -> None:
        """Check how the settings fit together. Raises SettingError."""
        check_heads(self.heads, self.d_model)
        if self.groups > self.layers:
            got = f"{self.groups} with {self.layers} layers"
            raise SettingError.because("groups", got, "no more groups than layers", f"use {self.layers}")

    @property
    def most_tokens(self) -> int:
        """The longest text, special tokens included."""
        return self.longest

    @property
    def group_of_layer(self) -> list[int]:
        """The group of each layer; rounded as the published code does it, which counts in floating point."""
        return [int(layer / (self.layers / self.groups)) for layer in range(self.layers)]


BASE = Config()
TOY = Config(layers=3, groups=2, d_embedding=6, d_model=16, d_ff=24, heads=4, longest=64)


def _version_1(config: Config, dropout: float = 0.1) -> Config:
    return replace(config, activation="gelu", dropout=dropout, attention_dropout=dropout)


_LARGE = replace(BASE, layers=24, d_model=1024, d_ff=4096, heads=16)
_XLARGE = replace(_LARGE, d_model=2048, d_ff=8192)
_XXLARGE = replace(BASE, d_model=4096, d_ff=16384, heads=64)

SIZES: Mapping[str, Config] = MappingProxyType(
    {
        "tiny": replace(BASE, layers=4, d_embedding=64, d_model=256, d_ff=1024, heads=4),  # ours, for a processor
        "base": BASE,  # Lan et al. 2020, table 1; as of version 2
        "large": _LARGE,
        "xlarge": _XLARGE,
        "xxlarge": _XXLARGE,
        "base-v1": _version_1(BASE),
        "large-v1": _version_1(_LARGE),
        "xlarge-v1": _version_1(_XLARGE),
        "xxlarge-v1": _version_1(_XXLARGE, dropout=0.0),  # the paper's section 4.8: the largest does better without
    }
)


def vocabulary(source: int, target: int, *, shared: bool, roles: Mapping[str, int | None]) -> Vocabulary:
    """The ids of a model for tokenizers of these sizes, whose special tokens are ``roles``."""
    return Vocabulary.of_texts(source, roles)


def build(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> EncoderModel:
    """Put the model together, with fresh weights (N(0, 0.02²)). All layers of a group are one module."""
    narrow = config.d_embedding
    tokens = TokenEmbedding(vocabulary.source, narrow, vocabulary.pad, scaled=False)
    parts = Parts(
        d_model=config.d_model,
        heads=config.heads,
        d_ff=config.d_ff,
        activation=config.activation,
        dropout=config.dropout,
        attention_dropout=config.attention_dropout,
        norm=partial(LayerNorm, config.d_model, config.epsilon),
        placement=PostNorm,
    )
    embed = Embedder(
        tokens,
        LearnedPositions(config.longest, narrow),
        config.dropout,
        types=TokenTypes(config.types, narrow),
        norm=LayerNorm(narrow, config.epsilon),
        wide=nn.Linear(narrow, config.d_model),
    )
    blocks = [parts.encoder_block() for _ in range(config.groups)]
    predicts = head.kind == "language"
    back = Transform(config.d_model, narrow, config.activation, LayerNorm(narrow, config.epsilon)) if predicts else None
    model = EncoderModel(
        Encoder(embed, [blocks[group] for group in config.group_of_layer]),
        vocabulary,
        output=OutputLayer(tokens.weight, vocabulary.never, "trained") if predicts else None,
        before_output=back,
        head=reader_head(head, config.d_model, config.classifier_dropout),
        most_tokens=config.most_tokens,
    )
    draw_normal(model, 0.02)
    return model


# On disk -------------------------------------------------------------------------------------------------------------

_ARCHITECTURES = {
    "language": "AlbertForMaskedLM",
    "classification": "AlbertForSequenceClassification",
    "tokens": "AlbertForTokenClassification",
    "none": "AlbertModel",
}
_SETTINGS = {
    "layers": "num_hidden_layers",
    "groups": "num_hidden_groups",
    "d_embedding": "embedding_size",
    "d_model": "hidden_size",
    "d_ff": "intermediate_size",
    "heads": "num_attention_heads",
    "dropout": "hidden_dropout_prob",
    "attention_dropout": "attention_probs_dropout_prob",
    "classifier_dropout": "classifier_dropout_prob",
    "longest": "max_position_embeddings",
    "types": "type_vocab_size",
    "epsilon": "layer_norm_eps",
}
# What transformers takes a file to mean that does not say: the shape of xxlarge.
_UNSAID = {"hidden_size": 4096, "intermediate_size": 16384, "num_attention_heads": 64}
_USUAL = {"inner_group_num": 1, "position_embedding_type": "absolute", "tie_word_embeddings": True}


def obstacle(config: Config, vocabulary: Vocabulary) -> str | None:
    """The setting that keeps the model from being a public one: none does."""
    return None


def public_config(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> dict[str, Any]:
    """The contents of ``config.json``."""
    return {
        **translated(config, _SETTINGS),
        **head_facts(head, _ARCHITECTURES),
        "bos_token_id": vocabulary.bos,
        "dtype": "float32",
        "eos_token_id": None if vocabulary.eos < 0 else vocabulary.eos,
        "hidden_act": ACTIVATION_NAMES[config.activation],
        "inner_group_num": 1,
        "model_type": "albert",
        "pad_token_id": vocabulary.pad,
        "vocab_size": vocabulary.source,
    }


def read_public_config(table: Mapping[str, Any], names: Collection[str] = ()) -> tuple[Config, Vocabulary, Head]:
    """The settings in a ``config.json``, with the ``names`` of the weights beside it.

    Raises SettingError for values out of range, CheckpointError for a variation that is not here.
    """
    check_usual(table, _USUAL)
    table = {**_UNSAID, **table}
    ours = {**translated_back(table, _SETTINGS), "activation": activation_of(table, "hidden_act", "gelu_new")}
    roles = {role: table.get(f"{role}_token_id", usual) for role, usual in {"pad": 0, "bos": 2, "eos": 3}.items()}
    vocabulary = Vocabulary.of_texts(int(table["vocab_size"]), {**roles, "sep": roles["eos"]})
    return build_settings(Config, ours, "model."), vocabulary, head_of(table, _ARCHITECTURES)


_BLOCK = [
    ("self_attention.query", "attention.query"),
    ("self_attention.key", "attention.key"),
    ("self_attention.value", "attention.value"),
    ("self_attention.output", "attention.dense"),
    ("around_self_attention.norm", "attention.LayerNorm"),
    ("feed_forward.inner", "ffn"),
    ("feed_forward.outer", "ffn_output"),
    ("around_feed_forward.norm", "full_layer_layer_norm"),
]
_HEAD: list[Pair] = [
    ("output.bias", "predictions.bias"),
    ("before_output.dense", "predictions.dense"),
    ("before_output.norm", "predictions.LayerNorm"),
    ("head.output", "classifier"),
]
_IGNORED = (
    r"embeddings\.position_ids",
    r"predictions\.decoder\.(weight|bias)",  # the embedding and the bias again
    r"sop_classifier\.classifier\.(weight|bias)",  # whether two sentences stand in their order
)


def public_form(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> PublicForm:
    """How the weights stand in a checkpoint: a group's once, here under the name of the first layer that uses it.

    A model that has no pooler ignores one that is there.
    """
    names = [*embedding_names(), ("encoder.embed.wide", "encoder.embedding_hidden_mapping_in")]
    for group in range(config.groups):
        ours = f"encoder.blocks.{config.group_of_layer.index(group)}"
        theirs = f"encoder.albert_layer_groups.{group}.albert_layers.0"
        names += [(f"{ours}.{mine}", f"{theirs}.{other}") for mine, other in _BLOCK]
    pooler = () if head.kind in ("classification", "none") else (r"pooler\.(weight|bias)",)
    return PublicForm([*names, ("head.dense", "pooler")], _HEAD, "albert.", (*_IGNORED, *pooler))
