"""Weights under our names ↔ under the names that a public checkpoint uses, by one table for both directions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from regard.errors import CheckpointError

Pair = tuple[str, str]
Tensors = dict[str, Tensor]
Change = Callable[[Tensors], Tensors]


class Sorted(NamedTuple):
    """A checkpoint's tensors: ``weights`` under our names, and the public names that hold nothing or mean nothing."""

    weights: Tensors
    ignored: tuple[str, ...]
    unknown: tuple[str, ...]


def unchanged(tensors: Tensors) -> Tensors:
    """The tensors as they are."""
    return tensors


@dataclass(frozen=True)
class PublicForm:
    """How a family's weights stand in a public checkpoint.

    ``base`` and ``head`` are pairs of name beginnings (ours, theirs), in which ``{i}`` and ``{j}`` are numbers; the
    rest of a name (``.weight``, ``.bias``) is the same on both sides. ``prefix`` stands before the base's names in the
    files of a model with a head, and not in those of a base model alone; both are read. ``ignored`` are patterns of
    names that are known to hold nothing to read. ``outward`` and ``inward`` change tensors whose layout differs, under
    public names without prefix: joined, split, transposed.
    """

    base: Sequence[Pair]
    head: Sequence[Pair] = ()
    prefix: str = ""
    ignored: Sequence[str] = ()
    outward: Change = unchanged
    inward: Change = unchanged

    def ours(self, tensors: Mapping[str, Tensor]) -> Sorted:
        """Sort the tensors of a checkpoint and give them our names."""
        stripped = {name.removeprefix(self.prefix): tensor for name, tensor in tensors.items()}
        ignored = [name for name in stripped if any(re.fullmatch(pattern, name) for pattern in self.ignored)]
        kept = {name: tensor for name, tensor in stripped.items() if name not in ignored}
        rules = [_rule(theirs, ours) for ours, theirs in (*self.base, *self.head)]
        weights, unknown = {}, []
        for name, tensor in self.inward(kept).items():
            renamed = _rename(name, rules)
            if renamed is None:
                unknown.append(name)
            else:
                weights[renamed] = tensor
        return Sorted(weights, tuple(sorted(ignored)), tuple(sorted(unknown)))

    def theirs(self, weights: Mapping[str, Tensor], *, headed: bool = True) -> Tensors:
        """Our weights under public names, sorted by name. Raises CheckpointError for one that has none."""
        base, head = [_rule(*pair) for pair in self.base], [_rule(*pair) for pair in self.head]
        of_head = {_rename(name, head) for name in weights} - {None}
        renamed = {}
        for name, tensor in weights.items():
            public = _rename(name, [*head, *base])
            if public is None:
                action = "check the family's table of names"
                raise CheckpointError.because(name, "a weight without a public name", "one that has a name", action)
            renamed[public] = tensor
        changed = self.outward(renamed)
        prefix = self.prefix if headed else ""
        return dict(sorted((name if name in of_head else prefix + name, tensor) for name, tensor in changed.items()))


def stack_names(stack: str) -> list[Pair]:
    """The names of the "encoder" or "decoder" weights in BART's checkpoints and those laid out like them."""
    ours, theirs = f"{stack}.blocks.{{i}}", f"{stack}.layers.{{i}}"
    pairs = [
        (f"{stack}.embed.positions", f"{stack}.embed_positions"),
        (f"{stack}.embed.norm", f"{stack}.layernorm_embedding"),
        *_attention_names(f"{ours}.self_attention", f"{theirs}.self_attn"),
        (f"{ours}.around_self_attention.norm", f"{theirs}.self_attn_layer_norm"),
        (f"{ours}.feed_forward.inner", f"{theirs}.fc1"),
        (f"{ours}.feed_forward.outer", f"{theirs}.fc2"),
        (f"{ours}.around_feed_forward.norm", f"{theirs}.final_layer_norm"),
        (f"{stack}.final_norm", f"{stack}.layer_norm"),
    ]
    if stack == "decoder":
        pairs += _attention_names(f"{ours}.cross_attention", f"{theirs}.encoder_attn")
        pairs.append((f"{ours}.around_cross_attention.norm", f"{theirs}.encoder_attn_layer_norm"))
    return pairs


def embedding_names() -> list[Pair]:
    """The names of the embedding in BERT's checkpoints and those laid out like them (RoBERTa, ALBERT)."""
    return [
        ("encoder.embed.tokens", "embeddings.word_embeddings"),
        ("encoder.embed.positions", "embeddings.position_embeddings"),
        ("encoder.embed.types", "embeddings.token_type_embeddings"),
        ("encoder.embed.norm", "embeddings.LayerNorm"),
    ]


def layer_names() -> list[Pair]:
    """The names of the blocks in BERT's checkpoints and those laid out like them (RoBERTa)."""
    ours, theirs = "encoder.blocks.{i}", "encoder.layer.{i}"
    return [
        (f"{ours}.self_attention.query", f"{theirs}.attention.self.query"),
        (f"{ours}.self_attention.key", f"{theirs}.attention.self.key"),
        (f"{ours}.self_attention.value", f"{theirs}.attention.self.value"),
        (f"{ours}.self_attention.output", f"{theirs}.attention.output.dense"),
        (f"{ours}.around_self_attention.norm", f"{theirs}.attention.output.LayerNorm"),
        (f"{ours}.feed_forward.inner", f"{theirs}.intermediate.dense"),
        (f"{ours}.feed_forward.outer", f"{theirs}.output.dense"),
        (f"{ours}.around_feed_forward.norm", f"{theirs}.output.LayerNorm"),
    ]


def _attention_names(ours: str, theirs: str) -> list[Pair]:
    parts = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "output": "out_proj"}
    return [(f"{ours}.{part}", f"{theirs}.{name}") for part, name in parts.items()]


def _rule(old: str, new: str) -> tuple[re.Pattern[str], str]:
    pattern = re.escape(old)
    for number in ("i", "j"):
        pattern = pattern.replace(re.escape(f"{{{number}}}"), rf"(?P<{number}>\d+)")
    return re.compile(rf"{pattern}(?=\.|$)"), new.replace("{i}", r"\g<i>").replace("{j}", r"\g<j>")


def _rename(name: str, rules: Sequence[tuple[re.Pattern[str], str]]) -> str | None:
    for pattern, replacement in rules:
        match = pattern.match(name)
        if match:
            return match.expand(replacement) + name[match.end() :]
    return None
