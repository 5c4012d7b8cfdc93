"""PEGASUS (Zhang et al. 2020): an encoder–decoder that learns to summarize by guessing left-out sentences.

What it changed in the paper's block: norms stand before each sub-layer, so each stack ends in one more. The rest is the
paper's: sinusoids (sines first, then cosines), embeddings times √d_model, ReLU. The decoder starts from ``<pad>``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from regard.config import setting
from regard.layers.feedforward import ACTIVATIONS
from regard.layers.position import SinusoidalPositions
from regard.layers.residual import PreNorm
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
from regard.models.vocabulary import Vocabulary
from regard.models.weight_names import PublicForm

TASKS = ("translation", "denoising")
LAYOUT = "pegasus"
MODEL_TYPES = ("pegasus",)


@dataclass(frozen=True)
class Config(BartSettings):
    """The settings of PEGASUS. The defaults are its large model."""

    layers: int = setting(16, help="N, the blocks of the encoder, and of the decoder", minimum=1)
    activation: str = setting("relu", help="of the feed-forward network", choices=tuple(ACTIVATIONS))
    scaled: bool = setting(True, help="embeddings are multiplied by √d_model")

    @property
    def most_tokens(self) -> int | None:
        """Sinusoids have no end; ``longest`` is what other libraries make room for."""
        return None


TOY = Config(layers=2, d_model=16, d_ff=24, heads=4, longest=64)

SIZES: Mapping[str, Config] = MappingProxyType(
    {
        "tiny": Config(layers=3, d_model=256, d_ff=1024, heads=4, longest=512),  # ours, for a processor
        "base": Config(layers=12, d_model=768, d_ff=3072, heads=12),  # Zhang et al. 2020, section 6; 223 M
        "large": Config(),  # section 6; 568 M
    }
)


def vocabulary(source: int, target: int, *, shared: bool, roles: Mapping[str, int | None]) -> Vocabulary:
    """The ids of a model for tokenizers of these sizes, whose special tokens are ``roles``. Raises SettingError."""
    one_vocabulary(shared, "pegasus")
    return Vocabulary.of_texts(source, roles, start=roles["pad"])


def build(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> EncoderDecoder:
    """Put the model together, with fresh weights (N(0, 0.02²))."""
    return build_layout(
        config, vocabulary, head, placement=PreNorm, positions=SinusoidalPositions, embedding_norm=False
    )


# On disk -------------------------------------------------------------------------------------------------------------

_ARCHITECTURES = {"language": "PegasusForConditionalGeneration", "none": "PegasusModel"}


def obstacle(config: Config, vocabulary: Vocabulary) -> str | None:
    """The setting that keeps the model from being a public one: none does."""
    return None


def public_config(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> dict[str, Any]:
    """The contents of ``config.json``. CTranslate2 asks where the norms stand."""
    table = write_config("pegasus", config, vocabulary, head, _ARCHITECTURES)
    return {**table, "normalize_before": True, "normalize_embedding": False}


def read_public_config(table: Mapping[str, Any], names: Collection[str] = ()) -> tuple[Config, Vocabulary, Head]:
    """The settings in a ``config.json``, with the ``names`` of the weights beside it. Raises SettingError."""
    ids = read_vocabulary(table, pad=0, eos=1, start=0)
    return read_settings(Config, table), ids, head_of(table, _ARCHITECTURES)


def public_form(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> PublicForm:
    """How the weights stand in a checkpoint, which holds the sinusoids too."""
    return layout_form(config, vocabulary, head, fixed=True, writes_fixed=True)
