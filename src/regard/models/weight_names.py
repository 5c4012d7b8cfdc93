"""Weights under our names ↔ under the names that a public checkpoint uses, by one table for both directions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from torch import Tensor

from regard.errors import CheckpointError

Pair = tuple[str, str]


class WeightNames:
    """Pairs of name prefixes (ours, theirs), in which ``{i}`` stands for a layer's number.

    The rest of a name (``.weight``, ``.bias``) is the same on both sides.
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._outward = [_rule(ours, theirs) for ours, theirs in pairs]
        self._inward = [_rule(theirs, ours) for ours, theirs in pairs]

    def to_public(self, name: str) -> str:
        """Their name of our weight."""
        return _rename(name, self._outward)

    def from_public(self, name: str) -> str:
        """Our name of their weight."""
        return _rename(name, self._inward)

    def export(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """All weights under their names, sorted by name."""
        renamed = {self.to_public(name): weight for name, weight in weights.items()}
        return dict(sorted(renamed.items()))


def stack_names(stack: str) -> list[Pair]:
    """The names of the "encoder" or "decoder" weights in BART's checkpoints and those laid out like them."""
    ours, theirs = f"{stack}.blocks.{{i}}", f"model.{stack}.layers.{{i}}"
    pairs = [
        (f"{stack}.embed.positions.table", f"model.{stack}.embed_positions.weight"),
        *_attention_names(f"{ours}.self_attention", f"{theirs}.self_attn"),
        (f"{ours}.around_self_attention.norm", f"{theirs}.self_attn_layer_norm"),
        (f"{ours}.feed_forward.inner", f"{theirs}.fc1"),
        (f"{ours}.feed_forward.outer", f"{theirs}.fc2"),
        (f"{ours}.around_feed_forward.norm", f"{theirs}.final_layer_norm"),
        (f"{stack}.final_norm", f"model.{stack}.layer_norm"),
    ]
    if stack == "decoder":
        pairs += _attention_names(f"{ours}.cross_attention", f"{theirs}.encoder_attn")
        pairs.append((f"{ours}.around_cross_attention.norm", f"{theirs}.encoder_attn_layer_norm"))
    return pairs


def _attention_names(ours: str, theirs: str) -> list[Pair]:
    parts = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "output": "out_proj"}
    return [(f"{ours}.{part}", f"{theirs}.{name}") for part, name in parts.items()]


def _rule(old: str, new: str) -> tuple[re.Pattern[str], str]:
    pattern = re.escape(old).replace(re.escape("{i}"), r"(\d+)")
    return re.compile(rf"{pattern}(?=\.|$)"), new.replace("{i}", r"\1")


def _rename(name: str, rules: Sequence[tuple[re.Pattern[str], str]]) -> str:
    for pattern, replacement in rules:
        match = pattern.match(name)
        if match:
            return match.expand(replacement) + name[match.end() :]
    raise CheckpointError.because(name, "a weight without a place", "a name of this family", "check the family")
