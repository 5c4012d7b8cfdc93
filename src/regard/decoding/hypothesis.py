"""One finished output of a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Hypothesis:
    """An output with what the model thinks of it.

    ``ids`` are without start and ``</s>``. ``log_probability`` is log P(output | input) in nats, ``</s>`` included, and
    ``token_log_probabilities`` are its terms (one more than ids). ``score`` is the log-probability after the length
    penalty, by which a search ranks. ``text`` is empty until a tokenizer has read the ids. A completion that its limit
    cut off has not ``ended``: it has no ``</s>``, and as many terms as ids.

    Under a repetition penalty, greedy search and sampling give the model's own log-probabilities, beam search the
    penalised ones that it ranks by.
    """

    ids: tuple[int, ...]
    log_probability: float
    score: float
    token_log_probabilities: tuple[float, ...]
    text: str = ""
    ended: bool = True


def read_hypothesis(
    written: Sequence[int], terms: Sequence[float], total: float, score: float, ends: tuple[int, ...]
) -> Hypothesis:
    """A hypothesis from its tokens, of which the last may be an end."""
    ended = written[-1] in ends
    ids = written[:-1] if ended else written
    return Hypothesis(tuple(ids), total, score, tuple(terms), ended=ended)
