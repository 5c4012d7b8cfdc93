"""Which class a text, or a pair of texts, belongs to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from regard.decoding.inference import inference
from regard.decoding.texts import Text, TextReader, one_length_batches
from regard.errors import CheckpointError
from regard.notation import Ids

Progress = Callable[[int], None]


@runtime_checkable
class Classifying(Protocol):
    """A model with classes."""

    def classify(self, ids: Ids, types: Ids | None = None) -> Tensor:
        """The classes' logits, [B, C]."""


@dataclass(frozen=True)
class Classification:
    """The likeliest label, and the probability of each."""

    label: str
    probabilities: Mapping[str, float]

    @property
    def probability(self) -> float:
        """P(label | text)."""
        return self.probabilities[self.label]


class Classifier:
    """A model with classes, its tokenizer, and what the classes are called, in the order of the model's outputs."""

    def __init__(self, model: Classifying, tokenizer: TextReader, labels: Sequence[str]) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"the model is a {type(model).__name__}, not a torch module")
        self.model: Classifying = model
        self.module: nn.Module = model
        self.tokenizer = tokenizer
        self.labels = tuple(labels)

    @torch.inference_mode()
    def classify(
        self,
        texts: Sequence[Text],
        batch_tokens: int = 8192,
        threads: int = 1,
        cut: bool = False,
        progress: Progress | None = None,
    ) -> list[Classification]:
        """One classification for each text or pair of texts, in their order; the first of equally likely labels.

        ``progress`` is called after every batch with the number of texts done. Raises DataError for a text that is
        longer than the model's positions (unless they are to be ``cut``), CheckpointError where the model has not as
        many classes as there are labels.
        """
        found: dict[int, Classification] = {}
        with inference(self.module, threads) as device:
            batches = one_length_batches(
                self.module, self.tokenizer, texts, batch_tokens, device, cut=cut, one_row=True
            )
            for batch in batches:
                logits = self.model.classify(batch.ids, batch.types)
                if logits.shape[1:] != (len(self.labels),):
                    got = f"{len(self.labels)} labels with outputs of the shape {list(logits.shape[1:])}"
                    action = "use the labels that the model was trained with"
                    raise CheckpointError.because("classifier", got, "a label for each output", action)
                for place, row in zip(batch.places, logits.double().softmax(dim=1).tolist(), strict=True):
                    label = self.labels[row.index(max(row))]
                    found[place] = Classification(label, dict(zip(self.labels, row, strict=True)))
                if progress is not None:
                    progress(len(found))
        return [found[place] for place in range(len(texts))]
