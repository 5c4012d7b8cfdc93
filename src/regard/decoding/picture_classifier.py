"""Which class a picture belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from regard.data.images.picture import opened
from regard.data.images.preparation import Preparation, stacked
from regard.decoding.classifier import Classification
from regard.decoding.inference import inference
from regard.tasks.image_classification import PictureClassifier as Classifying

LEAST = 4  # pictures of a batch: fewer rows would be added up in another order, and the last bits differ
BATCH = 64


class PictureClassifier:
    """A model with classes, what is done with a picture before it, and what the classes are called."""

    def __init__(self, model: Classifying, preparation: Preparation, labels: Sequence[str]) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"the model is a {type(model).__name__}, not a torch module")
        self.model: Classifying = model
        self.module: nn.Module = model
        self.preparation = preparation
        self.labels = tuple(labels)

    def classify(self, pictures: Iterable[Path | str | Image.Image], threads: int = 1) -> Iterator[Classification]:
        """One classification for each picture, or file of one, in their order; batches do not change a bit of it.

        Raises DataError for a file that is no whole picture, when its batch is read.
        """
        remaining = iter(pictures)
        while some := list(islice(remaining, BATCH)):
            yield from self._batch([self.preparation.pixels(opened(one)) for one in some], threads)

    @torch.inference_mode()
    def _batch(self, pixels: list[np.ndarray], threads: int) -> list[Classification]:
        filled = pixels + pixels[-1:] * (LEAST - len(pixels))
        with inference(self.module, threads) as device:
            logits = self.model.classify(self.preparation.images(stacked(filled).to(device)))
        shares = logits.double().softmax(1).tolist()[: len(pixels)]
        found = [dict(zip(self.labels, row, strict=True)) for row in shares]
        return [Classification(max(one, key=lambda label: one[label]), one) for one in found]
