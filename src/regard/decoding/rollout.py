"""One token after another without going back: the loop that greedy search and sampling share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from regard.decoding.constraints import Constraints
from regard.decoding.hypothesis import Hypothesis
from regard.decoding.interface import Decodable, PerSentence
from regard.decoding.penalty import LengthPenalty
from regard.decoding.roster import Roster
from regard.errors import CheckpointError
from regard.notation import SourceIds, StepIds, StepLogits

Choose = Callable[[StepLogits, int, PerSentence], StepIds]
Written = Int[Tensor, "R T"]
WrittenLogs = Float[Tensor, "R T"]


def log_probabilities(logits: StepLogits) -> StepLogits:
    """Log softmax, in float32 at least. Raises CheckpointError where a logit is not a number."""
    kind = torch.float64 if logits.dtype == torch.float64 else torch.float32
    found = torch.log_softmax(logits, dim=-1, dtype=kind)
    if bool(found[:, 0].isnan().any()):  # one such logit makes its whole row so
        action = "look for a weight that is not a number, or for training that diverged"
        raise CheckpointError.because("model", "logits that are no numbers", "finite ones", action)
    return found


def roll_out(
    model: Decodable,
    source: SourceIds,
    limits: PerSentence,
    choose: Choose,
    constraints: Constraints,
    penalty: LengthPenalty,
    rows_each: int = 1,
) -> list[list[Hypothesis]]:
    """Write ``rows_each`` outputs for every source.

    ``choose(log-probabilities, position, sentence of each row)`` picks the tokens. ``limits`` bound the generated
    tokens of each sentence, ``</s>`` included.
    """
    roster = Roster(len(source), rows_each, source.device)
    state = model.start_decoding(source[roster.sentences], rows_each)
    limits = limits[roster.sentences].repeat_interleave(rows_each)
    log = log_probabilities(model.step(torch.full_like(limits, model.start), state))
    written, logs = limits.new_empty((len(limits), 0)), log.new_empty((len(limits), 0))
    ended = torch.zeros_like(limits, dtype=torch.bool)
    results: list[list[Hypothesis]] = [[] for _ in range(len(source))]
    while True:
        allowed = constraints(log, written, limits)
        tokens = choose(allowed, written.shape[1], roster.sentences.repeat_interleave(rows_each))
        logs = torch.cat([logs, allowed.gather(1, tokens[:, None])], dim=1)
        written = torch.cat([written, tokens[:, None]], dim=1)
        ended = ended | (tokens == model.eos)
        gone, places = roster.leave(ended.view(-1, rows_each).all(dim=1))
        for place, sentence in gone:
            rows = slice(place * rows_each, (place + 1) * rows_each)
            results[sentence] = _read(written[rows], logs[rows], model.eos, penalty)
        if places is not None:
            if len(places) == 0:
                return results
            state.keep(places)
            rows_kept = (places[:, None] * rows_each + torch.arange(rows_each, device=places.device)).flatten()
            tokens, written, logs, ended, limits = (x[rows_kept] for x in (tokens, written, logs, ended, limits))
        log = log_probabilities(model.step(tokens, state))


def _read(written: Written, logs: WrittenLogs, eos: int, penalty: LengthPenalty) -> list[Hypothesis]:
    hypotheses = []
    for ids, terms in zip(written.tolist(), logs.tolist(), strict=True):
        length = ids.index(eos) + 1
        total = sum(terms[:length])
        hypotheses.append(Hypothesis(tuple(ids[: length - 1]), total, total / penalty(length), tuple(terms[:length])))
    return hypotheses
