"""One finished output of a search."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Hypothesis:
    """An output with what the model thinks of it.

    ``ids`` are without start and ``</s>``. ``log_probability`` is log P(output | input) in nats, ``</s>`` included, and
    ``token_log_probabilities`` are its terms (one more than ids). ``score`` is the log-probability after the length
    penalty, by which a search ranks. ``text`` is empty until a tokenizer has read the ids.
    """

    ids: tuple[int, ...]
    log_probability: float
    score: float
    token_log_probabilities: tuple[float, ...]
    text: str = ""
