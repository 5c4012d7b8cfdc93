"""T5 (Raffel et al. 2020), its version 1.1 and mT5 (Xue et al. 2021): every task is text in, text out.

What it changed in the paper's block: no places are added to the embeddings; each stack learns a number for each head
and each range of distances, which all its layers add to the scores of self-attention. The norm stands before each
sub-layer and only scales; no map has a bias; scores are not divided by √d_k, which the first values make up for; and
d_k is free. Version 1.0 shares one matrix with its output layer, which reads the states times d_model^−½; version 1.1
has a matrix of its own there, and a feed-forward network with a GELU gate. Dropout is everywhere, after the last norm
too. The decoder starts from ``<pad>``, whose vector is therefore trained like any other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from regard.config import build as build_settings
from regard.config import setting
from regard.errors import SettingError
from regard.layers.dropout import Dropout
from regard.layers.embedding import OutputLayer, TokenEmbedding
from regard.layers.feedforward import ACTIVATIONS
from regard.layers.norm import RMSNorm
from regard.layers.position import NoPositions
from regard.layers.relative import BucketBias
from regard.layers.residual import PreNorm
from regard.layers.similarity import DotProduct
from regard.models.embedder import Embedder
from regard.models.encoder_model import EncoderModel
from regard.models.heads import LANGUAGE, Head, Scale, TextHead, TokenHead, last_end
from regard.models.parts import Parts
from regard.models.public import head_facts, head_of, translated, translated_back
from regard.models.stack import Decoder, Encoder
from regard.models.t5_layout import feed_forward_name, feed_forward_of, t5_form
from regard.models.transformer import EncoderDecoder
from regard.models.vocabulary import Vocabulary
from regard.models.weight_names import PublicForm
from regard.notation import Real

TASKS = ("span_corruption", "translation", "classification", "token_classification", "embedding")
LAYOUT = "t5"
MODEL_TYPES = ("t5", "mt5")


@dataclass(frozen=True)
class Config:
    """The settings of T5. The defaults are the base model of version 1.0."""

    layers: int = setting(12, help="N, the blocks of the encoder, and of the decoder", minimum=1)
    decoder_layers: int | None = setting(None, help="blocks of the decoder, where they differ from layers", minimum=1)
    d_model: int = setting(768, help="width of every hidden state", minimum=1)
    d_ff: int = setting(3072, help="inner width of the feed-forward networks", minimum=1)
    heads: int = setting(12, help="h, attention heads", minimum=1)
    d_k: int = setting(64, help="width of queries, keys and values in a head", minimum=1)
    dropout: float = setting(0.1, help="everywhere", minimum=0.0, below=1.0)
    classifier_dropout: float = setting(0.0, help="dropout in the head over classes", minimum=0.0, below=1.0)
    activation: str = setting("relu", help="of the feed-forward network", choices=tuple(ACTIVATIONS))
    gated: bool = setting(False, help="the feed-forward network has a gate (version 1.1)")
    tied: bool = setting(True, help="the output layer's matrix is that of the embedding (version 1.0)")
    scaled: bool = setting(True, help="the output layer reads the states times 1/√d_model (version 1.0)")
    buckets: int = setting(32, help="ranges of distances", minimum=4)
    farthest: int = setting(128, help="distance from which on all are in the last range", minimum=1)
    epsilon: float = setting(1e-6, help="ε of the norms", minimum=0.0)

    def __post_init__(self) -> None:
        """Check how the settings fit together. Raises SettingError."""
        if self.farthest <= self.buckets // 2:
            expected = f"more than half of the {self.buckets} buckets"
            raise SettingError.because("farthest", self.farthest, expected, f"use {4 * self.buckets}")

    @property
    def most_tokens(self) -> int | None:
        """Distances have no end."""
        return None


def _version_1_1(layers: int, d_model: int, d_ff: int, heads: int) -> Config:
    return Config(layers, None, d_model, d_ff, heads, activation="gelu_tanh", gated=True, tied=False, scaled=False)


BASE = Config()
TOY = Config(layers=2, d_model=16, d_ff=24, heads=4, d_k=5)

SIZES: Mapping[str, Config] = MappingProxyType(
    {
        "tiny": Config(layers=4, d_model=256, d_ff=1024, heads=4),  # Tay et al. 2022, table 2; 16 M
        "small": replace(BASE, layers=6, d_model=512, d_ff=2048, heads=8),  # Raffel et al. 2020, section 3.7; 61 M
        "base": BASE,  # 223 M
        "large": replace(BASE, layers=24, d_model=1024, d_ff=4096, heads=16),  # 738 M
        "3b": replace(BASE, layers=24, d_model=1024, d_ff=16384, heads=32, d_k=128),
        "11b": replace(BASE, layers=24, d_model=1024, d_ff=65536, heads=128, d_k=128),
        "v1.1-small": _version_1_1(8, 512, 1024, 6),  # as published, without a paper; 77 M
        "v1.1-base": _version_1_1(12, 768, 2048, 12),
        "v1.1-large": _version_1_1(24, 1024, 2816, 16),
        "v1.1-xl": _version_1_1(24, 2048, 5120, 32),
        "v1.1-xxl": _version_1_1(24, 4096, 10240, 64),
    }
)


class NormThenDropout(nn.Module):
    """dropout(norm(x)), at the end of each stack."""

    def __init__(self, norm: nn.Module, dropout_rate: float) -> None:
        super().__init__()
        self.norm = norm
        self.dropout = Dropout(dropout_rate)

    def forward(self, x: Tensor, real: Real | None = None) -> Tensor:
        """[…, D] → […, D]; which positions are ``real`` is the norm's concern."""
        return self.dropout(self.norm(x, real))


def vocabulary(source: int, target: int, *, shared: bool, roles: Mapping[str, int | None]) -> Vocabulary:
    """The ids of a model for tokenizers of these sizes, whose special tokens are ``roles``. Raises SettingError."""
    if not shared:
        action = "use tokenizer.joint=true, or family=transformer"
        raise SettingError.because("tokenizer.joint", "false", "one vocabulary for both sides with t5", action)
    return Vocabulary.of_texts(source, roles, start=roles["pad"])


def build(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> EncoderDecoder | EncoderModel:
    """Put the model together, with fresh weights. Classes of tokens, and no head at all, need the encoder alone."""
    tokens = TokenEmbedding(vocabulary.source, config.d_model, None, scaled=False)
    parts = _parts(config)
    encoder = Encoder(
        Embedder(tokens, NoPositions(), config.dropout),
        [parts.encoder_block() for _ in range(config.layers)],
        NormThenDropout(parts.norm(), config.dropout),
        BucketBias(config.heads, two_sided=True, buckets=config.buckets, farthest=config.farthest),
    )
    model: EncoderDecoder | EncoderModel
    if _encoder_alone(head):
        classes = len(head.labels)
        over = TokenHead(config.d_model, classes, config.classifier_dropout) if classes else None
        model = EncoderModel(encoder, vocabulary, head=over)
    else:
        decoder = Decoder(
            Embedder(tokens, NoPositions(), config.dropout),
            [parts.decoder_block() for _ in range(config.decoder_layers or config.layers)],
            NormThenDropout(parts.norm(), config.dropout),
            BucketBias(config.heads, two_sided=False, buckets=config.buckets, farthest=config.farthest),
        )
        predicts = head.kind == "language"
        model = EncoderDecoder(
            encoder,
            decoder,
            vocabulary,
            output=_output(config, tokens, vocabulary) if predicts else None,
            before_output=Scale(config.d_model**-0.5) if predicts and config.scaled else None,
            head=None if predicts else _class_head(config, vocabulary, head),
        )
    _draw(model, config)
    return model


def _encoder_alone(head: Head) -> bool:
    return head.kind in ("tokens", "none")


def _parts(config: Config) -> Parts:
    return Parts(
        d_model=config.d_model,
        heads=config.heads,
        d_ff=config.d_ff,
        d_k=config.d_k,
        d_v=config.d_k,
        activation=config.activation,
        gated=config.gated,
        bias=False,
        dropout=config.dropout,
        attention_dropout=config.dropout,
        activation_dropout=config.dropout,
        norm=partial(RMSNorm, config.d_model, config.epsilon),
        placement=PreNorm,
        similarity=DotProduct(1.0),
    )


def _output(config: Config, tokens: TokenEmbedding, vocabulary: Vocabulary) -> OutputLayer:
    weight = tokens.weight if config.tied else nn.Parameter(torch.empty_like(tokens.weight))
    return OutputLayer(weight, vocabulary.never, "none")


def _class_head(config: Config, vocabulary: Vocabulary, head: Head) -> TextHead:
    rate = config.classifier_dropout
    pool = last_end(vocabulary.eos)
    return TextHead(pool, config.d_model, len(head.labels), dropout_rate=rate, dropout_before=rate)


def _draw(model: nn.Module, config: Config) -> None:
    """Fresh weights: maps N(0, 1/fan-in), queries smaller by √d_k since nothing else divides the scores, embeddings
    N(0, 1). An output matrix of its own begins as large as a shared one that reads scaled states.
    """
    for name, weight in model.named_parameters():
        if weight.dim() < 2:
            continue
        if name.endswith("embed.tokens.weight"):
            deviation = 1.0
        elif name.endswith("attention.query.weight"):
            deviation = (config.d_model * config.d_k) ** -0.5
        elif name.endswith("coder.bias.weight"):
            deviation = config.d_model**-0.5
        else:
            deviation = weight.shape[1] ** -0.5
        nn.init.normal_(weight, std=deviation)
    for module in model.modules():
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)


# On disk -------------------------------------------------------------------------------------------------------------

_ARCHITECTURES = {
    "language": "T5ForConditionalGeneration",
    "classification": "T5ForSequenceClassification",
    "tokens": "T5ForTokenClassification",
    "none": "T5EncoderModel",
}
_SETTINGS = {
    "layers": "num_layers",
    "d_model": "d_model",
    "d_ff": "d_ff",
    "heads": "num_heads",
    "d_k": "d_kv",
    "dropout": "dropout_rate",
    "classifier_dropout": "classifier_dropout",
    "buckets": "relative_attention_num_buckets",
    "farthest": "relative_attention_max_distance",
    "epsilon": "layer_norm_epsilon",
}


def obstacle(config: Config, vocabulary: Vocabulary) -> str | None:
    """The setting that keeps the model from being a public one: none does."""
    return None


def public_config(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> dict[str, Any]:
    """The contents of ``config.json``.

    In transformers 4 ``tie_word_embeddings`` tells of the matrix and of the scale at once; 5 looks into the file for
    the one, and at ``scale_decoder_outputs`` for the other. Both read version 1.0 and 1.1 right; a model that is tied
    without a scale, or has a scale and two matrices, only 5 does.
    """
    return {
        **translated(config, _SETTINGS),
        **head_facts(head, _ARCHITECTURES),
        "decoder_start_token_id": vocabulary.start,
        "dtype": "float32",
        "eos_token_id": vocabulary.eos,
        "feed_forward_proj": feed_forward_name(config.activation, gated=config.gated),
        "is_encoder_decoder": not _encoder_alone(head),
        "model_type": "t5",
        "num_decoder_layers": config.decoder_layers or config.layers,
        "pad_token_id": vocabulary.pad,
        "scale_decoder_outputs": config.scaled,
        "tie_word_embeddings": config.tied or config.scaled,
        "vocab_size": vocabulary.source,
    }


def read_public_config(table: Mapping[str, Any], names: Collection[str] = ()) -> tuple[Config, Vocabulary, Head]:
    """The settings in a ``config.json``, with the ``names`` of the weights beside it.

    What is tied, only the names tell: transformers 5 writes ``tie_word_embeddings: true`` in any case. Raises
    SettingError, and CheckpointError for an activation that is not here.
    """
    ours = translated_back(table, _SETTINGS)
    if table.get("num_decoder_layers") not in (None, table.get("num_layers")):
        ours["decoder_layers"] = table["num_decoder_layers"]
    ours["activation"], ours["gated"] = feed_forward_of(str(table.get("feed_forward_proj", "relu")))
    said = bool(table.get("tie_word_embeddings", True))
    ours["tied"] = "lm_head.weight" not in names if names else said
    ours["scaled"] = bool(table.get("scale_decoder_outputs", said and table["model_type"] == "t5"))
    roles = {"pad": table.get("pad_token_id", 0), "eos": table.get("eos_token_id", 1)}
    start = table.get("decoder_start_token_id")
    ids = Vocabulary.of_texts(int(table["vocab_size"]), roles, start=roles["pad"] if start is None else start)
    return build_settings(Config, ours, "model."), ids, head_of(table, _architectures(table["model_type"]))


def _architectures(model_type: str) -> Mapping[str, str]:
    return {kind: name.replace("T5", "MT5") if model_type == "mt5" else name for kind, name in _ARCHITECTURES.items()}


def public_form(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> PublicForm:
    """How the weights stand in a checkpoint. Where the encoder is all there is, a whole model's file fits too."""
    return t5_form(head.kind, gated=config.gated, encoder_alone=_encoder_alone(head))
