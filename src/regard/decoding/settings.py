"""How a model writes its output: the settings of every search, with the paper's values as defaults."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import get_type_hints

from regard.config import check, setting
from regard.errors import SettingError


@dataclass(frozen=True)
class DecodingSettings:
    """Greedy search when ``beam`` is 1, sampling when ``sample`` is on (``beam`` is then not used), else beam search.

    Lengths are in tokens. Raises SettingError where a value is out of range or two of them contradict each other.
    """

    beam: int = setting(4, help="hypotheses kept at each step (section 6.1: 4); 1 is greedy search", minimum=1)
    n_best: int = setting(1, help="outputs for each input: the best of the beam, or so many samples", minimum=1)
    length_penalty: float = setting(0.6, help="α of the length penalty (section 6.1: 0.6)", minimum=0.0)
    penalty: str = setting(
        "paper",
        help="score = log P / ((5 + length)/6)^α (paper), or log P / length^α (plain)",
        choices=("paper", "plain"),
    )
    rules: str = setting(
        "exact",
        help="exact: search until nothing better can come, a forced end costs its probability; "
        "transformers: stop and score as that library's beam search does",
        choices=("exact", "transformers"),
    )
    max_extra: int = setting(50, help="an output is at most so much longer than its input (section 6.1: 50)", minimum=0)
    max_new: int = setting(200, help="tokens that a completion adds to its prompt at most", minimum=1)
    min_length: int = setting(0, help="an output does not end before it has so many tokens", minimum=0)
    no_repeat_ngram: int = setting(0, help="no sequence of so many tokens occurs twice in an output; 0: off", minimum=0)
    repetition_penalty: float = setting(
        1.0, help="makes what was already written less likely, above 1 (Keskar et al. 2019: 1.2); 1: off"
    )
    forced_first: int | None = setting(None, help="the id that every output begins with", minimum=0)
    suppress: tuple[int, ...] = setting((), help="ids that are never written")
    ends: tuple[int, ...] = setting((), help="ids that end an output, beside the model's own")
    sample: bool = setting(False, help="draw from the model's distribution instead of searching")
    temperature: float = setting(1.0, help="divides the logits before a draw; 0 takes the likeliest", minimum=0.0)
    top_k: int = setting(0, help="draw among the k likeliest tokens; 0: all", minimum=0)
    top_p: float = setting(1.0, help="draw among the likeliest tokens that together reach this probability; 1: all")
    min_p: float = setting(
        0.0, help="draw among tokens at least this share as likely as the likeliest; 0: all", minimum=0.0
    )
    seed: int = setting(0, help="of the draws; a sentence's draw depends on the seed and its number alone", minimum=0)
    max_source: int = setting(1000, help="a longer input is refused, never cut", minimum=1)
    batch_tokens: int = setting(8192, help="source tokens × beams decoded together, padding included", minimum=1)
    threads: int = setting(
        1, help="CPU threads; 1 gives a sentence the same result in every batch; 0: leave as it is", minimum=0
    )
    engine: str = setting(
        "auto",
        help="what runs the model: native, compiled on this machine; torch; auto: native where it can",
        choices=("auto", "native", "torch"),
    )
    products: str = setting(
        "float32",
        help="numbers of the native engine's matrix products; int8 is faster, and nearly as good",
        choices=("float32", "int8"),
    )
    workers: int = setting(
        0, help="threads of the native engine, which share the sentences; 0: one for each core", minimum=0
    )

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        found = (
            check(field, hints[field.name], field.name, getattr(self, field.name)) for field in dataclasses.fields(self)
        )
        problems = [problem for problem in found if problem]
        if problems:
            raise SettingError("\n".join(problems))
        if not 0.0 < self.top_p <= 1.0:
            raise SettingError.because("top_p", self.top_p, "more than 0 and at most 1", "use 1 for all tokens")
        if self.min_p > 1.0:
            raise SettingError.because("min_p", self.min_p, "at least 0 and at most 1", "use 0 for all tokens")
        if self.repetition_penalty <= 0.0:
            raise SettingError.because("repetition_penalty", self.repetition_penalty, "more than 0", "use 1 for none")
        for name, ids in (("suppress", self.suppress), ("ends", self.ends)):
            if min(ids, default=0) < 0:
                raise SettingError.because(name, min(ids), "ids of the vocabulary, from 0", "look the piece up")
        if not self.sample and self.n_best > self.beam:
            expected = f"at most beam ({self.beam})"
            raise SettingError.because("n_best", self.n_best, expected, "raise beam or lower n_best")

    @property
    def rows(self) -> int:
        """Rows of the model that one sentence takes."""
        return self.n_best if self.sample else self.beam
