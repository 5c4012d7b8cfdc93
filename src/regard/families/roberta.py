"""RoBERTa (Liu et al. 2019): BERT, trained longer on more text, without the guess about a second sentence.

What it changed in the model is little: one type of tokens, a vocabulary of bytes, and places that are counted among the
real tokens only. Padding stands in the row of its own id, and the first token in the row after that, so a text means
the same wherever its padding is. Classes of a text have a dense layer of their own instead of BERT's pooler.
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
from regard.layers.position import LearnedPositions, among_tokens, in_order
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
from regard.models.weight_names import Pair, PublicForm, embedding_names, layer_names

TASKS = ("masked_token", "classification", "token_classification", "embedding")
LAYOUT = "roberta"
MODEL_TYPES = ("roberta",)


@dataclass(frozen=True)
class Config:
    """The settings of RoBERTa. The defaults are its base model."""

    layers: int = setting(12, help="N, the blocks", minimum=1)
    d_model: int = setting(768, help="width of every hidden state", minimum=1)
    d_ff: int = setting(3072, help="inner width of the feed-forward networks", minimum=1)
    heads: int = setting(12, help="h, attention heads", minimum=1)
    dropout: float = setting(0.1, help="on each sub-layer and on the embeddings", minimum=0.0, below=1.0)
    attention_dropout: float = setting(0.1, help="dropout on the attention weights", minimum=0.0, below=1.0)
    classifier_dropout: float | None = setting(
        None, help="around the dense layer before the classes; as dropout if not given", minimum=0.0, below=1.0
    )
    activation: str = setting("gelu", help="of the feed-forward network", choices=tuple(ACTIVATIONS))
    longest: int = setting(512, help="tokens that have a learned position", minimum=1)
    types: int = setting(1, help="kinds of texts that a token may belong to", minimum=1)
    epsilon: float = setting(1e-5, help="ε of the layer norms", minimum=0.0)

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
        "tiny": replace(BASE, layers=2, d_model=128, d_ff=512, heads=2),  # the shape of BERT's (Turc et al. 2019)
        "distil": replace(BASE, layers=6),  # the shape of DistilRoBERTa, as Sanh et al. 2019 halve BERT
        "base": BASE,  # Liu et al. 2019, section 3.1: the shape of BERT's base
        "large": replace(BASE, layers=24, d_model=1024, d_ff=4096, heads=16),  # its table 9
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
        LearnedPositions(config.longest, config.d_model, offset=_rows_before(vocabulary)),
        config.dropout,
        types=TokenTypes(config.types, config.d_model),
        norm=norm(),
        numbering=in_order if vocabulary.pad is None else partial(among_tokens, pad=vocabulary.pad),
    )
    predicts = head.kind == "language"
    model = EncoderModel(
        Encoder(embed, [parts.encoder_block() for _ in range(config.layers)]),
        vocabulary,
        output=OutputLayer(tokens.weight, vocabulary.never, "trained") if predicts else None,
        # erf-GELU whatever the network in the blocks has
        before_output=Transform(config.d_model, config.d_model, "gelu", norm()) if predicts else None,
        head=reader_head(head, config.d_model, config.dropout_before_classes, config.dropout_before_classes),
        most_tokens=config.most_tokens,
    )
    draw_normal(model, 0.02)
    return model


def _rows_before(vocabulary: Vocabulary) -> int:
    """Rows of the table of positions that stand before that of the first token: the last of them is padding's."""
    return 0 if vocabulary.pad is None else vocabulary.pad + 1


# On disk -------------------------------------------------------------------------------------------------------------

_ARCHITECTURES = {
    "language": "RobertaForMaskedLM",
    "classification": "RobertaForSequenceClassification",
    "tokens": "RobertaForTokenClassification",
    "none": "RobertaModel",
}
_SETTINGS = {
    "layers": "num_hidden_layers",
    "d_model": "hidden_size",
    "d_ff": "intermediate_size",
    "heads": "num_attention_heads",
    "dropout": "hidden_dropout_prob",
    "attention_dropout": "attention_probs_dropout_prob",
    "classifier_dropout": "classifier_dropout",
    "types": "type_vocab_size",
    "epsilon": "layer_norm_eps",
}
# What transformers takes a file to mean that does not say; the published models say otherwise (1e-5, 514, 1).
_UNSAID = {"layer_norm_eps": 1e-12, "max_position_embeddings": 512, "type_vocab_size": 2, "pad_token_id": 1}
_USUAL = {"is_decoder": False, "position_embedding_type": "absolute", "tie_word_embeddings": True}


def obstacle(config: Config, vocabulary: Vocabulary) -> str | None:
    """The setting that keeps the model from being a public one: places are counted from the id of padding."""
    return "a vocabulary without padding" if vocabulary.pad is None else None


def public_config(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> dict[str, Any]:
    """The contents of ``config.json``."""
    return {
        **translated(config, _SETTINGS),
        **head_facts(head, _ARCHITECTURES),
        "bos_token_id": vocabulary.bos,
        "dtype": "float32",
        "eos_token_id": None if vocabulary.eos < 0 else vocabulary.eos,
        "hidden_act": ACTIVATION_NAMES[config.activation],
        "max_position_embeddings": config.longest + _rows_before(vocabulary),
        "model_type": "roberta",
        "pad_token_id": vocabulary.pad,
        "vocab_size": vocabulary.source,
    }


def read_public_config(table: Mapping[str, Any], names: Collection[str] = ()) -> tuple[Config, Vocabulary, Head]:
    """The settings in a ``config.json``, with the ``names`` of the weights beside it.

    Raises SettingError for values out of range, CheckpointError for a variation that is not here.
    """
    check_usual(table, _USUAL)
    table = {**_UNSAID, **table}
    roles = {"pad": table["pad_token_id"], "eos": table.get("eos_token_id", 2), "bos": table.get("bos_token_id", 0)}
    vocabulary = Vocabulary.of_texts(int(table["vocab_size"]), {**roles, "sep": roles["eos"]})
    ours = {
        **translated_back(table, _SETTINGS),
        "activation": activation_of(table, "hidden_act", "gelu"),
        "longest": table["max_position_embeddings"] - _rows_before(vocabulary),
    }
    return build_settings(Config, ours, "model."), vocabulary, head_of(table, _ARCHITECTURES)


_NAMES: list[Pair] = [*embedding_names(), *layer_names()]
_HEADS: dict[str, list[Pair]] = {
    "language": [
        ("output.bias", "lm_head.bias"),
        ("before_output.dense", "lm_head.dense"),
        ("before_output.norm", "lm_head.layer_norm"),
    ],
    "classification": [("head.dense", "classifier.dense"), ("head.output", "classifier.out_proj")],
    "tokens": [("head.output", "classifier")],
    "none": [("head.dense", "pooler.dense")],
}
_IGNORED = (
    r"embeddings\.position_ids",
    r"lm_head\.decoder\.(weight|bias)",  # the embedding and the bias again
)


def public_form(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> PublicForm:
    """How the weights stand in a checkpoint. A model that has no pooler ignores one that is there."""
    pooler = () if head.kind == "none" else (r"pooler\.dense\.(weight|bias)",)
    return PublicForm(_NAMES, _HEADS[head.kind], "roberta.", (*_IGNORED, *pooler))
