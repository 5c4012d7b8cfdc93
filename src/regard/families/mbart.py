"""mBART (Liu et al. 2020) and mBART-50 (Tang et al. 2020): BART for many languages at once.

What it changed in BART: norms stand before each sub-layer, so each stack ends in one more, and embeddings are
multiplied by √d_model. A token names the language: the first models start the decoder from that of the target; the
later ones start from ``</s>`` and force the language as first token. A checkpoint's ``config.json`` says from which.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from regard.config import setting
from regard.layers.position import LearnedPositions
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
from regard.models.heads import LANGUAGE, Head, last_token
from regard.models.public import head_of
from regard.models.transformer import EncoderDecoder
from regard.models.vocabulary import Vocabulary
from regard.models.weight_names import PublicForm

TASKS = ("translation", "denoising", "classification")
LAYOUT = "roberta"
MODEL_TYPES = ("mbart",)


@dataclass(frozen=True)
class Config(BartSettings):
    """The settings of mBART. The defaults are its published size."""

    scaled: bool = setting(True, help="embeddings are multiplied by √d_model")


TOY = Config(layers=2, d_model=16, d_ff=24, heads=4, longest=64)

SIZES: Mapping[str, Config] = MappingProxyType(
    {
        "tiny": Config(layers=3, d_model=256, d_ff=1024, heads=4, longest=512),  # ours, for a processor
        "large": Config(),  # Liu et al. 2020, section 2.2; 611 M with the 250 027 pieces of 25 languages
    }
)


def vocabulary(source: int, target: int, *, shared: bool, roles: Mapping[str, int | None]) -> Vocabulary:
    """The ids of a model for tokenizers of these sizes, whose special tokens are ``roles``. Raises SettingError."""
    one_vocabulary(shared, "mbart")
    return Vocabulary.of_texts(source, roles, start=roles["eos"])


def build(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> EncoderDecoder:
    """Put the model together, with fresh weights (N(0, 0.02²))."""
    return build_layout(
        config,
        vocabulary,
        head,
        placement=PreNorm,
        positions=LearnedPositions,
        embedding_norm=True,
        shift=partial(_language_first, vocabulary.pad),
    )


def _language_first(pad: int | None, ids: Tensor) -> Tensor:
    """The last token of each text, which names its language, comes first (to classify; BART starts from ``</s>``)."""
    last = last_token(pad)(ids, ids)
    return torch.cat((last[:, None], ids[:, :-1]), 1)


# On disk -------------------------------------------------------------------------------------------------------------

_ARCHITECTURES = {
    "language": "MBartForConditionalGeneration",
    "classification": "MBartForSequenceClassification",
    "none": "MBartModel",
}


def obstacle(config: Config, vocabulary: Vocabulary) -> str | None:
    """The setting that keeps the model from being a public one: none does."""
    return None


def public_config(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> dict[str, Any]:
    """The contents of ``config.json``."""
    return write_config("mbart", config, vocabulary, head, _ARCHITECTURES)


def read_public_config(table: Mapping[str, Any], names: Collection[str] = ()) -> tuple[Config, Vocabulary, Head]:
    """The settings in a ``config.json``, with the ``names`` of the weights beside it. Raises SettingError."""
    ids = read_vocabulary(table, pad=1, eos=2, start=2, bos=0)
    return read_settings(Config, table), ids, head_of(table, _ARCHITECTURES)


def public_form(config: Config, vocabulary: Vocabulary, head: Head = LANGUAGE) -> PublicForm:
    """How the weights stand in a checkpoint."""
    return layout_form(config, vocabulary, head)
