"""The convolutional encoder–decoder (Gehring et al. 2017), which the Transformer was measured against (Table 2).

It is saved under our own names (``model_type: "regard"``): ``transformers`` has no such architecture.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from regard.config import setting
from regard.layers.convolution import Convolution, check_centred
from regard.layers.embedding import OutputLayer, TokenEmbedding
from regard.layers.position import LearnedPositions
from regard.models.convolutional import (
    ConvolutionalBlock,
    ConvolutionalDecoder,
    ConvolutionalDecoderBlock,
    ConvolutionalEncoder,
    MultiStepAttention,
)
from regard.models.embedder import Embedder
from regard.models.heads import LANGUAGE, Head
from regard.models.own_layout import own_config, own_form, read_own_config
from regard.models.transformer import EncoderDecoder
from regard.models.vocabulary import Vocabulary, own_vocabulary
from regard.models.weight_names import PublicForm

TASKS = ("translation",)
LAYOUT = "regard"
MODEL_TYPES = ()  # its files name this family


@dataclass(frozen=True)
class Config:
    """The paper's hyperparameters (section 4), one width for all layers. The defaults are those of "small"."""

    layers: int = setting(4, help="blocks of the encoder, and of the decoder", minimum=1)
    decoder_layers: int | None = setting(None, help="blocks of the decoder, where they differ from layers", minimum=1)
    d_embedding: int = setting(256, help="width of embeddings, and of what attention compares", minimum=1)
    d_model: int = setting(256, help="width of the hidden states between convolutions", minimum=1)
    width: int = setting(3, help="k, positions in a convolution's window; odd", minimum=1)
    dropout: float = setting(
        0.2, help="on the embeddings, each convolution's input and the decoder's output", minimum=0.0, below=1.0
    )
    longest: int = setting(1024, help="positions that the learned tables have", minimum=1)

    def __post_init__(self) -> None:
        """Raises SettingError for a window without a middle."""
        check_centred(self.width)

    @property
    def most_tokens(self) -> int:
        """The longest text that there are positions for, ``</s>`` included."""
        return self.longest

    @property
    def blocks_of_decoder(self) -> int:
        """The depth of the decoder."""
        return self.decoder_layers or self.layers


TOY = Config(layers=2, d_embedding=12, d_model=16, longest=64)

# The paper's networks for WMT'14 have layers of unequal widths (512 to 4096), which these settings cannot say.
SIZES: Mapping[str, Config] = MappingProxyType(
    {
        "small": Config(),  # the next one, with as many blocks in the decoder
        "iwslt": Config(decoder_layers=3),  # fairseq's fconv_iwslt_de_en; dropout: what its README trains it with
        "tutorial": Config(layers=10, d_model=512, dropout=0.25),  # the Multi30k tutorial's
        "wmt16": Config(layers=20, d_embedding=512, d_model=512),  # section 5.1, English–Romanian
    }
)


def vocabulary(source: int, target: int, *, shared: bool, roles: Mapping[str, int | None]) -> Vocabulary:
    """The ids of a model for tokenizers of these sizes, whose special tokens are ``roles``."""
    return own_vocabulary(source, target, shared=shared)


def build(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> EncoderDecoder:
    """Put the model together, with fresh weights as in section 3.5: they let the variance of an input pass.

    The softmax's matrix is the target's embedding, as elsewhere here; the paper's has one of its own.
    """
    source = TokenEmbedding(vocabulary.source, config.d_embedding, vocabulary.source_pad, scaled=False)
    target = source
    if not vocabulary.shared:
        target = TokenEmbedding(vocabulary.target, config.d_embedding, vocabulary.pad, scaled=False)
    narrow, wide, keep = config.d_embedding, config.d_model, 1 - config.dropout
    encoder = ConvolutionalEncoder(
        _embedder(source, config),
        _linear(narrow, wide, keep),
        [_block(config, causal=False) for _ in range(config.layers)],
        _linear(wide, narrow),
        readers=config.blocks_of_decoder,
    )
    decoder = ConvolutionalDecoder(
        _embedder(target, config),
        _linear(narrow, wide, keep),
        [
            ConvolutionalDecoderBlock(
                _block(config, causal=True), MultiStepAttention(_linear(wide, narrow), _linear(narrow, wide))
            )
            for _ in range(config.blocks_of_decoder)
        ],
        _linear(wide, narrow),
        config.dropout,
    )
    output = OutputLayer(target.weight, vocabulary.never, bias="trained")
    return EncoderDecoder(encoder, decoder, vocabulary, output=output, most_tokens=config.most_tokens)


def _embedder(tokens: TokenEmbedding, config: Config) -> Embedder:
    """Tokens and positions from N(0, 0.1²), the row of padding zero."""
    positions = LearnedPositions(config.longest, config.d_embedding)
    for weight in (tokens.weight, positions.weight):
        nn.init.normal_(weight, std=0.1)
    if tokens.pad is not None:
        with torch.no_grad():
            tokens.weight[tokens.pad].zero_()
    return Embedder(tokens, positions, config.dropout)


def _block(config: Config, *, causal: bool) -> ConvolutionalBlock:
    """N(0, 4p/n), p the share of inputs that dropout keeps: a gated linear unit leaves a fourth of the variance."""
    convolution = Convolution(config.d_model, 2 * config.d_model, config.width, causal=causal)
    _initialise(convolution.product, 4 * (1 - config.dropout))
    return ConvolutionalBlock(convolution, config.dropout)


def _linear(d_in: int, d_out: int, keep: float = 1.0) -> nn.Linear:
    """N(0, p/n), ``keep`` = p as above; 1 where the input is not dropped out."""
    return _initialise(nn.Linear(d_in, d_out), keep)


def _initialise(linear: nn.Linear, gain: float) -> nn.Linear:
    nn.init.normal_(linear.weight, std=math.sqrt(gain / linear.in_features))
    nn.init.zeros_(linear.bias)
    return linear


# On disk -------------------------------------------------------------------------------------------------------------


def obstacle(config: Config, vocabulary: Vocabulary) -> str | None:
    """What keeps the model from being a public one: there is none of its kind."""
    return "family = convs2s"


def public_config(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> dict[str, Any]:
    """The contents of ``config.json``."""
    return own_config("convs2s", config, vocabulary)


def read_public_config(table: Mapping[str, Any], names: Collection[str] = ()) -> tuple[Config, Vocabulary, Head]:
    """The settings in a ``config.json`` that ``public_config`` wrote. Raises SettingError."""
    return *read_own_config(Config, table), LANGUAGE


def public_form(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> PublicForm:
    """The weights stand in ``model.safetensors`` under our names."""
    return own_form()
