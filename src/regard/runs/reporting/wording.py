"""Numbers, times and keys in words, the same in the report and the model card."""

from __future__ import annotations

import math

ABBREVIATIONS = {"bleu": "BLEU", "chrf": "chrF", "ter": "TER", "mib": "MiB"}


def number(value: float) -> str:
    """A count with thousands separators, or any other number to four digits."""
    if isinstance(value, int):
        return f"{value:,}"
    if not math.isfinite(value):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def duration(seconds: float) -> str:
    """``45 s``, ``12.5 min`` or ``3.2 h``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def name_of(key: object) -> str:
    """``training_pairs`` as "Training pairs", ``valid_bleu`` as "Valid BLEU"; the paper's ``d_model`` stays."""
    text = str(key)
    if not text.islower() or text.startswith("d_"):
        return text
    words = [ABBREVIATIONS.get(word, word) for word in text.split("_")]
    sentence = " ".join(words)
    return sentence if words[0] in ABBREVIATIONS.values() else sentence[:1].upper() + sentence[1:]
