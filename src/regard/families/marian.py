"""Marian (Junczys-Dowmunt et al. 2018), as the OPUS-MT translators have it (Tiedemann and Thottingal 2020).

It is the paper's model with four changes: sines come first and then cosines (a permutation, which the weights undo),
SiLU in place of ReLU (not in the big models), and the logits have a bias. Padding is the last id; the decoder starts
from it, its vector is zero, and it is never written. Source and target may have a vocabulary each.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from regard.config import setting
from regard.layers.feedforward import ACTIVATIONS
from regard.layers.position import SinusoidalPositions
from regard.layers.residual import PostNorm
from regard.models.bart_layout import (
    BartSettings,
    build_layout,
    layout_form,
    one_vocabulary,
    read_settings,
    read_vocabulary,
    write_config,
)
from regard.models.heads import LANGUAGE, Head
from regard.models.public import head_of
from regard.models.transformer import EncoderDecoder
from regard.models.vocabulary import Vocabulary, own_vocabulary
from regard.models.weight_names import PublicForm

TASKS = ("translation",)
LAYOUT = "regard"  # ours is Marian's: </s> 0, <unk> 1, <pad> last
MODEL_TYPES = ("marian",)


@dataclass(frozen=True)
class Config(BartSettings):
    """The settings of Marian. The defaults are those of most OPUS-MT models."""

    layers: int = setting(6, help="N, the blocks of the encoder, and of the decoder", minimum=1)
    d_model: int = setting(512, help="width of every hidden state", minimum=1)
    d_ff: int = setting(2048, help="inner width of the feed-forward networks", minimum=1)
    heads: int = setting(8, help="h, attention heads", minimum=1)
    activation: str = setting("silu", help="of the feed-forward network", choices=tuple(ACTIVATIONS))
    longest: int = setting(512, help="positions that another library has", minimum=1)
    scaled: bool = setting(True, help="embeddings are multiplied by √d_model")

    @property
    def most_tokens(self) -> int | None:
        """Sinusoids have no end; ``longest`` is what other libraries make room for."""
        return None


TOY = Config(layers=2, d_model=16, d_ff=24, heads=4, longest=64)

SIZES: Mapping[str, Config] = MappingProxyType(
    {
        "tiny": Config(layers=3, d_model=256, d_ff=1024, heads=4),  # ours, for a processor
        "base": Config(),  # OPUS-MT; 74 M with the 58 101 pieces of opus-mt-en-de
        "big": Config(d_model=1024, d_ff=4096, heads=16, activation="relu", longest=1024),  # OPUS-MT's "tc-big"
    }
)


def vocabulary(source: int, target: int, *, shared: bool, roles: Mapping[str, int | None]) -> Vocabulary:
    """The ids of a model for tokenizers of these sizes. Raises SettingError for two vocabularies.

    Public models may have two, and are read; but both must then have the same id for padding.
    """
    one_vocabulary(shared, "marian")
    return own_vocabulary(source, target, shared=shared)


def build(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> EncoderDecoder:
    """Put the model together, with fresh weights (N(0, 0.02²))."""
    return build_layout(
        config, vocabulary, head, placement=PostNorm, positions=SinusoidalPositions, embedding_norm=False
    )


# On disk -------------------------------------------------------------------------------------------------------------

_ARCHITECTURES = {"language": "MarianMTModel", "none": "MarianModel"}


def obstacle(config: Config, vocabulary: Vocabulary) -> str | None:
    """The setting that keeps the model from being a public one: none does."""
    return None


def public_config(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> dict[str, Any]:
    """The contents of ``config.json``."""
    return {
        **write_config("marian", config, vocabulary, head, _ARCHITECTURES),
        "bad_words_ids": [[vocabulary.pad]],
        "decoder_vocab_size": vocabulary.target,
        "normalize_before": False,
        "normalize_embedding": False,
        "share_encoder_decoder_embeddings": vocabulary.shared,
        "static_position_embeddings": True,
    }


def read_public_config(table: Mapping[str, Any], names: Collection[str] = ()) -> tuple[Config, Vocabulary, Head]:
    """The settings in a ``config.json``, with the ``names`` of the weights beside it. Raises SettingError."""
    last = int(table["vocab_size"]) - 1
    ids = read_vocabulary(table, pad=last, eos=0, start=last)
    shared = table.get("share_encoder_decoder_embeddings", True)
    target = ids.source if shared else table.get("decoder_vocab_size") or ids.source
    ids = replace(ids, target=target, shared=shared, never=ids.pad)
    return read_settings(Config, table), ids, head_of(table, _ARCHITECTURES)


def public_form(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> PublicForm:
    """How the weights stand in a checkpoint, which holds the sinusoids only where there is no head."""
    return layout_form(config, vocabulary, head, fixed=True, writes_fixed=head.kind == "none")
