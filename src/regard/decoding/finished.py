"""The ended hypotheses of a beam search: of each sentence the best few."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from regard.decoding.hypothesis import Hypothesis, read_hypothesis
from regard.decoding.interface import Places
from regard.decoding.live import Candidates, Live
from regard.notation import StepLogits

Slots = Float[Tensor, "B slots"]
SlotIds = Int[Tensor, "B slots"]
SlotHistories = Int[Tensor, "B slots T"]
SlotLogs = Float[Tensor, "B slots T"]


@dataclass(frozen=True)
class Finished:
    """The best ended hypotheses of each sentence, best first; a score of -inf marks a free slot."""

    tokens: SlotHistories
    logs: SlotLogs
    lengths: SlotIds
    totals: Slots
    scores: Slots

    @classmethod
    def start(cls, sentences: int, slots: int, like: StepLogits) -> Finished:
        """Nothing but free slots."""
        lengths = torch.zeros((sentences, slots), dtype=torch.int64, device=like.device)
        free = like.new_full((sentences, slots), -torch.inf)
        return cls(lengths.new_empty((sentences, slots, 0)), free.new_empty((sentences, slots, 0)), lengths, free, free)

    def merge(self, live: Live, candidates: Candidates, beam: int, penalty: Tensor) -> Finished:
        """With the candidates that end now and rank among the first ``beam``; at equal score the older one stays first.

        Were lower ranks let in, a beam of 1 would end at the second best ``</s>``. ``penalty`` is lp(present length).
        """
        slots = self.scores.shape[1]
        ended = candidates.ended[:, :beam]
        totals = candidates.totals[:, :beam].masked_fill(~ended, -torch.inf)
        first = torch.arange(beam, device=totals.device).expand_as(candidates.parents[:, :beam])
        tokens, logs = live.extend(candidates, first)
        lengths = torch.full_like(first, candidates.length)
        scores = torch.cat([self.scores, totals / penalty], dim=1)
        order = scores.sort(dim=1, descending=True, stable=True).indices[:, :slots]
        places = torch.arange(len(order), device=order.device)[:, None]
        return Finished(
            torch.cat([_lengthen(self.tokens), tokens], dim=1)[places, order],
            torch.cat([_lengthen(self.logs), logs], dim=1)[places, order],
            torch.cat([self.lengths, lengths], dim=1).gather(1, order),
            torch.cat([self.totals, totals], dim=1).gather(1, order),
            scores.gather(1, order),
        )

    def keep(self, places: Places) -> Finished:
        """Only the sentences at these places."""
        return Finished(
            self.tokens[places], self.logs[places], self.lengths[places], self.totals[places], self.scores[places]
        )

    def read(self, place: int, ends: tuple[int, ...]) -> list[Hypothesis]:
        """The hypotheses of one sentence, best first."""
        columns = (self.lengths, self.totals, self.scores, self.tokens, self.logs)
        slots = zip(*(column[place].tolist() for column in columns), strict=True)
        return [
            read_hypothesis(tokens[:length], logs[:length], total, score, ends)
            for length, total, score, tokens, logs in slots
            if score > -torch.inf
        ]


def _lengthen(histories: Tensor) -> Tensor:
    """One more position, which no finished hypothesis reads."""
    return torch.cat([histories, histories.new_zeros((*histories.shape[:2], 1))], dim=2)
