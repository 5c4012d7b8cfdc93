"""A model of the transformer family with all masks, and the same without one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from regard.models.vocabulary import Vocabulary
from regard.studies.frame.arms import of_family
from regard.studies.unmasked.halves import UnmaskedDecoder, UnmaskedEncoder, everything

ALL, AHEAD = "all masks", "no look-ahead mask"
ENCODER, CROSS = "encoder sees padding", "cross attention sees padding"


def without(name: str, settings: Mapping[str, Any]) -> Callable[[Vocabulary], Any]:
    """How a model without the mask of this name is built, with the same weights as the one with all masks."""
    whole = of_family("transformer", settings)

    def build(vocabulary: Vocabulary) -> Any:
        model = whole(vocabulary)
        if name == AHEAD:
            model.decoder.sees = everything
        elif name == ENCODER:
            model.encoder = UnmaskedEncoder(model.encoder)
        elif name == CROSS:
            model.decoder = UnmaskedDecoder(model.decoder)
        return model

    return build
