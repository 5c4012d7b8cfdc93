"""The halves of an encoder–decoder without one of their masks (section 3.2.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from regard.models.halves import Recorded, SourceEncoder, StepCache, TargetDecoder
from regard.notation import Hidden, Ids, KeyPlaces, Mask, Places, SourceIds, StepHidden, StepIds


class UnmaskedEncoder(SourceEncoder):
    """An encoder that looks at padding as at any other token."""

    def __init__(self, encoder: SourceEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, ids: SourceIds, mask: Mask | None) -> Any:
        """The memory; ``mask`` is not used."""
        return self.encoder(ids, None)

    def self_attentions(self) -> Sequence[Recorded]:
        """Those of the encoder."""
        return self.encoder.self_attentions()


class UnmaskedDecoder(TargetDecoder):
    """A decoder whose cross attention looks at the source's padding as at any other token."""

    def __init__(self, decoder: TargetDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, ids: Ids, memory: Any, memory_mask: Mask | None) -> Hidden:
        """The states of all positions; ``memory_mask`` is not used."""
        return self.decoder(ids, memory, None)

    def start(self, memory: Any, beams: int) -> Sequence[StepCache]:
        """As the decoder does."""
        return self.decoder.start(memory, beams)

    def step(self, tokens: StepIds, position: int, caches: Any, memory_mask: Mask | None) -> StepHidden:
        """The newest state; ``memory_mask`` is not used."""
        return self.decoder.step(tokens, position, caches, None)

    def self_attentions(self) -> Sequence[Recorded]:
        """Those of the decoder."""
        return self.decoder.self_attentions()

    def cross_attentions(self) -> Sequence[Recorded]:
        """Those of the decoder."""
        return self.decoder.cross_attentions()


def everything(query: Places, key: KeyPlaces) -> Mask:
    """[#B, 1, T, S]: a decoder sees all of its own text, what is still to come as well."""
    return torch.ones_like((key[:, None, :] <= query[:, :, None])[:, None])
