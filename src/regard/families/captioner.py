"""Captions of pictures: a decoder that looks at the cells of a convolutional network for every word.

"Show, attend and tell" (Xu et al. 2015, soft attention): a recurrent decoder whose context at every step is the
attention over the cells, additive as in Bahdanau et al. 2015; or the Transformer's decoder over the same cells.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

from torch import nn

from regard.config import setting
from regard.layers.alignment import additive_alignment
from regard.layers.embedding import OutputLayer, TokenEmbedding
from regard.layers.grid_position import check_grid
from regard.layers.image_norm import NORMS, image_norm
from regard.layers.norm import LayerNorm
from regard.layers.position import NoPositions, SinusoidalPositions
from regard.layers.recurrent import CELLS, Recurrence
from regard.layers.residual import PreNorm
from regard.models.cells import CellReader, RecurrentCellReader
from regard.models.embedder import Embedder
from regard.models.heads import LANGUAGE, Head
from regard.models.own_layout import own_config, own_form, read_own_config
from regard.models.parts import Parts, check_heads
from regard.models.recurrent import Bridge, LookingBefore
from regard.models.resnet import BLOCKS, STEMS, ResNet, ResNetShape
from regard.models.stack import Decoder
from regard.models.transformer import EncoderDecoder
from regard.models.vocabulary import Vocabulary, own_vocabulary
from regard.models.weight_names import PublicForm

TASKS = ("captioning",)
LAYOUT = "regard"
MODEL_TYPES = ()  # no library has these; our own files name the family


@dataclass(frozen=True)
class Config:
    """A convolutional network and a decoder. The defaults are ours, for small pictures on a processor."""

    decoder: str = setting("recurrent", help="what writes", choices=("recurrent", "transformer"))
    layers: int = setting(1, help="layers of the decoder", minimum=1)
    d_model: int = setting(256, help="width of the decoder's states", minimum=1)
    d_embedding: int = setting(256, help="width of the words of a recurrent decoder", minimum=1)
    d_ff: int = setting(1024, help="inner width of the feed-forward networks of a Transformer", minimum=1)
    heads: int = setting(4, help="h, attention heads of a Transformer", minimum=1)
    cell: str = setting("lstm", help="recurrence: Elman's, LSTM or GRU", choices=tuple(CELLS))
    dropout: float = setting(0.3, help="in the decoder", minimum=0.0, below=1.0)
    depths: tuple[int, ...] = setting((2, 2), help="blocks of each stage of the convolutional network, a ResNet")
    widths: tuple[int, ...] = setting((64, 128), help="channels of each of its stages")
    block: str = setting("basic", help="kind of its blocks", choices=BLOCKS)
    stem_width: int = setting(32, help="channels of its first convolution", minimum=1)
    stem: str = setting("large", help='its beginning; "small" keeps the size of the picture', choices=STEMS)
    backbone_norm: str = setting("batch", help="its norms; frozen ones are for pretrained weights alone", choices=NORMS)
    norm_groups: int = setting(8, help="groups of channels, with backbone_norm=group", minimum=1)
    image_size: int = setting(64, help="height and width of a picture, in pixels", minimum=1)

    def __post_init__(self) -> None:
        """Check how the settings fit together. Raises SettingError."""
        if self.decoder == "transformer":
            check_heads(self.heads, self.d_model)
            check_grid(self.d_model)
        _ = self.shape

    @property
    def shape(self) -> ResNetShape:
        """That of the convolutional network."""
        return ResNetShape(self.depths, self.widths, self.block, self.stem_width, self.stem)

    @property
    def most_tokens(self) -> None:
        """Captions of any length are written."""


TOY = Config(
    d_model=16,
    d_embedding=12,
    d_ff=24,
    depths=(1, 1),
    widths=(8, 16),
    stem_width=8,
    image_size=16,
)

SIZES: Mapping[str, Config] = MappingProxyType(
    {
        "small": Config(),  # ours: 64 cells of 64 × 64 pixels, 3.4 M with 4,000 pieces
        "small-transformer": Config("transformer", layers=3),  # the same cells under three of the paper's blocks
        "attend": Config(  # Xu et al. 2015, with a ResNet in place of VGG: 14 × 14 cells of 224 × 224 pixels
            d_model=512,
            d_embedding=512,
            depths=(3, 4, 6),
            widths=(256, 512, 1024),
            block="bottleneck",
            stem_width=64,
            image_size=224,
        ),
    }
)


def vocabulary(source: int, target: int, *, shared: bool, roles: Mapping[str, int | None]) -> Vocabulary:
    """The ids of what is written. Pictures need no padding."""
    return replace(own_vocabulary(target, target, shared=True), source_pad=None)


def build(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> EncoderDecoder:
    """Put the model together, with fresh weights.

    Linear maps Glorot uniform, embeddings N(0, 1/width), convolutions as a ResNet's.
    """
    backbone = ResNet(config.shape, partial(image_norm, config.backbone_norm, groups=config.norm_groups))
    make = _transformer if config.decoder == "transformer" else _recurrent
    return make(config, backbone, vocabulary)


def _transformer(config: Config, backbone: ResNet, vocabulary: Vocabulary) -> EncoderDecoder:
    tokens = TokenEmbedding(vocabulary.target, config.d_model, vocabulary.pad)
    norm = partial(LayerNorm, config.d_model)
    parts = Parts(
        d_model=config.d_model,
        heads=config.heads,
        d_ff=config.d_ff,
        dropout=config.dropout,
        norm=norm,
        placement=PreNorm,
    )
    embed = Embedder(tokens, SinusoidalPositions(config.d_model), config.dropout)
    decoder = Decoder(embed, [parts.decoder_block() for _ in range(config.layers)], norm())
    encoder = CellReader(backbone, config.d_model)
    _draw(encoder.projection, decoder)
    return EncoderDecoder(encoder, decoder, vocabulary, output=OutputLayer(tokens.weight, vocabulary.never))


def _recurrent(config: Config, backbone: ResNet, vocabulary: Vocabulary) -> EncoderDecoder:
    cell, d_model, d_memory = CELLS[config.cell], config.d_model, backbone.width
    tokens = TokenEmbedding(vocabulary.target, config.d_embedding, vocabulary.pad, scaled=False)
    layers = [Recurrence(d_model if number else config.d_embedding, d_model, cell) for number in range(config.layers)]
    decoder = LookingBefore(
        Embedder(tokens, NoPositions(), config.dropout),
        layers,
        Bridge(config.layers, cell.tensors, d_memory, d_model),
        additive_alignment(d_model, d_memory, width=d_model),
        config.dropout,
        nn.Linear(d_memory, cell.gates * d_model, bias=False),
        nn.Linear(d_model + d_memory + config.d_embedding, config.d_embedding),
    )
    recurrences = {id(linear) for layer in layers for linear in (layer.input, layer.recurrent)}
    _draw(*(module for module in decoder.modules() if id(module) not in recurrences and isinstance(module, nn.Linear)))
    encoder = RecurrentCellReader(backbone, config.layers, cell.tensors)
    return EncoderDecoder(encoder, decoder, vocabulary, output=OutputLayer(tokens.weight, vocabulary.never))


def _draw(*parts: nn.Module) -> None:
    for module in (module for part in parts for module in part.modules()):
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


# On disk -------------------------------------------------------------------------------------------------------------


def obstacle(config: Config, vocabulary: Vocabulary) -> str | None:
    """No public architecture is this one."""
    return "family = captioner"


def public_config(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> dict[str, Any]:
    """The contents of ``config.json``."""
    return own_config("captioner", config, vocabulary)


def read_public_config(table: Mapping[str, Any], names: Collection[str] = ()) -> tuple[Config, Vocabulary, Head]:
    """The settings in a ``config.json``. Raises SettingError for values out of range."""
    return *read_own_config(Config, table), LANGUAGE


def public_form(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> PublicForm:
    """The weights are saved under our own names."""
    return own_form()
