"""BART (Lewis et al. 2020): the paper's encoder–decoder, which learns to restore a text from a damaged one.

What it changed in the paper's block: the places are learned, a norm follows the embeddings, and GELU takes the place of
ReLU. Embeddings are not multiplied by √d_model. The decoder starts from ``</s>``. To classify, the text goes through
both stacks, and the state at its last ``</s>`` is read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from regard.layers.position import LearnedPositions
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
from regard.models.vocabulary import Vocabulary
from regard.models.weight_names import PublicForm

TASKS = ("denoising", "translation", "classification")
LAYOUT = "roberta"
MODEL_TYPES = ("bart",)


@dataclass(frozen=True)
class Config(BartSettings):
    """The settings of BART. The defaults are its large model."""


TOY = Config(layers=2, d_model=16, d_ff=24, heads=4, longest=64)

SIZES: Mapping[str, Config] = MappingProxyType(
    {
        "tiny": Config(layers=3, d_model=256, d_ff=1024, heads=4, longest=512),  # ours, for a processor
        "base": Config(layers=6, d_model=768, d_ff=3072, heads=12),  # Lewis et al. 2020, section 4; 139 M
        "large": Config(),  # section 5; 406 M
    }
)


def vocabulary(source: int, target: int, *, shared: bool, roles: Mapping[str, int | None]) -> Vocabulary:
    """The ids of a model for tokenizers of these sizes, whose special tokens are ``roles``. Raises SettingError."""
    one_vocabulary(shared, "bart")
    return Vocabulary.of_texts(source, roles, start=roles["eos"])


def build(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> EncoderDecoder:
    """Put the model together, with fresh weights (N(0, 0.02²))."""
    return build_layout(config, vocabulary, head, placement=PostNorm, positions=LearnedPositions, embedding_norm=True)


# On disk -------------------------------------------------------------------------------------------------------------

_ARCHITECTURES = {
    "language": "BartForConditionalGeneration",
    "classification": "BartForSequenceClassification",
    "none": "BartModel",
}


def obstacle(config: Config, vocabulary: Vocabulary) -> str | None:
    """The setting that keeps the model from being a public one: none does."""
    return None


def public_config(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> dict[str, Any]:
    """The contents of ``config.json``."""
    return write_config("bart", config, vocabulary, head, _ARCHITECTURES)


def read_public_config(table: Mapping[str, Any], names: Collection[str] = ()) -> tuple[Config, Vocabulary, Head]:
    """The settings in a ``config.json``, with the ``names`` of the weights beside it. Raises SettingError."""
    ids = read_vocabulary(table, pad=1, eos=2, start=2, bos=0)
    return read_settings(Config, table), ids, head_of({"num_labels": 3, **table}, _ARCHITECTURES)


def public_form(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> PublicForm:
    """How the weights stand in a checkpoint."""
    return layout_form(config, vocabulary, head)
