"""Recurrent encoder–decoders, the state of the art before the paper, and how they stand on disk.

Without attention (Sutskever et al. 2014), with Bahdanau et al.'s (2015), or with Luong et al.'s (2015). No other
library reads them: they are saved under our own names.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from torch import nn

from regard.config import setting
from regard.errors import SettingError
from regard.layers.alignment import Alignment, additive_alignment, dot_alignment, general_alignment
from regard.layers.embedding import OutputLayer, TokenEmbedding
from regard.layers.position import NoPositions
from regard.layers.recurrent import CELLS, Cell, Recurrence
from regard.models.embedder import Embedder
from regard.models.heads import LANGUAGE, Head
from regard.models.own_layout import own_config, own_form, read_own_config
from regard.models.recurrent import Bridge, LookingAfter, LookingBefore, RecurrentDecoder, RecurrentEncoder
from regard.models.transformer import EncoderDecoder
from regard.models.vocabulary import Vocabulary, own_vocabulary
from regard.models.weight_names import PublicForm

TASKS = ("translation",)
LAYOUT = "regard"
MODEL_TYPES = ()  # no library has these; our own files name the family


@dataclass(frozen=True)
class Config:
    """Cells, widths and the kind of attention. The defaults are "gru-attention"."""

    cell: str = setting("gru", help="recurrence: Elman's, LSTM or GRU", choices=tuple(CELLS))
    attention: str = setting(
        "additive",
        help="none (Sutskever), additive (Bahdanau), dot or general (Luong)",
        choices=("none", "additive", "dot", "general"),
    )
    layers: int = setting(1, help="recurrent layers of the encoder, and of the decoder", minimum=1)
    d_embedding: int = setting(256, help="width of the embeddings, and of what the output layer reads", minimum=1)
    d_model: int = setting(256, help="width of the decoder's states", minimum=1)
    d_encoder: int | None = setting(
        None, help="width of the encoder's states in each direction; d_model if not given", minimum=1
    )
    bidirectional: bool = setting(True, help="the encoder reads the source from both ends")
    reverse: bool = setting(False, help="the encoder reads the source from its end, in this direction alone")
    dropout: float = setting(0.3, help="on the embeddings and on what each layer puts out", minimum=0.0, below=1.0)

    def __post_init__(self) -> None:
        """Check how the settings fit together. Raises SettingError."""
        if self.bidirectional and self.reverse:
            rule = "false where bidirectional is true: both directions are read anyhow"
            raise SettingError.because("reverse", "true", rule, "use bidirectional=false, or leave reverse out")
        if self.attention == "dot" and self.d_memory != self.d_model:
            got = f"{self.d_memory // self.directions} in {self.directions} direction(s) with d_model {self.d_model}"
            fits = self.d_model % self.directions == 0
            action = f"use {self.d_model // self.directions}" if fits else "use an even d_model"
            rule = "a memory as wide as d_model with attention=dot"
            raise SettingError.because("d_encoder", got, rule, f"{action}, or attention=general")

    @property
    def directions(self) -> int:
        """In which the encoder reads."""
        return 2 if self.bidirectional else 1

    @property
    def d_memory(self) -> int:
        """The width of what the encoder makes of a token."""
        return self.directions * (self.d_encoder or self.d_model)

    @property
    def most_tokens(self) -> int | None:
        """A recurrence has no end."""
        return None


TOY = Config(layers=2, d_embedding=12, d_model=16)

SIZES: Mapping[str, Config] = MappingProxyType(
    {
        "gru-attention": Config(),  # ours: Bahdanau's model at a quarter of its width, 4.1 M with 8 K pieces
        "seq2seq": Config(  # the first model of the widespread PyTorch tutorials on translation (bentrevett's)
            "lstm", "none", layers=2, d_embedding=256, d_model=512, bidirectional=False, reverse=True, dropout=0.5
        ),
        "bahdanau": Config(d_embedding=620, d_model=1000, dropout=0.0),  # Bahdanau et al. 2015, A.2.3
        "luong": Config(  # Luong et al. 2015, section 4.1, without input feeding
            "lstm", "general", layers=4, d_embedding=1000, d_model=1000, bidirectional=False, reverse=True, dropout=0.2
        ),
    }
)


def vocabulary(source: int, target: int, *, shared: bool, roles: Mapping[str, int | None]) -> Vocabulary:
    """The ids of a model for tokenizers of these sizes, whose special tokens are ``roles``."""
    return own_vocabulary(source, target, shared=shared)


def build(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> EncoderDecoder:
    """Put the model together, with fresh weights.

    Glorot uniform, the recurrent ones orthogonal, the embeddings N(0, 1/d_embedding).
    """
    source = TokenEmbedding(vocabulary.source, config.d_embedding, vocabulary.source_pad, scaled=False)
    target = source
    if not vocabulary.shared:
        target = TokenEmbedding(vocabulary.target, config.d_embedding, vocabulary.pad, scaled=False)
    cell = CELLS[config.cell]
    encoder = _encoder(config, cell, Embedder(source, NoPositions(), config.dropout))
    decoder = _decoder(config, cell, Embedder(target, NoPositions(), config.dropout))
    recurrent = {id(linear) for part in _recurrences(encoder, decoder) for linear in (part.input, part.recurrent)}
    for module in (*encoder.modules(), *decoder.modules()):
        if isinstance(module, nn.Linear) and id(module) not in recurrent:
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return EncoderDecoder(encoder, decoder, vocabulary, output=OutputLayer(target.weight, vocabulary.never))


def _recurrences(*halves: nn.Module) -> list[Recurrence]:
    return [module for half in halves for module in half.modules() if isinstance(module, Recurrence)]


def _encoder(config: Config, cell: Cell, embed: Embedder) -> RecurrentEncoder:
    directions = (False, True) if config.bidirectional else (config.reverse,)
    width = config.d_encoder or config.d_model
    layers = [
        [Recurrence(config.d_memory if number else config.d_embedding, width, cell, reverse=way) for way in directions]
        for number in range(config.layers)
    ]
    return RecurrentEncoder(embed, layers, config.dropout)


def _decoder(config: Config, cell: Cell, embed: Embedder) -> RecurrentDecoder:
    d_embedding, d_model, d_memory = config.d_embedding, config.d_model, config.d_memory
    layers = [Recurrence(d_model if number else d_embedding, d_model, cell) for number in range(config.layers)]
    handed_on = d_memory == d_model and not config.bidirectional
    bridge = None if handed_on else Bridge(config.layers, cell.tensors, d_memory, d_model)
    if config.attention == "additive":
        alignment = additive_alignment(d_model, d_memory, width=d_model)
        context = nn.Linear(d_memory, cell.gates * d_model, bias=False)
        read_out = nn.Linear(d_model + d_memory + d_embedding, d_embedding)
        return LookingBefore(embed, layers, bridge, alignment, config.dropout, context, read_out)
    if config.attention == "none":
        as_it_is = d_model == d_embedding
        out = None if as_it_is else nn.Linear(d_model, d_embedding)
        return LookingAfter(embed, layers, bridge, None, config.dropout, out)
    out = nn.Linear(d_memory + d_model, d_embedding)
    return LookingAfter(embed, layers, bridge, _product(config), config.dropout, out)


def _product(config: Config) -> Alignment:
    return dot_alignment() if config.attention == "dot" else general_alignment(config.d_model, config.d_memory)


# On disk -------------------------------------------------------------------------------------------------------------


def obstacle(config: Config, vocabulary: Vocabulary) -> str | None:
    """No public architecture is recurrent."""
    return "family = rnn"


def public_config(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> dict[str, Any]:
    """The contents of ``config.json``."""
    return own_config("rnn", config, vocabulary)


def read_public_config(table: Mapping[str, Any], names: Collection[str] = ()) -> tuple[Config, Vocabulary, Head]:
    """The settings in a ``config.json`` that ``public_config`` wrote. Raises SettingError."""
    return *read_own_config(Config, table), LANGUAGE


def public_form(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> PublicForm:
    """The weights stand in ``model.safetensors`` under our names."""
    return own_form()
