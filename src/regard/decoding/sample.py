"""Sampling: tokens drawn from the model's distribution, after temperature, top-k, top-p and min-p.

A draw is one uniform number u turned into a token by the inverse of the cumulative distribution. The numbers of
sentence i, sample j come from a generator seeded by (seed, i, j) alone: whatever is decoded beside it, a sentence draws
the same u.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from regard.decoding.constraints import Constraints
from regard.decoding.greedy import likeliest
from regard.decoding.hypothesis import Hypothesis
from regard.decoding.interface import Decodable, PerSentence
from regard.decoding.penalty import LengthPenalty
from regard.decoding.rollout import Choose, roll_out
from regard.decoding.settings import DecodingSettings
from regard.notation import ImageSource, StepIds, StepLogits

Noise = Float[Tensor, "B samples T"]
Uniform = Float[Tensor, " R"]


@torch.inference_mode()
def sample(
    model: Decodable,
    source: ImageSource,
    limits: PerSentence,
    settings: DecodingSettings,
    numbers: PerSentence,
    continues: bool = False,
) -> list[list[Hypothesis]]:
    """Draw ``n_best`` outputs a sentence, in the order of drawing.

    ``numbers`` say which sentence of the whole input each is, for the seeds. The log-probabilities of the hypotheses
    are the model's own, before temperature, top-k, top-p and min-p. ``continues``: the outputs complete their sources
    (``Constraints``).
    """
    constraints = Constraints.of(settings, model.eos, continues)
    choose = chooser(settings, limits, numbers)
    return roll_out(model, source, limits, choose, constraints, LengthPenalty.of(settings), settings.n_best)


def chooser(settings: DecodingSettings, limits: PerSentence, numbers: PerSentence) -> Choose:
    """How the settings pick a token: by a draw, or the likeliest."""
    if not settings.sample or settings.temperature == 0:
        return likeliest
    noise = uniform_noise(settings, int(limits.max()), numbers)

    def choose(log_probabilities: StepLogits, position: int, sentences: PerSentence) -> StepIds:
        places = torch.arange(len(sentences), device=sentences.device) % settings.n_best
        warmed = log_probabilities.double() / settings.temperature
        allowed = narrow(warmed, settings.top_k, settings.top_p, settings.min_p)
        return draw(allowed, noise[sentences, places, position])

    return choose


def uniform_noise(settings: DecodingSettings, positions: int, numbers: PerSentence) -> Noise:
    """Numbers in [0, 1): u[i, j, t] depends on (seed, number of sentence i, j, t) alone."""
    drawn = [
        [np.random.default_rng([settings.seed, number, j]).random(positions) for j in range(settings.n_best)]
        for number in numbers.tolist()
    ]
    return torch.tensor(np.array(drawn), device=numbers.device)


def narrow(logits: StepLogits, top_k: int, top_p: float, min_p: float = 0.0) -> StepLogits:
    """Normalised log-probabilities of the tokens that may be drawn, -inf for the others.

    First the ``top_k`` likeliest, then of these the fewest likeliest that together reach ``top_p``, at least one; among
    equal tokens the lower id comes first. Then, of these, those at least ``min_p`` times as likely as the likeliest
    (Nguyen et al. 2024, section 3).
    """
    if min_p > 0.0:
        logits = narrow(logits, top_k, top_p)
        least = logits.amax(dim=1, keepdim=True) + math.log(min_p)
        return torch.log_softmax(logits.masked_fill(logits < least, -torch.inf), dim=1)
    if top_k == 0 and top_p >= 1.0:
        return torch.log_softmax(logits, dim=1)
    ordered, order = logits.sort(dim=1, descending=True, stable=True)
    if top_k:
        ordered[:, top_k:] = -torch.inf
    if top_p < 1.0:
        probabilities = ordered.softmax(dim=1)
        before = probabilities.cumsum(dim=1) - probabilities
        ordered = ordered.masked_fill(before >= top_p, -torch.inf)
    return torch.log_softmax(torch.full_like(logits, -torch.inf).scatter(1, order, ordered), dim=1)


def draw(log_probabilities: StepLogits, uniform: Uniform) -> StepIds:
    """The first token whose cumulative probability is above u; one of probability 0 is never drawn."""
    cumulative = log_probabilities.exp().cumsum(dim=1)
    threshold = uniform[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, threshold, right=True)[:, 0]
