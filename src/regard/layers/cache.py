"""What a decoder layer keeps between steps, so that a new token costs one position and not all of them again."""

from __future__ import annotations

import torch
from torch import Tensor

from regard.layers.multihead import KeyValues


class LayerCache:
    """Keys and values of one decoder layer: of the text so far (they grow) and of the memory, if any (made once).

    The rows of the first are hypotheses (R = sentences × beams), those of the second are sentences.
    """

    def __init__(self, memory: KeyValues | None = None) -> None:
        self.memory = memory
        self.past: KeyValues | None = None

    def extend(self, new: KeyValues) -> KeyValues:
        """Append the newest position; returns all so far."""
        if self.past is not None:
            new = KeyValues(torch.cat((self.past.key, new.key), 2), torch.cat((self.past.value, new.value), 2))
        self.past = new
        return new

    def reorder(self, rows: Tensor) -> None:
        """Hypothesis i goes on from what hypothesis ``rows[i]`` was."""
        if self.past is not None:
            self.past = KeyValues(*(kept.index_select(0, rows) for kept in self.past))

    def keep(self, sentences: Tensor, rows: Tensor) -> None:
        """Only these sentences, and their rows, go on."""
        if self.memory is not None:
            self.memory = KeyValues(*(kept.index_select(0, sentences) for kept in self.memory))
        self.reorder(rows)
