"""BERT (Devlin et al. 2019): the paper's encoder, read in both directions, trained to guess hidden tokens.

What it changed: learned positions, GELU, a norm of the embeddings, and a type for each token (first or second text).
Its output layer reads what one more dense layer and norm make of a state. Text classes are read from the state of
[CLS], the first token, through a tanh layer that the paper's figure 4 does not show, the "pooler".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

from regard.config import build as build_settings
from regard.config import setting
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
from regard.models.weight_names import Pair, PublicForm, Tensors, embedding_names, layer_names

TASKS = ("masked_token", "classification", "token_classification", "embedding")
LAYOUT = "bert"
MODEL_TYPES = ("bert",)


@dataclass(frozen=True)
class Config:
    """The settings of BERT. The defaults are its base model."""

    layers: int = setting(12, help="N, the blocks", minimum=1)
    d_model: int = setting(768, help="width of every hidden state", minimum=1)
    d_ff: int = setting(3072, help="inner width of the feed-forward networks", minimum=1)
    heads: int = setting(12, help="h, attention heads", minimum=1)
    dropout: float = setting(0.1, help="on each sub-layer and on the embeddings", minimum=0.0, below=1.0)
    attention_dropout: float = setting(0.1, help="dropout on the attention weights", minimum=0.0, below=1.0)
    classifier_dropout: float | None = setting(
        None, help="before the classes; as dropout if not given", minimum=0.0, below=1.0
    )
    activation: str = setting("gelu", help="of the feed-forward network", choices=tuple(ACTIVATIONS))
    longest: int = setting(512, help="positions in the learned table", minimum=1)
    types: int = setting(2, help="kinds of texts that a token may belong to", minimum=1)
    epsilon: float = setting(1e-12, help="ε of the layer norms", minimum=0.0)

    def __post_init__(self) -> None:
        """Check how the settings fit together. Raises SettingError."""
        check_heads(self.heads, self.d_model)

    @property
    def dropout_before_classes(self) -> float:
        """The rate in front of a classifier."""
        return self.dropout if self.classifier_dropout is None else self.classifier_dropout

    @property
    def most_tokens(self) -> int:
        """The longest text, special tokens included."""
        return self.longest


BASE = Config()
TOY = Config(layers=2, d_model=16, d_ff=24, heads=4, longest=64)

SIZES: Mapping[str, Config] = MappingProxyType(
    {
        # The first four: Turc et al. 2019, table 1, with the weights that they have with BERT's 30,522 pieces.
        "tiny": Config(layers=2, d_model=128, d_ff=512, heads=2),  # 4.4 M
        "mini": Config(layers=4, d_model=256, d_ff=1024, heads=4),  # 11.2 M
        "small": Config(layers=4, d_model=512, d_ff=2048, heads=8),  # 28.8 M
        "medium": Config(layers=8, d_model=512, d_ff=2048, heads=8),  # 41.4 M
        "base": BASE,  # Devlin et al. 2019
        "large": replace(BASE, layers=24, d_model=1024, d_ff=4096, heads=16),
    }
)


def vocabulary(source: int, target: int, *, shared: bool, roles: Mapping[str, int | None]) -> Vocabulary:
    """The ids of a model for tokenizers of these sizes, whose special tokens are ``roles``."""
    return Vocabulary.of_texts(source, roles)


def build(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> EncoderModel:
    """Put the model together, with fresh weights (N(0, 0.02²))."""
    tokens = TokenEmbedding(vocabulary.source, config.d_model, vocabulary.pad, scaled=False)
    norm = partial(LayerNorm, config.d_model, config.epsilon)
    parts = Parts(
        d_model=config.d_model,
        heads=config.heads,
        d_ff=config.d_ff,
        activation=config.activation,
        dropout=config.dropout,
        attention_dropout=config.attention_dropout,
        norm=norm,
        placement=PostNorm,
    )
    embed = Embedder(
        tokens,
        LearnedPositions(config.longest, config.d_model),
        config.dropout,
        types=TokenTypes(config.types, config.d_model),
        norm=norm(),
    )
    predicts = head.kind == "language"
    model = EncoderModel(
        Encoder(embed, [parts.encoder_block() for _ in range(config.layers)]),
        vocabulary,
        output=OutputLayer(tokens.weight, vocabulary.never, "trained") if predicts else None,
        before_output=Transform(config.d_model, config.d_model, config.activation, norm()) if predicts else None,
        head=reader_head(head, config.d_model, config.dropout_before_classes),
        most_tokens=config.most_tokens,
    )
    draw_normal(model, 0.02)
    return model


# On disk -------------------------------------------------------------------------------------------------------------

_ARCHITECTURES = {
    "language": "BertForMaskedLM",
    "classification": "BertForSequenceClassification",
    "tokens": "BertForTokenClassification",
    "none": "BertModel",
}
_SETTINGS = {
    "layers": "num_hidden_layers",
    "d_model": "hidden_size",
    "d_ff": "intermediate_size",
    "heads": "num_attention_heads",
    "dropout": "hidden_dropout_prob",
    "attention_dropout": "attention_probs_dropout_prob",
    "classifier_dropout": "classifier_dropout",
    "longest": "max_position_embeddings",
    "types": "type_vocab_size",
    "epsilon": "layer_norm_eps",
}
_USUAL = {"is_decoder": False, "position_embedding_type": "absolute", "tie_word_embeddings": True}


def obstacle(config: Config, vocabulary: Vocabulary) -> str | None:
    """The setting that keeps the model from being a public one: none does."""
    return None


def public_config(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> dict[str, Any]:
    """The contents of ``config.json``."""
    return {
        **translated(config, _SETTINGS),
        **head_facts(head, _ARCHITECTURES),
        "dtype": "float32",
        "hidden_act": ACTIVATION_NAMES[config.activation],
        "model_type": "bert",
        "pad_token_id": vocabulary.pad,
        "vocab_size": vocabulary.source,
    }


def read_public_config(table: Mapping[str, Any], names: Collection[str] = ()) -> tuple[Config, Vocabulary, Head]:
    """The settings in a ``config.json``, with the ``names`` of the weights beside it.

    Raises SettingError for values out of range, CheckpointError for a variation that is not here.
    """
    check_usual(table, _USUAL)
    ours = {**translated_back(table, _SETTINGS), "activation": activation_of(table, "hidden_act", "gelu")}
    vocabulary = Vocabulary.of_texts(int(table["vocab_size"]), {"pad": table.get("pad_token_id", 0)})
    return build_settings(Config, ours, "model."), vocabulary, head_of(table, _ARCHITECTURES)


_NAMES: list[Pair] = [*embedding_names(), *layer_names(), ("head.dense", "pooler.dense")]
_HEAD: list[Pair] = [
    ("output.bias", "cls.predictions.bias"),
    ("before_output.dense", "cls.predictions.transform.dense"),
    ("before_output.norm", "cls.predictions.transform.LayerNorm"),
    ("head.output", "classifier"),
]
_IGNORED = (
    r"embeddings\.position_ids",
    r"cls\.predictions\.decoder\.(weight|bias)",  # the embedding and the bias again
    r"cls\.seq_relationship\.(weight|bias)",  # whether a second sentence follows the first
)


def public_form(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> PublicForm:
    """How the weights stand in a checkpoint. A model that has no pooler ignores one that is there."""
    pooler = () if head.kind in ("classification", "none") else (r"pooler\.dense\.(weight|bias)",)
    return PublicForm(_NAMES, _HEAD, "bert.", (*_IGNORED, *pooler), inward=_modern)


def _modern(tensors: Tensors) -> Tensors:
    """Files of 2018 call a norm's weight gamma and its bias beta."""
    return {
        name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias"): tensor
        for name, tensor in tensors.items()
    }
