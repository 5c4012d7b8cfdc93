"""From pictures to captions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from regard.data.images.picture import opened
from regard.data.images.preparation import Preparation, stacked
from regard.data.languages import id_of
from regard.data.tokenizers.tokenizer import Tokenizer
from regard.decoding.batches import SourceBatch
from regard.decoding.hypothesis import Hypothesis
from regard.decoding.inference import inference
from regard.decoding.interface import Decodable
from regard.decoding.search import search
from regard.decoding.settings import DecodingSettings
from regard.decoding.translator import Translation

PAPER = DecodingSettings()
BATCH = 32


class Captioner:
    """A model that writes about pictures, what is done with a picture before it, and its words."""

    def __init__(self, model: Decodable, preparation: Preparation, tokenizer: Tokenizer) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"the model is a {type(model).__name__}, not a torch module")
        self.model: Decodable = model
        self.module: nn.Module = model
        self.preparation = preparation
        self.tokenizer = tokenizer

    def caption(
        self,
        pictures: Iterable[Path | str | Image.Image],
        settings: DecodingSettings = PAPER,
        language: str | None = None,
    ) -> Iterator[Translation]:
        """The captions of each picture, or file of one, in their order: at most ``max_extra`` tokens long.

        Raises SettingError where the model does not know the ``language``, or must be told one; DataError for a file
        that is no whole picture, when its batch is read.
        """
        settings = self.settled(settings, language)
        remaining = enumerate(pictures)
        while some := list(islice(remaining, BATCH)):
            pixels = [self.preparation.pixels(opened(picture)) for _, picture in some]
            images = self.preparation.images(stacked(pixels))
            yield from self.of_images(images, torch.tensor([number for number, _ in some]), settings)

    def settled(self, settings: DecodingSettings, language: str | None) -> DecodingSettings:
        """The settings for captions in a language. Raises SettingError as ``caption``."""
        return replace(settings, forced_first=id_of(language, self.tokenizer))

    def of_images(self, images: Tensor, numbers: Tensor, settings: DecodingSettings) -> list[Translation]:
        """The same for prepared pictures [B, 3, height, width], which have ``numbers`` (samples go by them)."""
        limits = torch.full((len(images),), settings.max_extra)
        with inference(self.module, settings.threads) as device:
            batch = SourceBatch(numbers.to(device), images.to(device), limits.to(device))
            found = search(self.model, batch, settings)
        first = settings.forced_first
        return [Translation(tuple(self._read(one, first) for one in hypotheses)) for hypotheses in found]

    def _read(self, hypothesis: Hypothesis, tag: int | None) -> Hypothesis:
        ids = hypothesis.ids
        words = ids[1:] if ids and ids[0] == tag else ids
        return replace(hypothesis, text=" ".join(self.tokenizer.decode(words).split("\n")))
