"""ROUGE (Lin 2004) by the package rouge-score: how many words, pairs of words, and words in order a summary shares.

ROUGE-1 and ROUGE-2 are F1 over single words and pairs, ROUGE-L over the longest common subsequence, each averaged over
the summaries and 0–100. The package's own words are lower-case runs of a–z and 0–9: whatever else a text consists of
(Korean, Russian, an ``ü``) is dropped. ``words="unicode"`` splits by ``unicode_words`` instead.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from regard.errors import DataError, SettingError
from regard.evaluation.interval import bootstrap_means
from regard.evaluation.scores import Score, interval_text

WORDS = ("rouge-score", "unicode")
METRICS = {"rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L"}
UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")  # no blanks between words
DROPPED = 0.02  # of the letters and digits, from which share on their loss is remarked


@dataclass(frozen=True)
class Summaries:
    """The three scores of one system's summaries; ``notes`` are sentences that a reader of them should know."""

    rouge1: Score
    rouge2: Score
    rougel: Score
    lines: int
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The scores as plain values for JSON."""
        return {**asdict(self), "notes": list(self.notes)}

    def rows(self) -> list[tuple[str, str, str, str]]:
        """A table: metric, score, 95 % interval, signature."""
        scores = (self.rouge1, self.rouge2, self.rougel)
        return [(score.name, f"{score.score:.2f}", interval_text(score), score.signature) for score in scores]


class UnicodeWords:
    """``unicode_words`` as rouge-score wants a tokenizer."""

    def tokenize(self, text: str) -> list[str]:
        """The words of ``text``."""
        return unicode_words(text)


def rouge(
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    words: str = "rouge-score",
    stemmer: bool = False,
    bootstrap: int = 1000,
    seed: int = 12345,
) -> Summaries:
    """ROUGE-1, -2 and -L of each summary against its reference, averaged; 0 resamples leave the intervals out.

    ``words`` is "rouge-score" (English; what papers report) or "unicode" (any script); ``stemmer`` joins English
    endings (Porter), as many papers do, and goes with "rouge-score" alone. Raises DataError for unequal or no lines,
    SettingError for other words and for a stemmer of Unicode words.
    """
    from rouge_score.rouge_scorer import RougeScorer

    _check(hypotheses, references, words, stemmer)
    own = UnicodeWords() if words == "unicode" else None
    scorer = RougeScorer(list(METRICS), use_stemmer=stemmer, tokenizer=own)
    lines = [scorer.score(reference, text) for text, reference in zip(hypotheses, references, strict=True)]
    scores = {}
    for key, name in METRICS.items():
        values = 100 * np.array([line[key].fmeasure for line in lines])
        mean = half_width = None
        if bootstrap:
            means = bootstrap_means(values, bootstrap, seed)
            low, high = np.percentile(means, [2.5, 97.5])
            mean, half_width = float(means.mean()), float(high - low) / 2
        signature = _signature(words, stemmer, bootstrap, seed)
        scores[key.lower()] = Score(name, float(values.mean()), mean, half_width, signature)
    return Summaries(**scores, lines=len(lines), notes=_notes(references, words))


def unicode_words(text: str) -> list[str]:
    """Lower-case words of any script: runs of letters, digits and the marks on them (Unicode L, N, M).

    Where a script puts no blanks between words (Chinese, Japanese, Thai …), each letter with its marks is one.
    """
    words: list[str] = []
    before = ""  # what the last letter was: part of a "run", "single", or nothing that goes on
    for letter in unicodedata.normalize("NFC", text).lower():
        kind = unicodedata.category(letter)[0]
        if kind == "M" and before:
            words[-1] += letter
        elif kind not in "LN":
            before = ""
        else:
            single = not letter.isascii() and unicodedata.name(letter, "").startswith(UNSPACED)
            if before == "run" and not single:
                words[-1] += letter
            else:
                words.append(letter)
            before = "single" if single else "run"
    return words


def _check(hypotheses: Sequence[str], references: Sequence[str], words: str, stemmer: bool) -> None:
    if words not in WORDS:
        raise SettingError.because("words", repr(words), "one of " + ", ".join(WORDS), "choose one of them")
    if stemmer and words != "rouge-score":
        raise SettingError.because("stemmer", "true with Unicode words", "English words", "leave it out")
    if not references:
        raise DataError.because("references", "no lines", "at least one", "give a test set that is not empty")
    if len(hypotheses) != len(references):
        expected = f"as many as there are references ({len(references)})"
        action = "give one summary a line, in order"
        raise DataError.because("hypotheses", f"{len(hypotheses)} lines", expected, action)


def _signature(words: str, stemmer: bool, resamples: int, seed: int) -> str:
    drawn = f"|bs:{resamples}|seed:{seed}" if resamples else ""
    return f"F1|words:{words}|stem:{'porter' if stemmer else 'no'}{drawn}|rouge-score:{version('rouge-score')}"


def _notes(references: Sequence[str], words: str) -> tuple[str, ...]:
    text = "".join(references)
    counted = sum(letter.isalnum() for letter in text)
    kept = len(re.findall("[a-zA-Z0-9]", text))
    notes = []
    if words == "rouge-score" and counted and 1 - kept / counted > DROPPED:
        lost = f"{100 * (1 - kept / counted):.0f} % of the references' letters"
        notes.append(f'{lost} are none of a–z and 0–9, which rouge-score drops: use words="unicode".')
    if len(references) < 100:
        count = f"{len(references)} {'line' if len(references) == 1 else 'lines'}"
        notes.append(f"The test set has {count}: too few for reliable scores.")
    return tuple(notes)
