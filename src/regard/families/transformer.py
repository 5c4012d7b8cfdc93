"""The encoder–decoder of "Attention Is All You Need" (Vaswani et al. 2017), and how it stands on disk.

With post-norm and sinusoids it is what ``transformers`` calls Marian, with pre-norm what it calls Pegasus; such
a run opens there as it is. Any other choice of parts is saved under our own names (``model_type: "regard"``).
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
from regard.layers.mask import Within, past
from regard.layers.norm import BatchNorm, GroupNorm, LayerNorm, RMSNorm, check_groups
from regard.layers.position import LearnedPositions, NoPositions, SinusoidalPositions, sinusoids
from regard.layers.relative import BucketBias, LinearBias
from regard.layers.residual import NoResidual, PostNorm, PreNorm
from regard.layers.rotary import Rotary
from regard.layers.similarity import DotProduct
from regard.models.block import Residual
from regard.models.embedder import Embedder
from regard.models.heads import LANGUAGE, Head
from regard.models.marian_layout import marian_form
from regard.models.own_layout import MODEL_TYPE, own_config, own_form, read_own_config
from regard.models.parts import Parts, check_heads
from regard.models.public import ACTIVATION_NAMES, activation_of, translated
from regard.models.stack import Decoder, Encoder
from regard.models.transformer import EncoderDecoder
from regard.models.vocabulary import Vocabulary, joint_vocabulary, own_vocabulary
from regard.models.weight_names import PublicForm

POSITIONS = ("sinusoid", "learned", "relative", "alibi", "rotary", "none")
TASKS = ("translation",)
LAYOUT = "regard"
MODEL_TYPES = (MODEL_TYPE,)  # what it writes as "marian" and "pegasus" names this family beside it


@dataclass(frozen=True)
class Config:
    """The paper's hyperparameters (Table 3). The defaults are its base model."""

    layers: int = setting(6, help="N, the blocks of the encoder, and of the decoder", minimum=1)
    decoder_layers: int | None = setting(None, help="blocks of the decoder, where they differ from layers", minimum=1)
    d_model: int = setting(512, help="width of every hidden state", minimum=1)
    d_ff: int = setting(2048, help="inner width of the feed-forward networks", minimum=1)
    heads: int = setting(8, help="h, attention heads", minimum=1)
    d_k: int | None = setting(None, help="width of queries and keys in a head; d_model / heads if not given", minimum=1)
    d_v: int | None = setting(None, help="width of values in a head; d_model / heads if not given", minimum=1)
    dropout: float = setting(0.1, help="P_drop, on each sub-layer and on the embeddings", minimum=0.0, below=1.0)
    attention_dropout: float = setting(0.0, help="dropout on the attention weights", minimum=0.0, below=1.0)
    activation_dropout: float = setting(0.0, help="dropout inside the feed-forward", minimum=0.0, below=1.0)
    activation: str = setting("relu", help="of the feed-forward network", choices=tuple(ACTIVATIONS))
    norm: str = setting(
        "post", help="layer norm after each residual sum (the paper) or before it", choices=("post", "pre")
    )
    norm_kind: str = setting("layer", help="what the norm is taken over", choices=("layer", "rms", "batch", "group"))
    norm_groups: int = setting(32, help="groups of features of norm_kind=group (Wu & He 2018)", minimum=1)
    residual: bool = setting(True, help="add the input of each sub-layer to its output")
    positions: str = setting(
        "sinusoid", help="positional encoding, or how attention knows of distances", choices=POSITIONS
    )
    longest: int = setting(1024, help="positions that a learned table, or another library, has", minimum=1)
    window: int | None = setting(
        None, help="r: self-attention to tokens at most r away (Table 1); all if not given", minimum=1
    )
    scale: bool = setting(True, help="divide dot products by the root of d_k")

    def __post_init__(self) -> None:
        """Check how the settings fit together. Raises SettingError."""
        if not (self.d_k and self.d_v):
            check_heads(self.heads, self.d_model)
        if self.positions == "sinusoid" and self.d_model % 2:
            action = f"use {self.d_model + 1}, or positions=learned"
            raise SettingError.because("d_model", self.d_model, "an even number with sinusoids", action)
        if self.positions == "rotary" and self.key_width % 2:
            action = f"use {self.key_width + 1}, or positions=relative"
            raise SettingError.because("d_k", self.key_width, "an even number with rotary positions", action)
        if self.norm_kind == "group":
            check_groups(self.norm_groups, self.d_model)
        if self.norm == "pre" and not self.residual:
            rule = "true with norm=pre, which norms what is added to the sum"
            raise SettingError.because("residual", "false", rule, "use norm=post")

    @property
    def key_width(self) -> int:
        """d_k."""
        return self.d_k or self.d_model // self.heads

    @property
    def value_width(self) -> int:
        """d_v."""
        return self.d_v or self.d_model // self.heads

    @property
    def most_tokens(self) -> int | None:
        """The longest text that there are positions for, ``</s>`` included; None: any."""
        return self.longest if self.positions == "learned" else None

    @property
    def blocks_of_decoder(self) -> int:
        """N of the decoder."""
        return self.decoder_layers or self.layers


BASE = Config()
TUTORIAL = Config(layers=3, d_model=256, d_ff=512, heads=8)
SMALL = Config(layers=3, d_model=256, d_ff=1024, heads=4, dropout=0.3, norm="pre")
TINY = Config(layers=4, d_model=128, d_ff=256, heads=4, dropout=0.3)
TOY = Config(layers=2, d_model=16, d_ff=24, heads=4)

SIZES: Mapping[str, Config] = MappingProxyType(
    {
        "small": SMALL,  # the pre-norm model of published Multi30k results, 7.6 M with 8 K pieces
        "tiny": TINY,  # the Transformer-Tiny of published Multi30k results, 2.6 M with 10 K pieces
        "tutorial": TUTORIAL,  # the Multi30k tutorial's
        "base": BASE,  # Table 3
        "big": replace(BASE, d_model=1024, d_ff=4096, heads=16, dropout=0.3),  # Table 3
    }
)


def vocabulary(source: int, target: int, *, shared: bool, roles: Mapping[str, int | None]) -> Vocabulary:
    """The ids of a model for tokenizers of these sizes, whose special tokens are ``roles``."""
    return own_vocabulary(source, target, shared=shared)


def build(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> EncoderDecoder:
    """Put the model together, with fresh weights (Glorot uniform; embeddings N(0, 1/d_model))."""
    source = TokenEmbedding(vocabulary.source, config.d_model, vocabulary.source_pad)
    target = source if vocabulary.shared else TokenEmbedding(vocabulary.target, config.d_model, vocabulary.pad)
    parts = _parts(config)
    encoder = Encoder(
        Embedder(source, _positions(config), config.dropout),
        [parts.encoder_block() for _ in range(config.layers)],
        _final_norm(config),
        _distances(config, two_sided=True),
        Within(config.window, ahead=True) if config.window else None,
    )
    decoder = Decoder(
        Embedder(target, _positions(config), config.dropout),
        [parts.decoder_block() for _ in range(config.blocks_of_decoder)],
        _final_norm(config),
        _distances(config, two_sided=False),
        Within(config.window, ahead=False) if config.window else past,
    )
    for module in (*encoder.modules(), *decoder.modules()):
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
    output = OutputLayer(target.weight, vocabulary.never)
    return EncoderDecoder(encoder, decoder, vocabulary, output=output, most_tokens=config.most_tokens)


def _positions(config: Config) -> nn.Module:
    if config.positions == "learned":
        return LearnedPositions(config.longest, config.d_model)
    return SinusoidalPositions(config.d_model) if config.positions == "sinusoid" else NoPositions()


def _distances(config: Config, *, two_sided: bool) -> nn.Module | None:
    """What is added to the scores: T5's buckets, with its own numbers of them, or ALiBi's slopes."""
    if config.positions == "relative":
        return BucketBias(config.heads, two_sided=two_sided)
    return LinearBias(config.heads) if config.positions == "alibi" else None


def _norm(config: Config) -> nn.Module:
    if config.norm_kind == "group":
        return GroupNorm(config.d_model, config.norm_groups)
    return {"layer": LayerNorm, "rms": RMSNorm, "batch": BatchNorm}[config.norm_kind](config.d_model)


def _final_norm(config: Config) -> nn.Module | None:
    return _norm(config) if config.norm == "pre" else None


def _parts(config: Config) -> Parts:
    return Parts(
        d_model=config.d_model,
        heads=config.heads,
        d_ff=config.d_ff,
        d_k=config.key_width,
        d_v=config.value_width,
        activation=config.activation,
        dropout=config.dropout,
        attention_dropout=config.attention_dropout,
        activation_dropout=config.activation_dropout,
        norm=partial(_norm, config),
        placement=_placement(config),
        similarity=DotProduct() if config.scale else DotProduct(1.0),
        rotary=Rotary(config.key_width) if config.positions == "rotary" else None,
    )


def _placement(config: Config) -> type[Residual]:
    if not config.residual:
        return NoResidual
    return PostNorm if config.norm == "post" else PreNorm


# On disk -------------------------------------------------------------------------------------------------------------

# Settings of which only the name differs.
_PUBLIC_SETTINGS = {
    "layers": "encoder_layers",
    "d_model": "d_model",
    "d_ff": "encoder_ffn_dim",
    "heads": "encoder_attention_heads",
    "dropout": "dropout",
    "attention_dropout": "attention_dropout",
    "activation_dropout": "activation_dropout",
    "longest": "max_position_embeddings",
}

# The parts that Marian and Pegasus have, where there is a choice.
_PUBLIC_PARTS = {"positions": "sinusoid", "norm_kind": "layer", "window": None, "residual": True, "scale": True}


def obstacle(config: Config, vocabulary: Vocabulary) -> str | None:
    """The setting that keeps the model from being a Marian or Pegasus one, or None."""
    if not vocabulary.shared:
        return "tokenizer.joint = false"
    for name, value in _PUBLIC_PARTS.items():
        if getattr(config, name) != value:
            return f"model.{name} = {str(getattr(config, name)).lower()}"
    if config.heads * config.key_width != config.d_model or config.heads * config.value_width != config.d_model:
        return f"model.d_k = {config.key_width}, model.d_v = {config.value_width}"
    return None


def public_config(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> dict[str, Any]:
    """The contents of ``config.json``."""
    if obstacle(config, vocabulary):
        return own_config("transformer", config, vocabulary)
    pre = config.norm == "pre"
    return {
        **translated(config, _PUBLIC_SETTINGS),
        "activation_function": ACTIVATION_NAMES[config.activation],
        "architectures": ["PegasusForConditionalGeneration" if pre else "MarianMTModel"],
        "bad_words_ids": [[vocabulary.pad]],
        "decoder_attention_heads": config.heads,
        "decoder_ffn_dim": config.d_ff,
        "decoder_layers": config.blocks_of_decoder,
        "decoder_start_token_id": vocabulary.start,
        "decoder_vocab_size": vocabulary.target,
        "dtype": "float32",
        "eos_token_id": vocabulary.eos,
        "family": "transformer",
        "forced_eos_token_id": vocabulary.eos,
        "is_encoder_decoder": True,
        "model_type": "pegasus" if pre else "marian",
        "normalize_before": pre,
        "normalize_embedding": False,
        "pad_token_id": vocabulary.pad,
        "scale_embedding": True,
        "share_encoder_decoder_embeddings": True,
        "static_position_embeddings": True,
        "tie_word_embeddings": True,
        "vocab_size": vocabulary.source,
    }


def read_public_config(table: Mapping[str, Any], names: Collection[str] = ()) -> tuple[Config, Vocabulary, Head]:
    """The settings in a ``config.json`` that ``public_config`` wrote. Raises SettingError."""
    if table["model_type"] == MODEL_TYPE:
        return *read_own_config(Config, table), LANGUAGE
    ours = {name: table[key] for name, key in _PUBLIC_SETTINGS.items()}
    if table["decoder_layers"] != table["encoder_layers"]:
        ours["decoder_layers"] = table["decoder_layers"]
    ours["activation"] = activation_of(table, "activation_function", "relu")
    ours["norm"] = "pre" if table["model_type"] == "pegasus" else "post"
    config, vocabulary = build_settings(Config, ours, "model."), joint_vocabulary(table["vocab_size"])
    for key, value in public_config(config, vocabulary).items():
        if key not in ("architectures", "dtype") and table.get(key, value) != value:
            action = "open a model that regard saved"
            raise SettingError.because(key, table[key], f"{value}, as every such model here has it", action)
    return config, vocabulary, LANGUAGE


def public_form(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> PublicForm:
    """How the weights stand in ``model.safetensors``: under public names where they fit, else under ours."""
    if obstacle(config, vocabulary):
        return own_form()
    pre = config.norm == "pre"
    return marian_form(vocabulary, sinusoids(config.longest, config.d_model, "halves") if pre else None)
