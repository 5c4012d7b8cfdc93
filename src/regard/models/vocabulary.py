"""What a model must know of the tokenizers: how many ids there are, and which ones are special."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Vocabulary:
    """The ids of source and target, which are the same where a model has one text only.

    ``shared``: both sides use the same ids, so that one matrix serves both embeddings and the softmax. ``eos`` ends a
    text (-1: nothing does), ``pad`` and ``source_pad`` fill up short ones (None: nothing does), ``start`` is what a
    decoder is fed first, ``never`` is no prediction: its logit is −∞. ``bos`` stands before a text ([CLS], <s>),
    ``sep`` after each, and ``mask`` in place of a token that is to be guessed.
    """

    source: int
    target: int
    shared: bool
    eos: int
    pad: int | None
    source_pad: int | None
    start: int | None = None
    never: int | None = None
    bos: int | None = None
    sep: int | None = None
    mask: int | None = None

    @classmethod
    def of_texts(cls, size: int, roles: Mapping[str, int | None], start: int | None = None) -> Vocabulary:
        """Of a model whose source and target share one vocabulary. ``roles``: "eos", "pad", "bos", "sep", "mask"."""
        pad, eos = roles.get("pad"), roles.get("eos")
        return cls(
            size,
            size,
            shared=True,
            eos=-1 if eos is None else eos,
            pad=pad,
            source_pad=pad,
            start=start,
            bos=roles.get("bos"),
            sep=roles.get("sep"),
            mask=roles.get("mask"),
        )


NO_TEXT = Vocabulary(0, 0, shared=True, eos=-1, pad=None, source_pad=None)
"""Of a model that reads pictures and writes none but classes or boxes."""


def own_vocabulary(source: int, target: int, *, shared: bool) -> Vocabulary:
    """Our own layout, which Marian and CTranslate2 share: ``</s>`` is 0, padding the last id, never predicted, and it
    is what the decoder starts from.
    """
    return Vocabulary(
        source, target, shared, eos=0, pad=target - 1, source_pad=source - 1, start=target - 1, never=target - 1
    )


def joint_vocabulary(size: int) -> Vocabulary:
    """One vocabulary for both sides, as in the paper, in our own layout."""
    return own_vocabulary(size, size, shared=True)
