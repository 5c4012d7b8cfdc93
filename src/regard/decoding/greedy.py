"""Greedy search: y_t = argmax P(y | y_1 … y_{t-1}, x)."""

from __future__ import annotations

import torch

from regard.decoding.constraints import Constraints
from regard.decoding.hypothesis import Hypothesis
from regard.decoding.interface import Decodable, PerSentence
from regard.decoding.penalty import LengthPenalty
from regard.decoding.rollout import roll_out
from regard.decoding.settings import DecodingSettings
from regard.notation import ImageSource, StepIds, StepLogits


@torch.inference_mode()
def greedy_search(
    model: Decodable, source: ImageSource, limits: PerSentence, settings: DecodingSettings, continues: bool = False
) -> list[list[Hypothesis]]:
    """The likeliest token at every step, the lower id where two are equal; one hypothesis a sentence.

    ``continues``: the outputs complete their sources (``Constraints``).
    """
    constraints = Constraints.of(settings, model.eos, continues)
    return roll_out(model, source, limits, likeliest, constraints, LengthPenalty.of(settings))


def likeliest(log_probabilities: StepLogits, position: int, sentences: PerSentence) -> StepIds:
    """argmax; torch returns the first of equal ones."""
    return log_probabilities.argmax(dim=1)
