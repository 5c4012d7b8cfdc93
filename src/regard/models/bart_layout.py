"""What BART, mBART, Marian and Pegasus share: their settings, how they are put together, their names on disk.

All four are the paper's encoder–decoder with a table of places; they differ in where norms stand and in what
the table holds. In public checkpoints the same keys and names mean the same for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
from torch import nn

from regard.config import build as build_settings
from regard.config import setting
from regard.errors import SettingError
from regard.layers.embedding import OutputLayer, TokenEmbedding
from regard.layers.feedforward import ACTIVATIONS
from regard.layers.norm import LayerNorm
from regard.layers.position import LearnedPositions, SinusoidalPositions, sinusoids
from regard.layers.residual import PostNorm, PreNorm
from regard.models.embedder import Embedder
from regard.models.heads import Head, TextHead, last_end
from regard.models.parts import Parts, check_heads, draw_normal
from regard.models.public import ACTIVATION_NAMES, activation_of, head_facts, translated, translated_back
from regard.models.stack import Decoder, Encoder
from regard.models.transformer import EncoderDecoder, Shift
from regard.models.vocabulary import Vocabulary
from regard.models.weight_names import Pair, PublicForm, Tensors, stack_names

OFFSET = 2  # rows of BART's table of places that stand before the first; fairseq counted from its id of padding


@dataclass(frozen=True)
class BartSettings:
    """The settings that all four have. The defaults are BART's large model (Lewis et al. 2020, section 5)."""

    layers: int = setting(12, help="N, the blocks of the encoder, and of the decoder", minimum=1)
    decoder_layers: int | None = setting(None, help="blocks of the decoder, where they differ from layers", minimum=1)
    d_model: int = setting(1024, help="width of every hidden state", minimum=1)
    d_ff: int = setting(4096, help="inner width of the feed-forward networks", minimum=1)
    decoder_d_ff: int | None = setting(None, help="that of the decoder, where it differs from d_ff", minimum=1)
    heads: int = setting(16, help="h, attention heads", minimum=1)
    decoder_heads: int | None = setting(None, help="those of the decoder, where they differ from heads", minimum=1)
    dropout: float = setting(0.1, help="on each sub-layer and on the embeddings", minimum=0.0, below=1.0)
    attention_dropout: float = setting(0.0, help="dropout on the attention weights", minimum=0.0, below=1.0)
    activation_dropout: float = setting(0.0, help="dropout inside the feed-forward", minimum=0.0, below=1.0)
    classifier_dropout: float = setting(0.0, help="dropout in the head over classes", minimum=0.0, below=1.0)
    activation: str = setting("gelu", help="of the feed-forward network", choices=tuple(ACTIVATIONS))
    longest: int = setting(1024, help="positions in the table", minimum=1)
    scaled: bool = setting(False, help="embeddings are multiplied by √d_model")
    tied: bool = setting(True, help="embeddings and output layer share their matrix, as far as they share a vocabulary")

    def __post_init__(self) -> None:
        """Check how the settings fit together. Raises SettingError."""
        for heads in (self.heads, self.decoder_heads or self.heads):
            check_heads(heads, self.d_model)

    @property
    def most_tokens(self) -> int | None:
        """The longest text, special tokens included."""
        return self.longest


Settings = TypeVar("Settings", bound=BartSettings)
Block = type[PostNorm] | type[PreNorm]
Positions = LearnedPositions | SinusoidalPositions


def one_vocabulary(shared: bool, family: str) -> None:
    """Raises SettingError where source and target are to have a vocabulary each, and the family knows one only."""
    if not shared:
        action = "use tokenizer.joint=true, or family=transformer"
        raise SettingError.because("tokenizer.joint", "false", f"one vocabulary for both sides with {family}", action)


def build_layout(
    config: BartSettings,
    vocabulary: Vocabulary,
    head: Head,
    *,
    placement: Block,
    positions: type[Positions],
    embedding_norm: bool,
    shift: Shift | None = None,
) -> EncoderDecoder:
    """Put the model together, with fresh weights (N(0, 0.02²), biases 0). A pre-norm stack ends in one norm more."""
    assert head.kind != "tokens", "none of these families has classes of tokens"
    d_model, norm = config.d_model, partial(LayerNorm, config.d_model)
    source = TokenEmbedding(vocabulary.source, d_model, vocabulary.source_pad, scaled=config.scaled)
    target = source
    if not _one_matrix(config, vocabulary):
        target = TokenEmbedding(vocabulary.target, d_model, vocabulary.pad, scaled=config.scaled)

    def embed(tokens: TokenEmbedding) -> Embedder:
        places = _table(config, positions)
        return Embedder(tokens, places, config.dropout, norm=norm() if embedding_norm else None)

    def last_norm() -> LayerNorm | None:
        return norm() if placement is PreNorm else None

    left = _parts(config, config.heads, config.d_ff, placement)
    right = _parts(config, config.decoder_heads or config.heads, config.decoder_d_ff or config.d_ff, placement)
    depth = config.decoder_layers or config.layers
    encoder = Encoder(embed(source), [left.encoder_block() for _ in range(config.layers)], last_norm())
    decoder = Decoder(embed(target), [right.decoder_block() for _ in range(depth)], last_norm())
    matrix = target.weight if config.tied else nn.Parameter(torch.empty_like(target.weight))
    classifies = head.kind == "classification"
    model = EncoderDecoder(
        encoder,
        decoder,
        vocabulary,
        output=OutputLayer(matrix, vocabulary.never) if head.kind == "language" else None,
        head=_class_head(config, vocabulary.eos, len(head.labels)) if classifies else None,
        most_tokens=config.most_tokens,
        shift=shift,
    )
    draw_normal(model, 0.02)
    return model


def _one_matrix(config: BartSettings, vocabulary: Vocabulary) -> bool:
    return vocabulary.shared and config.tied


def _table(config: BartSettings, positions: type[Positions]) -> Positions:
    if positions is LearnedPositions:
        return LearnedPositions(config.longest, config.d_model, OFFSET)
    return SinusoidalPositions(config.d_model, "halves")


def _parts(config: BartSettings, heads: int, d_ff: int, placement: Block) -> Parts:
    return Parts(
        d_model=config.d_model,
        heads=heads,
        d_ff=d_ff,
        activation=config.activation,
        dropout=config.dropout,
        attention_dropout=config.attention_dropout,
        activation_dropout=config.activation_dropout,
        norm=partial(LayerNorm, config.d_model),
        placement=placement,
    )


def _class_head(config: BartSettings, eos: int, classes: int) -> TextHead:
    """The state that the decoder has at the last ``</s>``, which has seen all of the text."""
    rate = config.classifier_dropout
    return TextHead(last_end(eos), config.d_model, classes, dropout_rate=rate, dropout_before=rate)


# On disk -------------------------------------------------------------------------------------------------------------

_SETTINGS = {
    "layers": "encoder_layers",
    "d_model": "d_model",
    "d_ff": "encoder_ffn_dim",
    "heads": "encoder_attention_heads",
    "dropout": "dropout",
    "attention_dropout": "attention_dropout",
    "activation_dropout": "activation_dropout",
    "classifier_dropout": "classifier_dropout",
    "longest": "max_position_embeddings",
    "scaled": "scale_embedding",
    "tied": "tie_word_embeddings",
}
# The decoder's, which are None here where the encoder's are the same.
_OF_DECODER = {
    "decoder_layers": ("layers", "decoder_layers"),
    "decoder_d_ff": ("d_ff", "decoder_ffn_dim"),
    "decoder_heads": ("heads", "decoder_attention_heads"),
}


def write_config(
    model_type: str, config: BartSettings, vocabulary: Vocabulary, head: Head, architectures: Mapping[str, str]
) -> dict[str, Any]:
    """The contents of ``config.json``."""
    decoder = {theirs: getattr(config, ours) or getattr(config, same) for ours, (same, theirs) in _OF_DECODER.items()}
    return {
        **translated(config, _SETTINGS),
        **decoder,
        **head_facts(head, architectures),
        "activation_function": ACTIVATION_NAMES[config.activation],
        "bos_token_id": vocabulary.bos,
        "decoder_start_token_id": vocabulary.start,
        "dtype": "float32",
        "eos_token_id": vocabulary.eos,
        "forced_eos_token_id": vocabulary.eos,
        "is_encoder_decoder": True,
        "model_type": model_type,
        "pad_token_id": vocabulary.pad,
        "vocab_size": vocabulary.source,
    }


def read_settings(cls: type[Settings], table: Mapping[str, Any]) -> Settings:
    """The settings in a ``config.json``; what it does not say is as ``cls`` has it. Raises SettingError."""
    ours = translated_back(table, _SETTINGS)
    for name, (same, theirs) in _OF_DECODER.items():
        if table.get(theirs) not in (None, table.get(_SETTINGS[same])):
            ours[name] = table[theirs]
    standard = ACTIVATION_NAMES[cls().activation]
    ours["activation"] = activation_of(table, "activation_function", standard)
    return build_settings(cls, ours, "model.")


def read_vocabulary(table: Mapping[str, Any], *, pad: int, eos: int, start: int, bos: int | None = None) -> Vocabulary:
    """The ids that ``config.json`` names, and those of the family where it names none."""
    roles = {
        name: usual if table.get(f"{name}_token_id") is None else table[f"{name}_token_id"]
        for name, usual in (("pad", pad), ("eos", eos), ("bos", bos), ("decoder_start", start))
    }
    return Vocabulary.of_texts(int(table["vocab_size"]), roles, start=roles["decoder_start"])


_HEAD: Sequence[Pair] = [
    ("output.bias", "final_logits_bias"),
    ("output.weight", "lm_head.weight"),
    ("head.dense", "classification_head.dense"),
    ("head.output", "classification_head.out_proj"),
]
_TABLES = r"(en|de)coder\.embed_positions\.weight"


def layout_form(
    config: BartSettings, vocabulary: Vocabulary, head: Head, *, fixed: bool = False, writes_fixed: bool = False
) -> PublicForm:
    """How the weights stand in a checkpoint.

    ``fixed``: places are sinusoids, which are worked out and not read; ``writes_fixed``: but other libraries read them.
    """
    shared = [("encoder.embed.tokens", "shared")]
    apart = [(f"{stack}.embed.tokens", f"{stack}.embed_tokens") for stack in ("encoder", "decoder")]
    one = _one_matrix(config, vocabulary)
    names = [*(shared if one else apart), *stack_names("encoder"), *stack_names("decoder")]
    unread = [r"(en|de)coder\.version", *([_TABLES] if fixed else [])]
    if head.kind != "language":
        unread += ["final_logits_bias", r"lm_head\.weight"]

    def inward(tensors: Tensors) -> Tensors:
        tensors = _without_copies(tensors, one, config.tied)
        if head.kind != "language":
            return tensors
        bias = tensors.get("final_logits_bias")
        if bias is None:  # files from before there was one
            some = next(iter(tensors.values()))
            bias = torch.zeros(vocabulary.target, dtype=some.dtype, device=some.device)
        return {**tensors, "final_logits_bias": bias.flatten()}

    def outward(tensors: Tensors) -> Tensors:
        changed = dict(tensors)
        if "final_logits_bias" in tensors:
            changed["final_logits_bias"] = tensors["final_logits_bias"][None].clone()
        if vocabulary.shared and not one:  # other libraries look for it, and do not use it
            changed["shared.weight"] = tensors["encoder.embed_tokens.weight"].clone()
        if writes_fixed:
            table = sinusoids(config.longest, config.d_model, "halves")
            changed |= {f"{stack}.embed_positions.weight": table.clone() for stack in ("encoder", "decoder")}
        return changed

    return PublicForm(names, _HEAD, "model.", unread, outward, inward)


def _without_copies(tensors: Tensors, one: bool, tied: bool) -> Tensors:
    """A matrix that serves several ends may stand in a file under each of their names, or any one of them."""
    kept, embeddings = dict(tensors), [f"{stack}.embed_tokens.weight" for stack in ("encoder", "decoder")]
    if tied and "lm_head.weight" in kept:
        kept.setdefault("shared.weight" if one else embeddings[1], kept.pop("lm_head.weight"))
    if one:
        for name in (name for name in embeddings if name in kept):
            kept.setdefault("shared.weight", kept.pop(name))
    elif "shared.weight" in kept:
        shared = kept.pop("shared.weight")
        kept = {**dict.fromkeys(embeddings, shared), **kept}
    return kept
