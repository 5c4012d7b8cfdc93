"""What a model must know of the tokenizers: how many ids there are, and which ones are special."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Vocabulary:
    """The ids of source and target. In each, padding is the last one; the decoder starts from the target's padding.

    ``shared``: both sides use the same ids, so that one matrix serves both embeddings and the softmax.
    """

    source: int
    target: int
    shared: bool
    eos: int = 0

    @property
    def source_pad(self) -> int:
        """The id that fills up sources."""
        return self.source - 1

    @property
    def pad(self) -> int:
        """The id that fills up targets."""
        return self.target - 1

    @property
    def start(self) -> int:
        """The id that the decoder is fed first."""
        return self.pad


def joint_vocabulary(size: int) -> Vocabulary:
    """One vocabulary for both sides, as in the paper."""
    return Vocabulary(source=size, target=size, shared=True)
