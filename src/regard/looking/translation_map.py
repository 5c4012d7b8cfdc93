"""The picture that Bahdanau et al. drew: which words of the source each word of its translation looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from matplotlib.figure import Figure

from regard.looking.capture import alignment_matrix, attention_of
from regard.looking.maps import alignment
from regard.models.transformer import EncoderDecoder


class Spelling(Protocol):
    """What is asked of a tokenizer."""

    def encode(self, text: str) -> list[int]:
        """The ids of a text."""

    def pieces_of(self, ids: Sequence[int]) -> list[str]:
        """Their pieces."""


def translation_map(
    model: EncoderDecoder, coders: tuple[Spelling, Spelling], source: str, target: str, title: str = ""
) -> Figure:
    """The weights of ``alignment_matrix``, from words of ``source`` to those of ``target``, without ``</s>``.

    ``coders`` are the two sides' tokenizers. Raises as ``alignment_matrix``.
    """
    ids = [coder.encode(text) for coder, text in zip(coders, (source, target), strict=True)]
    matrix = alignment_matrix(attention_of(model, *ids))[: len(ids[1]), : len(ids[0])]
    pieces = [coder.pieces_of(one) for coder, one in zip(coders, ids, strict=True)]
    return alignment(matrix.numpy(), pieces[0], pieces[1], title, words=True)
