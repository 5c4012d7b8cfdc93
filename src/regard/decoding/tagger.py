"""Which class each word of a text belongs to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from regard.data.labels import WORD, PieceCounter, SpanTokenizer
from regard.data.template import Template
from regard.decoding.inference import inference
from regard.decoding.texts import TextReader, one_length_batches
from regard.errors import CheckpointError
from regard.notation import Ids

Progress = Callable[[int], None]


@runtime_checkable
class TokenClassifying(Protocol):
    """A model with classes of each token."""

    def classify(self, ids: Ids, types: Ids | None = None) -> Tensor:
        """The classes' logits, [B, T, C]."""


@runtime_checkable
class WordReader(TextReader, SpanTokenizer, Protocol):
    """A tokenizer that says where its pieces stand."""


@dataclass(frozen=True)
class Tag:
    """The likeliest label of a word, and its probability."""

    word: str
    label: str
    probability: float


class Tagger:
    """A model with classes of each token, its tokenizer, and what the classes are called."""

    def __init__(self, model: TokenClassifying, tokenizer: WordReader, labels: Sequence[str]) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"the model is a {type(model).__name__}, not a torch module")
        self.model: TokenClassifying = model
        self.module: nn.Module = model
        self.tokenizer = tokenizer
        self.labels = tuple(labels)
        self._before = len(Template.of(tokenizer.wrap).before)

    @torch.inference_mode()
    def tag(
        self,
        texts: Sequence[str],
        batch_tokens: int = 8192,
        threads: int = 1,
        cut: bool = False,
        progress: Progress | None = None,
    ) -> list[list[Tag]]:
        """A tag for each word between white space of each text; the word's first piece decides, as in training.

        A word without a piece is judged where its piece would stand; with ``cut``, words beyond the model's positions
        by the last token there is. Raises DataError for a longer text without ``cut``, CheckpointError where the model
        has not as many classes as there are labels.
        """
        counts = PieceCounter(self.tokenizer).encode_batch(texts)
        found: dict[int, list[Tag]] = {}
        with inference(self.module, threads) as device:
            for batch in one_length_batches(self.module, self.tokenizer, texts, batch_tokens, device, cut=cut):
                logits = self.model.classify(batch.ids, batch.types)
                if logits.shape[2:] != (len(self.labels),):
                    got = f"{len(self.labels)} labels with outputs of the shape {list(logits.shape[1:])}"
                    action = "use the labels that the model was trained with"
                    raise CheckpointError.because("tagger", got, "a label for each output of a token", action)
                best = logits.double().softmax(dim=2).max(dim=2)
                for place, chances, classes in zip(batch.places, best.values, best.indices, strict=True):
                    at = self._first_pieces(counts[place], len(chances))
                    found[place] = self._tags(texts[place], chances[at].tolist(), classes[at].tolist())
                if progress is not None:
                    progress(len(found))
        return [found[place] for place in range(len(texts))]

    def _first_pieces(self, counts: Sequence[int], length: int) -> list[int]:
        places, at = [], self._before
        for count in counts:
            places.append(min(at, length - 1))
            at += count
        return places

    def _tags(self, text: str, chances: Sequence[float], classes: Sequence[int]) -> list[Tag]:
        words = WORD.findall(text)
        return [Tag(word, self.labels[one], p) for word, p, one in zip(words, chances, classes, strict=True)]
