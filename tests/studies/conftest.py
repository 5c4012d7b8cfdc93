"""Outcomes of arms that nobody trained, and pairs small enough to train on in a test."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from regard.data.tokenizers.tokenizer import TokenizerSettings
from regard.studies.frame.arms import Outcome
from regard.studies.frame.pairs import SentencePairs, with_tokenizers
from regard.training.loop import Step


class Weightless:
    """A model of a few numbers."""

    def parameters(self) -> list[np.ndarray]:
        return []


@pytest.fixture
def outcome() -> Callable[..., Outcome]:
    """An outcome with these numbers: nats of each reference, of 10 tokens each; BLEU; greedy translations."""

    def made(
        arm: str = "arm",
        seed: int = 1,
        bleu: float = 30.0,
        nats: Sequence[float] = (20.0, 10.0),
        translations: Sequence[str] = ("a b c d", "e f g h"),
        broke: str | None = None,
    ) -> Outcome:
        curve = [Step(n, 0, 3.0 / n, 2.0 / n, 100, 1.0, 0.001, 0.5) for n in (1, 2)]
        tokens = np.full(len(nats), 10)
        return Outcome(arm, seed, Weightless(), curve, translations, bleu, np.array(nats), tokens, broke)

    return made


@pytest.fixture(scope="session")
def few_pairs() -> SentencePairs:
    """Counting: digits spelt out, source and target alike in length."""
    names = ["null", "eins", "zwei", "drei", "vier"]
    numbers = [[(7 * i + 3 * j * i + j) % 5 for j in range(2 + i % 5)] for i in range(60)]
    pairs = [(" ".join(map(str, row)), " ".join(names[digit] for digit in row)) for row in numbers]
    return with_tokenizers("counting", pairs[:50], pairs[50:], TokenizerSettings("word"))
