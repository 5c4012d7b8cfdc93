"""Llama (Touvron et al. 2023) and what is built like it (Qwen2, Mistral, TinyLlama): GPT after five years of trials.

Each change was measured somewhere before: RMS norm drops the mean and the bias (cheaper, as good); the feed-forward
network is gated by SiLU (better for the same weights); positions turn queries and keys, so that scores know distances
and the embedding stays a bag of words; several heads share keys and values, which makes the cache small, and with it
the cost of writing; and no linear map has a bias. Qwen2 puts biases back on queries, keys and values.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from regard.config import build as build_settings
from regard.config import setting
from regard.errors import SettingError
from regard.layers.embedding import OutputLayer, TokenEmbedding
from regard.layers.feedforward import ACTIVATIONS
from regard.layers.norm import RMSNorm
from regard.layers.position import NoPositions
from regard.layers.residual import PreNorm
from regard.layers.rotary import FrequencyScaling, Rotary
from regard.models.embedder import Embedder
from regard.models.heads import LANGUAGE, Head
from regard.models.language_model import LanguageModel, head_of_classes
from regard.models.parts import Parts, check_heads, draw_normal
from regard.models.public import ACTIVATION_NAMES, activation_of, head_facts, head_of, translated, translated_back
from regard.models.public_rotary import read_rotary, rotary_facts
from regard.models.stack import Encoder
from regard.models.vocabulary import Vocabulary
from regard.models.weight_names import Pair, PublicForm

TASKS = ("next_token", "classification", "token_classification")
LAYOUT = "llama"
MODEL_TYPES = ("llama", "qwen2", "mistral")

# Which have a bias: queries, keys and values; attention's output; the feed-forward networks.
_BIASES = {
    "none": (False, False, False),
    "qkv": (True, False, False),
    "attention": (True, True, False),
    "feed_forward": (False, False, True),
    "all": (True, True, True),
}


@dataclass(frozen=True)
class Config:
    """The settings of Llama. The defaults are the 7 B model of Llama 2."""

    layers: int = setting(32, help="N, the blocks", minimum=1)
    d_model: int = setting(4096, help="width of every hidden state", minimum=1)
    d_ff: int = setting(11008, help="inner width of the gated feed-forward networks", minimum=1)
    heads: int = setting(32, help="h, attention heads", minimum=1)
    groups: int | None = setting(None, help="key/value heads, which heads share; as many as heads if None", minimum=1)
    d_k: int | None = setting(None, help="width of a head; d_model / heads if not given", minimum=2)
    dropout: float = setting(0.0, help="on each sub-layer and on the embeddings", minimum=0.0, below=1.0)
    attention_dropout: float = setting(0.0, help="dropout on the attention weights", minimum=0.0, below=1.0)
    activation: str = setting("silu", help="of the gate", choices=tuple(ACTIVATIONS))
    biases: str = setting("none", help="which linear maps have them; qkv is Qwen2's", choices=tuple(_BIASES))
    tied: bool = setting(False, help="the embedding is the output layer too")
    longest: int = setting(4096, help="the longest text that the model is meant for", minimum=1)
    rotary_base: float = setting(10000.0, help="the slowest rotation is 1 / base radians a place, about", minimum=1.0)
    stretch: float = setting(1.0, help="Llama 3.1: slow rotations are this many times slower", minimum=1.0)
    stretch_low: float = setting(1.0, help="waves longer than stretch_from / this are slow", minimum=0.0)
    stretch_high: float = setting(4.0, help="waves shorter than stretch_from / this stay as they are", minimum=0.0)
    stretch_from: int = setting(8192, help="the longest text before stretching", minimum=1)
    epsilon: float = setting(1e-5, help="ε of the norms", minimum=0.0)

    def __post_init__(self) -> None:
        """Check how the settings fit together. Raises SettingError."""
        if self.d_k is None:
            check_heads(self.heads, self.d_model)
        if self.heads % self.key_heads:
            action = f"use {max(n for n in range(1, self.key_heads) if self.heads % n == 0)}"
            raise SettingError.because("groups", self.groups, f"a divisor of the {self.heads} heads", action)
        Rotary(self.head_width, self.rotary_base, self.scaling)

    @property
    def key_heads(self) -> int:
        """G, the heads of keys and values."""
        return self.groups or self.heads

    @property
    def head_width(self) -> int:
        """d_k and d_v."""
        return self.d_k or self.d_model // self.heads

    @property
    def most_tokens(self) -> int:
        """The longest text."""
        return self.longest

    @property
    def scaling(self) -> FrequencyScaling | None:
        """What slows rotations down."""
        if self.stretch == 1.0:
            return None
        return FrequencyScaling(self.stretch, self.stretch_low, self.stretch_high, self.stretch_from)


LLAMA_2 = Config()
LLAMA_3 = replace(LLAMA_2, d_ff=14336, groups=8, longest=8192, rotary_base=500000.0)
QWEN_2 = replace(LLAMA_2, biases="qkv", longest=131072, rotary_base=1e6, epsilon=1e-6)
TOY = Config(layers=2, d_model=16, d_ff=24, heads=4, groups=2, longest=64)

SIZES: Mapping[str, Config] = MappingProxyType(
    {
        # ours, for a processor; d_ff is 8/3 · d_model, rounded up to a multiple of 32, as a gate takes a third map
        "tiny": Config(layers=4, d_model=128, d_ff=352, heads=4, groups=2, longest=256, dropout=0.1, tied=True),
        "llama2-7b": LLAMA_2,  # Touvron et al. 2023b, table 1, and the published config.json, as all below
        "llama2-13b": replace(LLAMA_2, layers=40, d_model=5120, d_ff=13824, heads=40),
        "llama2-70b": replace(LLAMA_2, layers=80, d_model=8192, d_ff=28672, heads=64, groups=8),
        "llama3-8b": LLAMA_3,  # Grattafiori et al. 2024, table 3
        "llama3.1-8b": replace(LLAMA_3, longest=131072, stretch=8.0),
        "tinyllama-1.1b": replace(LLAMA_2, layers=22, d_model=2048, d_ff=5632, groups=4, longest=2048),  # Zhang 2024
        # Yang et al. 2024, table 1
        "qwen2-0.5b": replace(QWEN_2, layers=24, d_model=896, d_ff=4864, heads=14, groups=2, tied=True),
    }
)


def vocabulary(source: int, target: int, *, shared: bool, roles: Mapping[str, int | None]) -> Vocabulary:
    """The ids of a model for tokenizers of these sizes, whose special tokens are ``roles``."""
    return Vocabulary.of_texts(source, roles)


def build(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> LanguageModel:
    """Put the model together, with fresh weights (N(0, 0.02²))."""
    tokens = TokenEmbedding(vocabulary.source, config.d_model, None, scaled=False)
    norm = partial(RMSNorm, config.d_model, config.epsilon)
    attention, output, feed_forward = _BIASES[config.biases]
    parts = Parts(
        d_model=config.d_model,
        heads=config.heads,
        d_ff=config.d_ff,
        d_k=config.head_width,
        d_v=config.head_width,
        groups=config.key_heads,
        activation=config.activation,
        gated=True,
        bias=feed_forward,
        attention_bias=attention,
        output_bias=output,
        dropout=config.dropout,
        attention_dropout=config.attention_dropout,
        norm=norm,
        placement=PreNorm,
        rotary=Rotary(config.head_width, config.rotary_base, config.scaling),
    )
    embed = Embedder(tokens, NoPositions(), config.dropout)
    model = LanguageModel(
        Encoder(embed, [parts.encoder_block() for _ in range(config.layers)], norm()),
        vocabulary,
        output=_output(config, vocabulary, tokens) if head.kind == "language" else None,
        head=head_of_classes(head, config.d_model, vocabulary.pad, config.dropout),
        most_tokens=config.most_tokens,
    )
    draw_normal(model, 0.02)
    return model


def _output(config: Config, vocabulary: Vocabulary, tokens: TokenEmbedding) -> OutputLayer:
    weight = tokens.weight if config.tied else nn.Parameter(torch.empty_like(tokens.weight))
    return OutputLayer(weight, vocabulary.never, "none")


# On disk -------------------------------------------------------------------------------------------------------------

_CLASSES = {"llama": "Llama", "qwen2": "Qwen2", "mistral": "Mistral"}
_SETTINGS = {
    "layers": "num_hidden_layers",
    "d_model": "hidden_size",
    "d_ff": "intermediate_size",
    "heads": "num_attention_heads",
    "groups": "num_key_value_heads",
    "d_k": "head_dim",
    "attention_dropout": "attention_dropout",
    "longest": "max_position_embeddings",
    "epsilon": "rms_norm_eps",
    "tied": "tie_word_embeddings",
}
_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")
_MAY_BE_NONE = (*_IDS, "sliding_window")
# What a config.json means that leaves them out.
_LLAMA = {"bos_token_id": 1, "eos_token_id": 2, "rms_norm_eps": 1e-6, "max_position_embeddings": 2048}
_USUAL: dict[str, dict[str, Any]] = {
    "llama": _LLAMA,
    "qwen2": {"rms_norm_eps": 1e-6, "max_position_embeddings": 32768, "sliding_window": 4096},
    "mistral": {**_LLAMA, "max_position_embeddings": 131072, "num_key_value_heads": 8, "sliding_window": 4096},
}


def obstacle(config: Config, vocabulary: Vocabulary) -> str | None:
    """The setting that keeps the model from being a public one: none does."""
    return None


def public_config(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> dict[str, Any]:
    """The contents of ``config.json``, with rotary settings under the keys of transformers 4 and of 5."""
    kind = "qwen2" if config.biases == "qkv" else "llama"
    attention, _, feed_forward = _BIASES[config.biases]
    return {
        **translated(config, _SETTINGS),
        **head_facts(head, _architectures(kind)),
        **rotary_facts(config.rotary_base, config.scaling),
        "attention_bias": attention,
        "bos_token_id": vocabulary.bos,
        "dtype": "float32",
        "eos_token_id": None if vocabulary.eos < 0 else vocabulary.eos,
        "head_dim": config.head_width,
        "hidden_act": ACTIVATION_NAMES[config.activation],
        "mlp_bias": feed_forward,
        "model_type": kind,
        "num_key_value_heads": config.key_heads,
        "pad_token_id": vocabulary.pad,
        "vocab_size": vocabulary.source,
    }


def read_public_config(table: Mapping[str, Any], names: Collection[str] = ()) -> tuple[Config, Vocabulary, Head]:
    """The settings in a ``config.json``, with the ``names`` of the weights beside it.

    Where layers see a window only (Mistral), a text of the window's length is the longest: in it that changes nothing.
    Raises SettingError, and CheckpointError for rotary positions of another kind.
    """
    usual = _USUAL[str(table["model_type"])]
    table = {**usual, **{key: value for key, value in table.items() if value is not None or key in _MAY_BE_NONE}}
    head = head_of(table, _architectures(str(table["model_type"])))
    ours = {
        **translated_back(table, _SETTINGS),
        "activation": activation_of(table, "hidden_act", "silu"),
        "biases": _biases_of(table),
        "longest": _longest(table),
    }
    ours["rotary_base"], scaling = read_rotary(table)
    if scaling is not None:
        ours |= {"stretch": scaling.factor, "stretch_low": scaling.low}
        ours |= {"stretch_high": scaling.high, "stretch_from": scaling.original}
    for name, default in (("groups", ours["heads"]), ("d_k", ours["d_model"] // ours["heads"])):
        if ours.get(name) == default:
            del ours[name]
    if head.kind == "language" and names and "lm_head.weight" not in names:
        ours["tied"] = True
    bos, eos, pad = (_first(table.get(key)) for key in _IDS)
    vocabulary = Vocabulary.of_texts(int(table["vocab_size"]), {"bos": bos, "eos": eos, "pad": pad})
    return build_settings(Config, ours, "model."), vocabulary, head


def _biases_of(table: Mapping[str, Any]) -> str:
    if table["model_type"] != "llama":
        return "qkv" if table["model_type"] == "qwen2" else "none"
    has = bool(table.get("attention_bias")), bool(table.get("attention_bias")), bool(table.get("mlp_bias"))
    return next(name for name, biases in _BIASES.items() if biases == has)


def _longest(table: Mapping[str, Any]) -> int:
    longest, window = int(table["max_position_embeddings"]), table.get("sliding_window")
    windowed = table.get("use_sliding_window", table["model_type"] == "mistral")
    return min(longest, int(window)) if windowed and window else longest


def _first(index: int | list[int] | None) -> int | None:
    """The first of several ids that end a text; below 0 stands for none."""
    index = index[0] if isinstance(index, list) else index
    return None if index is None or index < 0 else index


def _architectures(kind: str) -> dict[str, str]:
    names = {"classification": "ForSequenceClassification", "tokens": "ForTokenClassification", "none": "Model"}
    return {head: _CLASSES[kind] + name for head, name in {"language": "ForCausalLM", **names}.items()}


_BLOCK, _LAYER = "stack.blocks.{i}", "layers.{i}"
_NAMES: list[Pair] = [
    ("stack.embed.tokens", "embed_tokens"),
    (f"{_BLOCK}.around_self_attention.norm", f"{_LAYER}.input_layernorm"),
    (f"{_BLOCK}.self_attention.query", f"{_LAYER}.self_attn.q_proj"),
    (f"{_BLOCK}.self_attention.key", f"{_LAYER}.self_attn.k_proj"),
    (f"{_BLOCK}.self_attention.value", f"{_LAYER}.self_attn.v_proj"),
    (f"{_BLOCK}.self_attention.output", f"{_LAYER}.self_attn.o_proj"),
    (f"{_BLOCK}.around_feed_forward.norm", f"{_LAYER}.post_attention_layernorm"),
    (f"{_BLOCK}.feed_forward.inner", f"{_LAYER}.mlp.gate_proj"),
    (f"{_BLOCK}.feed_forward.gate", f"{_LAYER}.mlp.up_proj"),
    (f"{_BLOCK}.feed_forward.outer", f"{_LAYER}.mlp.down_proj"),
    ("stack.final_norm", "norm"),
]
_HEAD: list[Pair] = [("output", "lm_head"), ("head.output", "score")]


def public_form(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> PublicForm:
    """How the weights stand in a checkpoint. A tied output layer may be there once more, and old files' rotations."""
    spare = (r"lm_head\.weight",) if config.tied or head.kind != "language" else ()
    return PublicForm(_NAMES, _HEAD, "model.", (r"layers\.\d+\.self_attn\.rotary_emb\.inv_freq", *spare))
