"""The unfinished hypotheses of a beam search, and the candidates that they are extended to."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from regard.decoding.interface import (
    BeamIds,
    Beams,
    Histories,
    HistoryLogs,
    OptionFlags,
    OptionIds,
    Options,
    PerSentence,
    Places,
    SentenceFlags,
    ended_by,
)
from regard.decoding.ranking import best
from regard.notation import StepIds, StepLogits


@dataclass(frozen=True)
class Candidates:
    """The best continuations of each sentence at one step, best first: all that a drawing of the search needs.

    ``length`` counts the tokens, this step's included. ``parents`` are ranks among the live hypotheses before this
    step. ``survivors`` are the columns that live on, in the order of the ranks that they then have. ``totals`` are sums
    of ``logs`` along each hypothesis; -inf marks a column that is no hypothesis.
    """

    length: int
    sentences: PerSentence
    parents: OptionIds
    tokens: OptionIds
    logs: Options
    totals: Options
    ended: OptionFlags
    survivors: BeamIds


@dataclass(frozen=True)
class Live:
    """The k unfinished hypotheses of each sentence, best first; a total of -inf marks an empty place.

    ``parents`` are the ranks that they continue.
    """

    tokens: Histories
    logs: HistoryLogs
    totals: Beams
    parents: BeamIds

    @classmethod
    def start(cls, sentences: int, beam: int, like: StepLogits) -> Live:
        """One empty hypothesis a sentence."""
        totals = like.new_full((sentences, beam), -torch.inf)
        totals[:, 0] = 0.0
        parents = torch.zeros((sentences, beam), dtype=torch.int64, device=like.device)
        return cls(parents.new_empty((sentences, beam, 0)), like.new_empty((sentences, beam, 0)), totals, parents)

    def expand(
        self, log_probabilities: StepLogits, sentences: PerSentence, ends: tuple[int, ...], cut: SentenceFlags
    ) -> Candidates:
        """The 2k best continuations, given log P(next token) of every row; with e ``ends``, the (1 + e)·k best.

        Where a sentence is ``cut``, all of them end here.
        Equal totals rank by their parent's rank, then by the token's own probability, then by the lower id.
        """
        count, beam = self.totals.shape
        wanted = (1 + len(ends)) * beam
        each = min(wanted, log_probabilities.shape[1])
        rows = best(log_probabilities, each)
        sums = (self.totals.view(-1, 1) + rows.values).view(count, beam * each)
        totals, columns = best(sums, min(wanted, beam * each))
        tokens = rows.columns.view(count, -1).gather(1, columns)
        logs = rows.values.view(count, -1).gather(1, columns)
        ended = ended_by(tokens, ends) | cut[:, None]
        survivors = ended.to(torch.int8).sort(dim=1, stable=True).indices[:, :beam]
        length = self.tokens.shape[2] + 1
        return Candidates(length, sentences, columns // each, tokens, logs, totals, ended, survivors)

    def advance(self, candidates: Candidates) -> Live:
        """The hypotheses that the surviving candidates are; none of them has ended, unless all have."""
        chosen = candidates.survivors
        tokens, logs = self.extend(candidates, chosen)
        return Live(tokens, logs, candidates.totals.gather(1, chosen), candidates.parents.gather(1, chosen))

    def extend(self, candidates: Candidates, chosen: BeamIds) -> tuple[Histories, HistoryLogs]:
        """Tokens and their log-probabilities of the chosen candidates: their parent's, and one more."""
        places = torch.arange(len(chosen), device=chosen.device)[:, None]
        parents = candidates.parents.gather(1, chosen)
        tokens = torch.cat([self.tokens[places, parents], candidates.tokens.gather(1, chosen)[:, :, None]], dim=2)
        logs = torch.cat([self.logs[places, parents], candidates.logs.gather(1, chosen)[:, :, None]], dim=2)
        return tokens, logs

    def keep(self, places: Places) -> Live:
        """Only the sentences at these places."""
        return Live(self.tokens[places], self.logs[places], self.totals[places], self.parents[places])

    def newest(self) -> StepIds:
        """The last token of every row."""
        return self.tokens[:, :, -1].flatten()

    def rows_before(self) -> StepIds:
        """The row that every row continues."""
        count, beam = self.parents.shape
        return (torch.arange(count, device=self.parents.device)[:, None] * beam + self.parents).flatten()
