"""One token after another without going back: the loop that greedy search and sampling share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from regard.decoding.constraints import Constraints, RowPrompts, penalise_repeats
from regard.decoding.hypothesis import Hypothesis, read_hypothesis
from regard.decoding.interface import Decodable, PerSentence, ended_by
from regard.decoding.penalty import LengthPenalty
from regard.decoding.roster import Roster, read_at_once
from regard.errors import CheckpointError
from regard.notation import ImageSource, StepIds, StepLogits

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


@dataclass(frozen=True)
class Step:
    """One token more: of every row, and the sentences that are now finished with all that was written for them."""

    tokens: StepIds
    finished: list[tuple[int, list[Hypothesis]]]


def roll_out(
    model: Decodable,
    source: ImageSource,
    limits: PerSentence,
    choose: Choose,
    constraints: Constraints,
    penalty: LengthPenalty,
    rows_each: int = 1,
) -> list[list[Hypothesis]]:
    """Write ``rows_each`` outputs for every source; what the parameters are says ``steps``."""
    results: list[list[Hypothesis]] = [[] for _ in range(len(source))]
    for step in steps(model, source, limits, choose, constraints, penalty, rows_each):
        for sentence, hypotheses in step.finished:
            results[sentence] = hypotheses
    return results


@torch.inference_mode()
def steps(
    model: Decodable,
    source: ImageSource,
    limits: PerSentence,
    choose: Choose,
    constraints: Constraints,
    penalty: LengthPenalty,
    rows_each: int = 1,
) -> Iterator[Step]:
    """Write ``rows_each`` outputs for every source, a token of each at a time.

    ``choose(log-probabilities, position, sentence of each row)`` picks the tokens. ``limits`` bound the generated
    tokens of each sentence, ``</s>`` included.
    """
    read_each = read_at_once(model, source, constraints.continues)
    roster = Roster(len(source), rows_each, source.device, read_each)
    state = model.start_decoding(source[roster.sentences], rows_each)
    limits = limits[roster.sentences].repeat_interleave(rows_each)
    logits = model.step(state.first, state)
    constraints.fit(logits.shape[1])
    before = constraints.before(source[roster.sentences].repeat_interleave(rows_each, dim=0), state.first)
    written = limits.new_empty((len(limits), 0))
    logs = log_probabilities(logits)[:, :0]
    ended = torch.zeros_like(limits, dtype=torch.bool)
    while True:
        priced, allowed = _next(logits, constraints, before, written, limits)
        tokens = choose(allowed, written.shape[1], roster.sentences.repeat_interleave(rows_each))
        logs = torch.cat([logs, priced.gather(1, tokens[:, None])], dim=1)
        written = torch.cat([written, tokens[:, None]], dim=1)
        ended = ended | ended_by(tokens, constraints.ends) | (limits <= written.shape[1])
        gone, places = roster.leave(ended.view(-1, rows_each).all(dim=1))
        finished = []
        for place, sentence in gone:
            rows = slice(place * rows_each, (place + 1) * rows_each)
            finished.append((sentence, _read(written[rows], logs[rows], constraints.ends, penalty)))
        yield Step(tokens, finished)
        if places is not None:
            if len(places) == 0:
                return
            state.keep(places)
            kept = (places[:, None] * rows_each + torch.arange(rows_each, device=places.device)).flatten()
            tokens, before, written = tokens[kept], before[kept], written[kept]
            logs, ended, limits = logs[kept], ended[kept], limits[kept]
        logits = model.step(tokens, state)


def _next(
    logits: StepLogits, constraints: Constraints, before: RowPrompts, written: Written, limits: StepIds
) -> tuple[StepLogits, StepLogits]:
    """What each token that may come next costs, and what is chosen by: the same, but for the repetition penalty."""
    priced = constraints(log_probabilities(logits), before, written, limits)
    if constraints.repetition_penalty == 1.0:
        return priced, priced
    history = constraints.history(before, written)
    penalised = penalise_repeats(logits.to(priced.dtype, copy=True), history, constraints.repetition_penalty)
    return priced, constraints(log_probabilities(penalised), before, written, limits)


def _read(written: Written, logs: WrittenLogs, ends: tuple[int, ...], penalty: LengthPenalty) -> list[Hypothesis]:
    hypotheses = []
    for ids, terms in zip(written.tolist(), logs.tolist(), strict=True):
        length = next((place for place, token in enumerate(ids, start=1) if token in ends), len(ids))
        total = sum(terms[:length])
        hypotheses.append(read_hypothesis(ids[:length], terms[:length], total, total / penalty(length), ends))
    return hypotheses
