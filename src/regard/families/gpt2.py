"""GPT-2 (Radford et al. 2019) and GPT-3 (Brown et al. 2020): the decoder alone, which writes on.

Of the paper's decoder it keeps masked self-attention and the feed-forward network and drops the look at a source: a
task is written into the text itself, so that one objective, the next token, serves all. The norms moved before the
sub-layers, with one more at the end: the residual path stays free of them, and deep stacks train. Positions are
learned, the activation is GELU in its tanh approximation, and the embedding is the output layer too.

GPT-3 has the same blocks; that every second of its layers looks at a window only is left out here, as in all that is
published of its kind. Sizes: table 2.1 of its paper.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from regard.config import build as build_settings
from regard.config import setting
from regard.layers.embedding import OutputLayer, TokenEmbedding
from regard.layers.feedforward import ACTIVATIONS
from regard.layers.norm import LayerNorm
from regard.layers.position import LearnedPositions
from regard.layers.residual import PreNorm
from regard.models.embedder import Embedder
from regard.models.heads import LANGUAGE, Head
from regard.models.language_model import LanguageModel, head_of_classes
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
from regard.models.weight_names import Pair, PublicForm, Tensors

TASKS = ("next_token", "classification", "token_classification")
LAYOUT = "gpt2"
MODEL_TYPES = ("gpt2",)


@dataclass(frozen=True)
class Config:
    """The settings of GPT-2. The defaults are its small model."""

    layers: int = setting(12, help="N, the blocks", minimum=1)
    d_model: int = setting(768, help="width of every hidden state", minimum=1)
    d_ff: int | None = setting(None, help="inner width of the feed-forward; 4 · d_model if not given", minimum=1)
    heads: int = setting(12, help="h, attention heads", minimum=1)
    dropout: float = setting(0.1, help="on each sub-layer", minimum=0.0, below=1.0)
    embedding_dropout: float = setting(0.1, help="on the embeddings", minimum=0.0, below=1.0)
    attention_dropout: float = setting(0.1, help="dropout on the attention weights", minimum=0.0, below=1.0)
    activation: str = setting("gelu_tanh", help="of the feed-forward network", choices=tuple(ACTIVATIONS))
    longest: int = setting(1024, help="positions in the learned table", minimum=1)
    epsilon: float = setting(1e-5, help="ε of the layer norms", minimum=0.0)

    def __post_init__(self) -> None:
        """Check how the settings fit together. Raises SettingError."""
        check_heads(self.heads, self.d_model)

    @property
    def inner(self) -> int:
        """d_ff."""
        return self.d_ff or 4 * self.d_model

    @property
    def most_tokens(self) -> int:
        """The longest text."""
        return self.longest


BASE = Config()
TOY = Config(layers=2, d_model=16, d_ff=24, heads=4, longest=64)


def _gpt3(layers: int, d_model: int, heads: int) -> Config:
    return replace(BASE, layers=layers, d_model=d_model, heads=heads, longest=2048)


SIZES: Mapping[str, Config] = MappingProxyType(
    {
        "tiny": Config(layers=4, d_model=128, heads=4, longest=256),  # nanoGPT on a CPU, but for its context of 64
        "small": BASE,  # Radford et al. 2019, table 2 (its counts there are not those of the published weights)
        "medium": replace(BASE, layers=24, d_model=1024, heads=16),
        "large": replace(BASE, layers=36, d_model=1280, heads=20),
        "xl": replace(BASE, layers=48, d_model=1600, heads=25),
        "gpt3-small": _gpt3(12, 768, 12),
        "gpt3-medium": _gpt3(24, 1024, 16),
        "gpt3-large": _gpt3(24, 1536, 16),
        "gpt3-xl": _gpt3(24, 2048, 16),  # the table says 24 heads of width 128, which is not 2048; 16 of them are
        "gpt3-2.7b": _gpt3(32, 2560, 32),
        "gpt3-6.7b": _gpt3(32, 4096, 32),
        "gpt3-13b": _gpt3(40, 5120, 40),  # the table says 5140, which 40 heads of width 128 do not give
        "gpt3-175b": _gpt3(96, 12288, 96),
    }
)


def vocabulary(source: int, target: int, *, shared: bool, roles: Mapping[str, int | None]) -> Vocabulary:
    """The ids of a model for tokenizers of these sizes, whose special tokens are ``roles``."""
    return Vocabulary.of_texts(source, roles)


def build(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> LanguageModel:
    """Put the model together, with fresh weights (N(0, 0.02²); those that end a branch smaller by √(2N))."""
    tokens = TokenEmbedding(vocabulary.source, config.d_model, None, scaled=False)
    norm = partial(LayerNorm, config.d_model, config.epsilon)
    parts = Parts(
        d_model=config.d_model,
        heads=config.heads,
        d_ff=config.inner,
        activation=config.activation,
        dropout=config.dropout,
        attention_dropout=config.attention_dropout,
        norm=norm,
        placement=PreNorm,
    )
    embed = Embedder(tokens, LearnedPositions(config.longest, config.d_model), config.embedding_dropout)
    blocks = [parts.encoder_block() for _ in range(config.layers)]
    model = LanguageModel(
        Encoder(embed, blocks, norm()),
        vocabulary,
        output=OutputLayer(tokens.weight, vocabulary.never, "none") if head.kind == "language" else None,
        head=head_of_classes(head, config.d_model, vocabulary.pad, config.dropout),
        most_tokens=config.most_tokens,
    )
    draw_normal(model, 0.02)
    for block in blocks:
        for last in (block.self_attention.output, block.feed_forward.outer):
            nn.init.normal_(last.weight, std=0.02 / math.sqrt(2 * config.layers))
    return model


# On disk -------------------------------------------------------------------------------------------------------------

_ARCHITECTURES = {
    "language": "GPT2LMHeadModel",
    "classification": "GPT2ForSequenceClassification",
    "tokens": "GPT2ForTokenClassification",
    "none": "GPT2Model",
}
_SETTINGS = {
    "layers": "n_layer",
    "d_model": "n_embd",
    "d_ff": "n_inner",
    "heads": "n_head",
    "dropout": "resid_pdrop",
    "embedding_dropout": "embd_pdrop",
    "attention_dropout": "attn_pdrop",
    "longest": "n_positions",
    "epsilon": "layer_norm_epsilon",
}
_USUAL = {"scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False, "add_cross_attention": False}


def obstacle(config: Config, vocabulary: Vocabulary) -> str | None:
    """The setting that keeps the model from being a public one: none does."""
    return None


def public_config(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> dict[str, Any]:
    """The contents of ``config.json``."""
    return {
        **translated(config, _SETTINGS),
        **head_facts(head, _ARCHITECTURES),
        "activation_function": ACTIVATION_NAMES[config.activation],
        "bos_token_id": vocabulary.bos,
        "dtype": "float32",
        "eos_token_id": vocabulary.eos,
        "model_type": "gpt2",
        "pad_token_id": vocabulary.pad,
        "tie_word_embeddings": True,
        "vocab_size": vocabulary.source,
    }


def read_public_config(table: Mapping[str, Any], names: Collection[str] = ()) -> tuple[Config, Vocabulary, Head]:
    """The settings in a ``config.json``, with the ``names`` of the weights beside it.

    Raises SettingError, and CheckpointError for a variant that computes something else.
    """
    check_usual(table, _USUAL)
    ours = {
        **translated_back(table, _SETTINGS),
        "activation": activation_of(table, "activation_function", "gelu_new"),
    }
    ends = {role: table.get(f"{role}_token_id", 50256) for role in ("eos", "bos")}
    roles = {**ends, "pad": table.get("pad_token_id")}
    vocabulary = Vocabulary.of_texts(int(table["vocab_size"]), roles)
    return build_settings(Config, ours, "model."), vocabulary, head_of(table, _ARCHITECTURES)


_BLOCK, _LAYER = "stack.blocks.{i}", "h.{i}"
_NAMES: list[Pair] = [
    ("stack.embed.tokens", "wte"),
    ("stack.embed.positions", "wpe"),
    (f"{_BLOCK}.around_self_attention.norm", f"{_LAYER}.ln_1"),
    (f"{_BLOCK}.self_attention.query", f"{_LAYER}.attn.q"),
    (f"{_BLOCK}.self_attention.key", f"{_LAYER}.attn.k"),
    (f"{_BLOCK}.self_attention.value", f"{_LAYER}.attn.v"),
    (f"{_BLOCK}.self_attention.output", f"{_LAYER}.attn.c_proj"),
    (f"{_BLOCK}.around_feed_forward.norm", f"{_LAYER}.ln_2"),
    (f"{_BLOCK}.feed_forward.inner", f"{_LAYER}.mlp.c_fc"),
    (f"{_BLOCK}.feed_forward.outer", f"{_LAYER}.mlp.c_proj"),
    ("stack.final_norm", "ln_f"),
]
_CLASSES: dict[str, list[Pair]] = {
    "classification": [("head.output", "score")],
    "tokens": [("head.output", "classifier")],
}
_IGNORED = (r"h\.\d+\.attn\.(masked_)?bias", r"lm_head\.weight")  # masks, and the embedding again
_TURNED = (".attn.q.weight", ".attn.k.weight", ".attn.v.weight", ".c_proj.weight", ".c_fc.weight")


def public_form(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> PublicForm:
    """How the weights stand in a checkpoint: linear maps as [in, out], and q, k, v in one called ``c_attn``."""
    return PublicForm(_NAMES, _CLASSES.get(head.kind, ()), "transformer.", _IGNORED, _join, _split)


def _join(tensors: Tensors) -> Tensors:
    turned = {name: tensor.T.contiguous() if name.endswith(_TURNED) else tensor for name, tensor in tensors.items()}
    joined = {}
    for name, tensor in turned.items():
        layer, query, kind = name.partition(".attn.q.")
        if query:
            parts = [turned[f"{layer}.attn.{part}.{kind}"] for part in "qkv"]
            joined[f"{layer}.attn.c_attn.{kind}"] = torch.cat(parts, dim=-1)
        elif ".attn.k." not in name and ".attn.v." not in name:
            joined[name] = tensor
    return joined


def _split(tensors: Tensors) -> Tensors:
    apart: Tensors = {}
    for name, tensor in tensors.items():
        layer, found, kind = name.partition(".attn.c_attn.")
        if found:
            apart |= {f"{layer}.attn.{part}.{kind}": x for part, x in zip("qkv", tensor.chunk(3, -1), strict=True)}
        else:
            apart[name] = tensor
    return {name: tensor.T.contiguous() if name.endswith(_TURNED) else tensor for name, tensor in apart.items()}
