"""What an output may not be: endless, too short, or repeating itself.

Constraints work on log-probabilities after the softmax and do not renormalise: a forbidden token gets -inf and the
others keep what the model gave them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from regard.decoding.settings import DecodingSettings
from regard.notation import StepIds, StepLogits

RowHistories = Int[Tensor, "R T"]


@dataclass(frozen=True)
class Constraints:
    """The rules for the next token of every row.

    ``limits`` bound the generated tokens with ``</s>``: at its limit a row can only end (what transformers calls
    ``forced_eos_token_id``). That end costs log P(</s>), or nothing where ``free_end`` (transformers' rule).
    """

    eos: int
    min_length: int = 0
    no_repeat_ngram: int = 0
    free_end: bool = False

    @classmethod
    def of(cls, settings: DecodingSettings, eos: int) -> Constraints:
        """The rules that the settings name."""
        free_end = settings.rules == "transformers" and not settings.sample
        return cls(eos, settings.min_length, settings.no_repeat_ngram, free_end)

    def __call__(self, log_probabilities: StepLogits, written: RowHistories, limits: StepIds) -> StepLogits:
        """The log-probabilities with every forbidden token at -inf; ``</s>`` stays where nothing else would.

        ``written`` holds the tokens of each row so far, without the start. The input is changed in place.
        """
        length = written.shape[1] + 1
        end = log_probabilities[:, self.eos].clone()
        if length <= self.min_length:
            log_probabilities[:, self.eos] = -torch.inf
        if self.no_repeat_ngram:
            forbid_repeats(log_probabilities, written, self.no_repeat_ngram)
        last = limits <= length
        if self.min_length or self.no_repeat_ngram:
            last = last | torch.isneginf(log_probabilities).all(dim=1)
        log_probabilities.masked_fill_(last[:, None], -torch.inf)
        forced = torch.where(limits <= length, 0.0, end) if self.free_end else end
        log_probabilities[:, self.eos] = torch.where(last, forced, log_probabilities[:, self.eos])
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
