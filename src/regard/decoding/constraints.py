"""What an output may not be: endless, too short, or repeating itself.

Constraints work on log-probabilities after the softmax and do not renormalise: a forbidden token gets -inf and the
others keep what the model gave them. The repetition penalty alone changes what the others have.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from regard.decoding.settings import DecodingSettings
from regard.errors import SettingError
from regard.notation import Images, StepIds, StepLogits

RowHistories = Int[Tensor, "R T"]
RowPrompts = Int[Tensor, "R before"]


@dataclass(frozen=True)
class Constraints:
    """The rules for the next token of every row.

    Where an output ``continues`` its source, as a completion does its prompt, the rules against repeats count the
    source, and a row that reaches its limit is cut off there. Otherwise ``limits`` bound the tokens with ``</s>``: at
    its limit a row can only end, by the first of ``ends`` (what transformers calls ``forced_eos_token_id``). That end,
    and a forced first token, cost their log-probability, or nothing where ``free`` (transformers' rule).
    """

    ends: tuple[int, ...]
    min_length: int = 0
    no_repeat_ngram: int = 0
    repetition_penalty: float = 1.0
    forced_first: int | None = None
    suppress: tuple[int, ...] = ()
    free: bool = False
    continues: bool = False

    @classmethod
    def of(cls, settings: DecodingSettings, eos: int, continues: bool = False) -> Constraints:
        """The rules that the settings name, for a model that ends its outputs with ``eos``."""
        return cls(
            (eos, *(end for end in settings.ends if end != eos)),
            settings.min_length,
            settings.no_repeat_ngram,
            settings.repetition_penalty,
            settings.forced_first,
            settings.suppress,
            settings.rules == "transformers" and not settings.sample,
            continues,
        )

    def fit(self, size: int) -> None:
        """Raise SettingError where one of the ids is none of a vocabulary of this size."""
        named = {"forced_first": (self.forced_first or 0,), "suppress": self.suppress, "ends": self.ends}
        for name, ids in named.items():
            if max(ids, default=0) >= size:
                raise SettingError.because(name, max(ids), f"ids below {size}, the vocabulary's size", "look it up")

    def before(self, source: Int[Tensor, "R S"] | Images, first: StepIds) -> RowPrompts:
        """What stands before each row's output: its prompt, or the id that its decoder is fed first."""
        return source if self.continues else first[:, None]

    def history(self, before: RowPrompts, written: RowHistories) -> Int[Tensor, "R all"]:
        """All that the model has been fed of each row's text."""
        return torch.cat([before, written], dim=1)

    def __call__(
        self, log_probabilities: StepLogits, before: RowPrompts, written: RowHistories, limits: StepIds
    ) -> StepLogits:
        """The log-probabilities with every forbidden token at -inf; ``</s>`` stays where nothing else would.

        ``written`` holds the tokens of each row so far. The input is changed in place.
        """
        length = written.shape[1] + 1
        ends = list(self.ends)
        untouched = log_probabilities[:, ends].clone()
        if length == 1 and self.forced_first is not None:
            self._force(log_probabilities, self.forced_first)
            return self._end(log_probabilities, untouched[:, 0], limits, length)
        if self.no_repeat_ngram:  # to end is not to repeat
            known = self.history(before, written) if self.continues else written
            forbid_repeats(log_probabilities, known, self.no_repeat_ngram)
            log_probabilities[:, ends] = untouched
        if self.suppress:
            log_probabilities[:, list(self.suppress)] = -torch.inf
        if length <= self.min_length:
            log_probabilities[:, ends] = -torch.inf
        return self._end(log_probabilities, untouched[:, 0], limits, length)

    def _force(self, log_probabilities: StepLogits, token: int) -> None:
        kept = log_probabilities[:, token].clone()
        log_probabilities.fill_(-torch.inf)
        log_probabilities[:, token] = 0.0 if self.free else kept

    def _end(self, log_probabilities: StepLogits, end: Tensor, limits: StepIds, length: int) -> StepLogits:
        """Where the limit is reached, or nothing else is left, ``</s>`` alone."""
        at_limit = torch.zeros_like(limits, dtype=torch.bool) if self.continues else limits <= length
        last = at_limit
        if self.min_length or self.no_repeat_ngram or self.suppress:
            last = last | torch.isneginf(log_probabilities).all(dim=1)
        if not bool(last.any()):
            return log_probabilities
        log_probabilities.masked_fill_(last[:, None], -torch.inf)
        forced = torch.where(at_limit, 0.0, end) if self.free else end
        log_probabilities[:, self.ends[0]] = torch.where(last, forced, log_probabilities[:, self.ends[0]])
        return log_probabilities


def forbid_repeats(log_probabilities: StepLogits, written: RowHistories, size: int) -> None:
    """Put -inf, in place, on every token that would complete an n-gram of this size that its row already holds."""
    if written.shape[1] < size:
        return
    ngrams = written.unfold(1, size, 1)  # [R, T - size + 1, size]
    opening = written[:, written.shape[1] - size + 1 :]
    repeated = (ngrams[:, :, :-1] == opening[:, None, :]).all(dim=2)
    rows, places = repeated.nonzero(as_tuple=True)
    log_probabilities[rows, ngrams[rows, places, -1]] = -torch.inf


def penalise_repeats(scores: StepLogits, history: RowHistories, factor: float) -> StepLogits:
    """X / factor where x > 0 and x · factor where x < 0, in place, of every token that its row already holds.

    Keskar et al. 2019, section 4.1, with the sign rule of transformers. On logits, before the softmax, in greedy search
    and sampling; on log-probabilities, which are all below 0, in beam search: both as transformers does.
    """
    found = scores.gather(1, history)
    return scores.scatter_(1, history, torch.where(found < 0, found * factor, found / factor))
