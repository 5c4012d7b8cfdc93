"""A trained model with its tokenizers, ready for use: ``regard.load(folder)`` makes one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np

from regard.data.images.preparation import Preparation
from regard.data.tokenizers.tokenizer import Tokenizer
from regard.decoding.captioner import Captioner
from regard.decoding.classifier import Classification, Classifier
from regard.decoding.completer import Completer, Completion
from regard.decoding.detector import Detector, Found, prepared
from regard.decoding.embedder import Embedder
from regard.decoding.fill import Filler
from regard.decoding.picture_classifier import PictureClassifier
from regard.decoding.settings import DecodingSettings
from regard.decoding.tagger import Tag, Tagger
from regard.decoding.translator import Progress, Translation, Translator
from regard.errors import DataError, RunError, SettingError
from regard.models.heads import Head
from regard.models.public import Fit


@dataclass(frozen=True)
class Model:
    """A trained model. What it can do depends on its family and its head; the rest raises RunError."""

    folder: Path
    family: str
    config: Any
    module: Any
    head: Head
    tokenizers: tuple[Tokenizer, ...]
    decoding: DecodingSettings
    fit: Fit
    preparation: Preparation | None = None

    @property
    def source_tokenizer(self) -> Tokenizer:
        """That of the texts which it reads. Raises RunError where it reads none."""
        return self._tokenizers[0]

    @property
    def target_tokenizer(self) -> Tokenizer:
        """That of the texts which it writes. Raises RunError where it writes none."""
        return self._tokenizers[1]

    @property
    def _tokenizers(self) -> tuple[Tokenizer, ...]:
        self._needs("read and write text", bool(self.tokenizers))
        return self.tokenizers

    @property
    def parameters(self) -> int:
        """Trained numbers, a shared matrix counted once."""
        return sum(weight.numel() for weight in self.module.parameters())

    def settings(self, **changes: Any) -> DecodingSettings:
        """The run's decoding settings with some changed. Raises SettingError for one that does not exist."""
        try:
            return replace(self.decoding, **changes)
        except TypeError as error:
            raise SettingError.because(
                "decoding", error, "settings of decoding", "see regard translate --help"
            ) from error

    @cached_property
    def translator(self) -> Translator:
        """The model between its two tokenizers. It is kept, because it keeps the weights as its engine packed them."""
        able = hasattr(self.module, "decoder") and self.head.kind == "language" and self.preparation is None
        self._needs("translate", able)
        return Translator(self.module, self.source_tokenizer, self.target_tokenizer)

    def translate(self, texts: Sequence[str], **changes: Any) -> list[str]:
        """One translation for each text; ``changes`` are decoding settings, such as ``beam=1``."""
        return [found.text for found in self.translations(texts, self.settings(**changes))]

    def translations(
        self, texts: Sequence[str], settings: DecodingSettings | None = None, progress: Progress | None = None
    ) -> list[Translation]:
        """As ``translate``, with scores and all of ``settings.n_best``."""
        return self.translator.translate(texts, settings or self.decoding, progress)

    def summarize(self, texts: Sequence[str], **changes: Any) -> list[str]:
        """One summary for each text: the same as ``translate``, for a model that learnt summaries."""
        return self.translate(texts, **changes)

    @property
    def completer(self) -> Completer:
        """The model that writes on."""
        self._needs("complete", hasattr(self.module, "stack") and self.head.kind == "language")
        return Completer(self.module, self.source_tokenizer)

    def complete(self, prompts: Sequence[str], **changes: Any) -> list[Completion]:
        """What comes after each prompt; ``changes`` are decoding settings, such as ``max_new=50, temperature=0.8``."""
        return self.completer.complete(prompts, self.settings(**{"beam": 1, **changes}))

    def stream(self, prompt: str, **changes: Any) -> Iterator[str]:
        """The same, piece by piece as it is written."""
        return self.completer.stream(prompt, self.settings(**{"beam": 1, **changes}))

    @property
    def filler(self) -> Filler:
        """The model that guesses masked tokens."""
        able = hasattr(self.module, "encoder") and not hasattr(self.module, "decoder")
        self._needs("fill", able and self.head.kind == "language")
        return Filler(self.module, self.source_tokenizer)

    def fill(self, text: str, top: int = 5) -> Any:
        """For each mask in the text, the likeliest pieces with their probabilities."""
        return self.filler.fill(text, top)

    @property
    def classifier(self) -> Classifier:
        """The model that tells classes of texts."""
        self._needs("classify", self.head.kind == "classification" and self.preparation is None)
        return Classifier(self.module, self.source_tokenizer, self.head.labels)

    @property
    def captioner(self) -> Captioner:
        """The model that writes about pictures."""
        able = self.head.kind == "language" and self.preparation is not None
        self._needs("caption", able)
        return Captioner(self.module, cast(Preparation, self.preparation), self.target_tokenizer)

    def caption(self, pictures: Sequence[Any], language: str | None = None, **changes: Any) -> list[str]:
        """A caption for each picture, a file or opened with Pillow; ``changes`` are decoding settings."""
        return [found.text for found in self.captioner.caption(pictures, self.settings(**changes), language)]

    @property
    def detector(self) -> Detector:
        """The model that finds objects."""
        self._needs("detect", self.head.kind == "detection")
        return Detector(self.module, self.head.labels)

    def detect(self, pictures: Sequence[Any], threshold: float = 0.5) -> list[list[Found]]:
        """The objects in each picture, a file or opened with Pillow, of which the model is surer than ``threshold``."""
        self._needs("detect", self.preparation is not None)
        return self.detector.detect([prepared(one, cast(Preparation, self.preparation)) for one in pictures], threshold)

    @property
    def picture_classifier(self) -> PictureClassifier:
        """The model that tells classes of pictures."""
        able = self.head.kind == "classification" and self.preparation is not None
        self._needs("classify pictures", able)
        return PictureClassifier(self.module, cast(Preparation, self.preparation), self.head.labels)

    @property
    def tagger(self) -> Tagger:
        """The model that tells the class of each word."""
        self._needs("classify each word", self.head.kind == "tokens")
        return Tagger(self.module, self.source_tokenizer, self.head.labels)

    def classify(self, texts: Sequence[Any]) -> list[Classification] | list[list[Tag]]:
        """The class of each text, pair of texts or picture, with its probability; or that of each word of a text.

        Pictures are files or opened with Pillow. A text that is longer than the model's positions is cut, as in
        training. Raises DataError for a pair where words are classified, and for a file that is no picture.
        """
        if self.preparation is not None:
            return list(self.picture_classifier.classify(texts))
        if self.head.kind != "tokens":
            return self.classifier.classify(texts, cut=True)
        if not all(isinstance(text, str) for text in texts):
            got = "a pair of texts"
            raise DataError.because("texts", got, "single texts, whose words are classified", "leave the second out")
        return self.tagger.tag(texts, cut=True)

    def embed(self, texts: Sequence[str], pooling: str = "mean") -> np.ndarray:
        """A vector of length 1 for each text, [texts, D]; ``pooling`` is "mean", "first" or "last".

        Texts that are longer than the model's positions are cut, as in training.
        """
        return Embedder(self.module, self.source_tokenizer, pooling).embed(texts, cut=True)

    def _needs(self, action: str, able: bool) -> None:
        if not able:
            got = f"a {self.family} model with the head {self.head.kind!r}"
            raise RunError.because(self.folder, got, f"one that can {action}", "use another run, or fine-tune this one")


def public_decoding(table: Mapping[str, Any]) -> DecodingSettings:
    """How a public checkpoint wants to be decoded, from its ``generation_config.json`` or ``config.json``."""
    number = table.get("forced_bos_token_id")
    changes: dict[str, Any] = {"penalty": "plain", "rules": "transformers"}
    for ours, theirs in (
        ("beam", "num_beams"),
        ("length_penalty", "length_penalty"),
        ("no_repeat_ngram", "no_repeat_ngram_size"),
        ("min_length", "min_length"),
    ):
        if isinstance(table.get(theirs), int | float):
            changes[ours] = table[theirs]
    if isinstance(number, int):
        changes["forced_first"] = number
    return DecodingSettings(**changes)
