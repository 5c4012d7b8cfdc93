"""A text as one vector, such that similar texts have similar vectors where the model has learnt it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import nn

from regard.decoding.inference import inference
from regard.decoding.interface import reads_one_by_one
from regard.decoding.texts import TextReader, one_length_batches
from regard.errors import SettingError
from regard.notation import Hidden, Ids

Progress = Callable[[int], None]
POOLING: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "mean": lambda hidden: hidden.mean(dim=1),  # Reimers and Gurevych 2019, section 3
    "first": lambda hidden: hidden[:, 0],
    "last": lambda hidden: hidden[:, -1],
}


@runtime_checkable
class Encoding(Protocol):
    """A model of which a part reads: an encoder before a decoder."""

    def encode(self, source: Ids) -> Hidden:
        """The state of every token."""


class Embedder:
    """A model that reads, and its tokenizer. ``pooling`` makes one vector of all tokens' states, specials included.

    "mean": their mean; "first": the first one's ([CLS]); "last": the last one's, the only one that a decoder has let
    see the whole text.
    """

    def __init__(self, model: nn.Module, tokenizer: TextReader, pooling: str = "mean") -> None:
        """Raises SettingError for a pooling that is none of the three."""
        if pooling not in POOLING:
            raise SettingError.because("pooling", repr(pooling), "one of " + ", ".join(POOLING), "use mean")
        self.module = model
        self.tokenizer = tokenizer
        self.pooling = pooling
        self._read: Callable[[Ids], Hidden] = model.encode if isinstance(model, Encoding) else model

    @torch.inference_mode()
    def embed(
        self,
        texts: Sequence[str],
        unit_length: bool = True,
        batch_tokens: int = 8192,
        threads: int = 1,
        cut: bool = False,
        progress: Progress | None = None,
    ) -> np.ndarray:
        """[texts, D]: a vector for each text, in their order, of length 1 unless told otherwise.

        The dot product of two vectors of length 1 is the cosine of the angle between them. ``progress`` is called after
        every batch with the number of texts done. Raises DataError for a text that is longer than the model's
        positions (unless they are to be ``cut``), and for one of no token at all.
        """
        found: dict[int, np.ndarray] = {}
        with inference(self.module, threads) as device:
            one_row = reads_one_by_one(self.module)
            batches = one_length_batches(
                self.module, self.tokenizer, texts, batch_tokens, device, cut=cut, one_row=one_row
            )
            for batch in batches:
                vectors = POOLING[self.pooling](self._read(batch.ids))
                if vectors.dtype not in (torch.float32, torch.float64):
                    vectors = vectors.float()
                if unit_length:
                    vectors = nn.functional.normalize(vectors, dim=1)
                found.update(zip(batch.places, vectors.cpu().numpy(), strict=True))
                if progress is not None:
                    progress(len(found))
        return np.stack([found[place] for place in range(len(texts))]) if found else np.zeros((0, 0), np.float32)
