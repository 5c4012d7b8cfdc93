"""Which word of a translation came from which of its source, read off the attention between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from regard.errors import RunError
from regard.looking.align import merge_groups, pharaoh
from regard.looking.look import CROSS, Words
from regard.looking.replay import Text, attentions_of


def alignment_matrix(cross: Tensor) -> Tensor:
    """[T, S] of [N, H, T, S]: the mean over the heads of the last but one decoder layer.

    In trained translators that layer's attention to the source agrees best with word alignments (Garg et al. 2019).
    Raises RunError for a model that does not look at its source.
    """
    return cross[aligning_layer(len(cross))].mean(0)


def aligning_layer(layers: int) -> int:
    """The number of that layer. Raises RunError where there is none."""
    if not layers:
        action = "take one that was trained with attention"
        raise RunError.because("alignment", "a model whose decoder looks at nothing", "one with attention", action)
    return max(0, layers - 2)


def word_alignments(model: Any, texts: Sequence[tuple[Words, Words]], ids: Sequence[Text]) -> list[str]:
    """Of each text the links in Pharaoh format, ``0-0 1-2`` with source words first, counted from 0.

    Each word of the target goes with the source word that ``alignment_matrix`` says it looks at most. Special tokens
    are no words. Raises RunError as ``alignment_matrix``.
    """
    layer = aligning_layer(len(model.attentions()[CROSS]))
    found = [""] * len(texts)
    for number, attention in attentions_of(model, ids, layers=[layer], stacks=[CROSS]):
        found[number] = word_links(attention.cross[0].mean(0), *texts[number])
    return found


def word_links(matrix: Tensor, source: Words, target: Words) -> str:
    """Pharaoh's format of [T, S]: each target word with the source word of the largest sum; "" without words."""
    columns, rows = source.groups_of_text, target.groups_of_text
    return pharaoh(merge_groups(matrix, columns, rows)) if columns and rows else ""
