"""Scores of translations against references, all computed by sacreBLEU.

BLEU (Papineni et al. 2002), chrF (Popović 2015) and TER (Snover et al. 2006) with the signature that says how they
were computed, a 95 % bootstrap interval, and the paired bootstrap test of two systems (Koehn 2004). BLEU and chrF
are 0–100 and higher is better; TER is edits per 100 reference words and lower is better (it may exceed 100).
Nothing here reads a file or the network. ``scores`` has what the functions return.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import cast

from sacrebleu.metrics.base import Metric
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER
from sacrebleu.significance import PairedTest, Result

from regard.errors import DataError, SettingError
from regard.evaluation.scores import Bucket, Comparison, Difference, Score, Scores

TOKENIZERS = ("13a", "intl", "char", "zh", "none")  # those of sacreBLEU that need no download and no extra package
TOKENIZED_LINES = 100  # from so many lines ending in " ." on, sacreBLEU too supposes a forgotten detokenizer
RESAMPLING_BYTES = 512 * 2**20  # sacreBLEU draws all resamples at once; longer test sets get fewer of them
BYTES_PER_DRAW = 80  # of one line in one resample: 18 float32 statistics (chrF, the largest) and an int64 index


def score(
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    tokenize: str = "13a",
    lowercase: bool = False,
    bootstrap: int = 1000,
    seed: int = 12345,
) -> Scores:
    """BLEU, chrF and TER of ``hypotheses``; 0 resamples leave the intervals out.

    Test sets of more than about 6 700 lines get fewer than 1 000 resamples (see RESAMPLING_BYTES, at least 100); the
    signature says how many. Raises DataError for unequal or no lines, SettingError for an unknown tokenizer.
    """
    _check_lines(hypotheses, references)
    metrics = _metrics(tokenize, lowercase)
    resamples = _affordable(bootstrap, len(references))
    scores: dict[str, Score] = {}
    if resamples > 1:
        for key, name, signature, (result,) in _resampled([hypotheses], references, metrics, resamples, seed):
            scores[key] = Score(name, _value(key, result.score), _number(result.mean), _number(result.ci), signature)
    else:
        for key, metric in metrics.items():
            value = metric.corpus_score(hypotheses, [references])
            scores[key] = Score(value.name, _value(key, value.score), None, None, str(metric.get_signature()))
    return Scores(**scores, lines=len(references), notes=_notes(hypotheses, tokenize, len(references)))


def corpus_bleu(
    hypotheses: Sequence[str], references: Sequence[str], *, tokenize: str = "13a", lowercase: bool = False
) -> float:
    """BLEU alone, without interval: for validation while training. Raises as ``score``."""
    _check_lines(hypotheses, references)
    metric = _metrics(tokenize, lowercase)["bleu"]
    return _value("bleu", metric.corpus_score(hypotheses, [references]).score)


def against(
    first: Sequence[str],
    second: Sequence[str],
    references: Sequence[str],
    *,
    tokenize: str = "13a",
    lowercase: bool = False,
    bootstrap: int = 1000,
    seed: int = 12345,
) -> Comparison:
    """Paired bootstrap of two systems: the same resampled lines for both (Koehn 2004), through sacreBLEU.

    Where resampling can say nothing, because the scores are equal or there is only one line, p is 1 (sacreBLEU alone
    would give 1 / (resamples + 1)). Raises as ``score``.
    """
    _check_lines(first, references, "first system")
    _check_lines(second, references, "second system")
    metrics = _metrics(tokenize, lowercase)
    resamples = _affordable(max(bootstrap, 100), len(references))
    differences: dict[str, Difference] = {}
    for key, name, signature, (before, after) in _resampled([first, second], references, metrics, resamples, seed):
        delta = float(after.score - before.score)
        p_value = _number(after.p_value) if delta and len(references) > 1 else 1.0
        values = _value(key, before.score), _value(key, after.score)
        differences[key] = Difference(name, *values, delta, p_value, signature)
    return Comparison(**differences, lines=len(references))


def bleu_by_length(
    hypotheses: Sequence[str],
    references: Sequence[str],
    lengths: Sequence[int],
    *,
    edges: Sequence[int] = (10, 20, 30, 40),
    tokenize: str = "13a",
    lowercase: bool = False,
) -> list[Bucket]:
    """BLEU for buckets of source length: up to ``edges[0]``, from there to ``edges[1]``, …; empty ones left out.

    ``lengths`` are those of the sources, in whatever unit the caller counts. Raises as ``score``.
    """
    _check_lines(hypotheses, references)
    if len(lengths) != len(references):
        raise DataError.because(
            "lengths", f"{len(lengths)} numbers", f"one a reference, so {len(references)}", "count each source line"
        )
    buckets: list[Bucket] = []
    starts = [min([1, *lengths])] + [edge + 1 for edge in edges]
    for shortest, longest in zip(starts, [*edges, None], strict=True):
        rows = [i for i, n in enumerate(lengths) if shortest <= n and (longest is None or n <= longest)]
        if rows:
            bleu = corpus_bleu(
                [hypotheses[i] for i in rows], [references[i] for i in rows], tokenize=tokenize, lowercase=lowercase
            )
            buckets.append(Bucket(shortest, longest, len(rows), bleu))
    return buckets


def check_tokenizer(tokenize: str) -> None:
    """Raise SettingError for a tokenizer of BLEU that is not known, before any translating."""
    if tokenize not in TOKENIZERS:
        raise SettingError.because("tokenize", repr(tokenize), "one of " + ", ".join(TOKENIZERS), "choose one of them")


def _metrics(tokenize: str, lowercase: bool) -> Mapping[str, Metric]:
    check_tokenizer(tokenize)
    return {  # TER keeps sacreBLEU's default, which ignores case; `force` only silences a remark that `_notes` makes
        "bleu": BLEU(tokenize=tokenize, lowercase=lowercase, force=True),
        "chrf": CHRF(lowercase=lowercase),
        "ter": TER(),
    }


def _resampled(
    systems: Sequence[Sequence[str]],
    references: Sequence[str],
    metrics: Mapping[str, Metric],
    resamples: int,
    seed: int,
) -> Iterator[tuple[str, str, str, list[Result]]]:
    """(key, name, signature, a result each system) of every metric, by sacreBLEU's paired test.

    One system alone goes this way too: the numbers are those of ``Metric.corpus_score``, which however breaks off
    (sacreBLEU 2.6) where some resamples have no match at all.
    """
    named = [(str(number), lines) for number, lines in enumerate(systems)]
    with _seeded(seed):
        test = PairedTest(named, metrics, [references], test_type="bs", n_samples=resamples, n_jobs=1)
        signatures, table = test()
    for key, name in zip(metrics, signatures, strict=True):
        yield key, name, str(signatures[name]), cast(list[Result], table[name])


def _number(value: float | None) -> float:
    assert value is not None
    return float(value)


def _value(name: str, score: float) -> float:
    return float(score) if name == "ter" else min(float(score), 100.0)  # a perfect BLEU is 100.00000000000004


def _check_lines(hypotheses: Sequence[str], references: Sequence[str], name: str = "hypotheses") -> None:
    if not references:
        raise DataError.because("references", "no lines", "at least one", "give a test set that is not empty")
    if len(hypotheses) != len(references):
        expected = f"as many as there are references ({len(references)})"
        raise DataError.because(name, f"{len(hypotheses)} lines", expected, "give one translation a line, in order")


def _notes(hypotheses: Sequence[str], tokenize: str, lines: int) -> tuple[str, ...]:
    notes = []
    spaced = sum(line.endswith(" .") for line in hypotheses)
    if tokenize != "none" and spaced >= TOKENIZED_LINES:
        notes.append(
            f"{spaced} translations end in ' .' as if tokenized; scores of text that is not detokenized "
            "compare with no others."
        )
    if lines < 100:
        notes.append(f"The test set has {lines} {'line' if lines == 1 else 'lines'}: too few for reliable scores.")
    return tuple(notes)


def _affordable(resamples: int, lines: int) -> int:
    if resamples < 0:
        raise SettingError.because("bootstrap", resamples, "0 or more resamples", "use 1000")
    return min(resamples, max(100, RESAMPLING_BYTES // (BYTES_PER_DRAW * lines)))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Hand sacreBLEU its seed by the only way it takes one, the environment, and put that back."""
    if seed < 1:  # its paired test takes 0 as "no seed"
        raise SettingError.because("seed", seed, "a whole number from 1 on", "use 12345, sacreBLEU's own")
    before = os.environ.get("SACREBLEU_SEED")
    os.environ["SACREBLEU_SEED"] = str(seed)
    try:
        yield
    finally:
        if before is None:
            del os.environ["SACREBLEU_SEED"]
        else:
            os.environ["SACREBLEU_SEED"] = before
