from __future__ import annotations

import json
import logging
import math
import os
import random
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st

from regard.errors import DataError, SettingError
from regard.evaluation.translation import (
    BYTES_PER_DRAW,
    RESAMPLING_BYTES,
    TOKENIZERS,
    against,
    bleu_by_length,
    corpus_bleu,
    score,
)

WORDS = [
    "a",
    "the",
    "dog",
    "cat",
    "street",
    "bank",
    "river",
    "sees",
    "because",
    "it",
    "was",
    "too",
    "tired",
    ",",
    "not",
]


def corpus(lines: int, seed: int = 1) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randint(4, 15))) + "." for _ in range(lines)]


def damaged(lines: list[str], share: float, seed: int = 2) -> list[str]:
    rng = random.Random(seed)
    return [" ".join("?" if rng.random() < share else word for word in line.split()) for line in lines]


def test_bleu_is_the_arithmetic_of_the_paper():
    # Hypothesis: the cat sat on mat (5 words). Reference: the cat sat on the mat (6 words).
    # 1-grams: all 5 of 5 are in the reference. 2-grams: the-cat, cat-sat, sat-on are, on-mat is not: 3 of 4.
    # 3-grams: the-cat-sat, cat-sat-on are, sat-on-mat is not: 2 of 3. 4-grams: the-cat-sat-on is, one is not: 1 of 2.
    # Product of the precisions: 5/5 · 3/4 · 2/3 · 1/2 = 1/4. Brevity penalty: exp(1 − 6/5).
    by_hand = 100 * math.exp(1 - 6 / 5) * (1 / 4) ** (1 / 4)
    result = score(["the cat sat on mat"], ["the cat sat on the mat"], bootstrap=0)
    assert result.bleu.score == pytest.approx(by_hand, abs=1e-9)
    assert by_hand == pytest.approx(57.89, abs=0.005)  # e^-0.2 = 0.818731, (1/4)^(1/4) = 0.707107
    # TER: one word is missing from six.
    assert result.ter.score == pytest.approx(100 / 6, abs=1e-9)


def test_bleu_counts_the_corpus_and_not_the_mean_of_sentences():
    # Line 1 as above: 5/5, 3/4, 2/3, 1/2 with 5 against 6 words. Line 2 is right, 5 words: 5/5, 4/4, 3/3, 2/2.
    # Together 10/10, 7/8, 5/6, 3/4 with 10 against 11 words.
    by_hand = 100 * math.exp(1 - 11 / 10) * (7 / 8 * 5 / 6 * 3 / 4) ** (1 / 4)
    hypotheses = ["the cat sat on mat", "a dog ran very fast"]
    references = ["the cat sat on the mat", "a dog ran very fast"]
    assert corpus_bleu(hypotheses, references) == pytest.approx(by_hand, abs=1e-9)


def test_a_perfect_translation_scores_exactly_one_hundred():
    lines = corpus(50)
    result = score(lines, lines, bootstrap=0)
    assert (result.bleu.score, result.chrf.score, result.ter.score) == (100.0, 100.0, 0.0)


@pytest.mark.parametrize("tokenize", TOKENIZERS)
@pytest.mark.parametrize("lowercase", [False, True])
def test_scores_are_those_of_sacrebleus_plain_functions(tokenize: str, lowercase: bool):
    references = [line.capitalize() for line in corpus(40)]
    hypotheses = damaged(corpus(40), 0.2)
    result = score(hypotheses, references, tokenize=tokenize, lowercase=lowercase, bootstrap=0)
    bleu = sacrebleu.corpus_bleu(hypotheses, [references], tokenize=tokenize, lowercase=lowercase, force=True)
    assert result.bleu.score == bleu.score
    assert result.bleu.score == corpus_bleu(hypotheses, references, tokenize=tokenize, lowercase=lowercase)
    # chrF's plain function has no switch for case; lower-casing before is the same thing
    low = (lambda lines: [line.lower() for line in lines]) if lowercase else list
    assert result.chrf.score == pytest.approx(sacrebleu.corpus_chrf(low(hypotheses), [low(references)]).score, abs=1e-9)
    assert result.ter.score == sacrebleu.corpus_ter(hypotheses, [references]).score


@pytest.mark.parametrize("seed", [12345, 7])
def test_scores_intervals_and_signatures_are_those_of_sacrebleus_command(tmp_path: Path, seed: int):
    references, hypotheses = corpus(60), damaged(corpus(60), 0.3)
    (tmp_path / "ref").write_text("\n".join(references) + "\n", encoding="utf-8")
    (tmp_path / "hyp").write_text("\n".join(hypotheses) + "\n", encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "sacrebleu",
        "ref",
        "-i",
        "hyp",
        "-m",
        "bleu",
        "chrf",
        "ter",
        "-f",
        "json",
        "-w",
        "6",
    ]
    command += ["--confidence", "--confidence-n", "200"]
    environment = {**os.environ, "SACREBLEU_SEED": str(seed)}
    printed = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True, text=True).stdout
    result = score(hypotheses, references, bootstrap=200, seed=seed)
    for ours, theirs in zip((result.bleu, result.chrf, result.ter), json.loads(printed), strict=True):
        assert ours.name == theirs["name"]
        assert ours.score == pytest.approx(theirs["score"], abs=1e-6)
        assert ours.mean == pytest.approx(theirs["confidence_mean"], abs=2e-5)  # sacreBLEU resamples in float32
        assert ours.half_width == pytest.approx(theirs["confidence_var"], abs=2e-5)
        assert ours.signature == theirs["signature"]


def test_the_paired_test_is_that_of_sacrebleus_command(tmp_path: Path):
    references = corpus(60)
    first, second = damaged(references, 0.30, seed=3), damaged(references, 0.25, seed=4)
    for name, lines in (("ref", references), ("first", first), ("second", second)):
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "sacrebleu", "ref", "-i", "first", "second", "-m", "bleu", "chrf", "ter"]
    command += ["-f", "latex", "-w", "6", "--paired-bs", "--paired-bs-n", "200"]  # json fails on its own numbers
    printed = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, text=True).stdout
    number = r"(\d+\.\d+)"
    baseline = re.findall(rf"{number} \({number} ± {number}\)", re.findall("Baseline: first &.*", printed)[0])
    system = re.findall(rf"{number} \({number} ± {number}\) \(p = {number}\)", re.findall("second &.*", printed)[0])
    comparison, alone = against(first, second, references, bootstrap=200), score(second, references, bootstrap=200)
    for column, name in enumerate(("bleu", "chrf", "ter")):
        ours, single = getattr(comparison, name), getattr(alone, name)
        assert ours.first == pytest.approx(float(baseline[column][0]), abs=1e-6)
        value, mean, half_width, p_value = map(float, system[column])
        assert ours.second == single.score == pytest.approx(value, abs=1e-6)
        assert (single.mean, single.half_width) == pytest.approx((mean, half_width), abs=1e-5)
        assert ours.p_value == pytest.approx(p_value, abs=5e-5)
        assert ours.delta == pytest.approx(ours.second - ours.first, abs=1e-9)
        assert ours.signature in printed


def test_a_system_against_itself_is_not_significant():
    references = corpus(150)
    system = damaged(references, 0.3)
    comparison = against(system, list(system), references)
    for difference in (comparison.bleu, comparison.chrf, comparison.ter):
        assert difference.delta == 0
        assert difference.p_value == 1.0
        assert not difference.significant


def test_a_far_better_system_is_significant_in_either_order():
    references = corpus(150)
    good, bad = damaged(references, 0.1), damaged(references, 0.5)
    up, down = against(bad, good, references), against(good, bad, references)
    assert up.bleu.significant
    assert up.chrf.significant
    assert up.ter.significant
    assert up.bleu.delta > 0 > up.ter.delta  # TER counts errors
    assert down.bleu.delta == -up.bleu.delta


def test_two_systems_with_errors_of_the_same_rate_are_not_significant():
    references = corpus(150)
    assert not against(damaged(references, 0.3, seed=5), damaged(references, 0.3, seed=6), references).bleu.significant


def test_one_line_is_never_significant():
    assert against(["a b c d e"], ["a b c d"], ["a b c d e"]).bleu.p_value == 1.0


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.floats(0, 1), st.integers(1, 10**6))
def test_the_interval_lies_about_the_score(lines: int, share: float, seed: int):
    references = corpus(lines, seed)
    result = score(damaged(references, share, seed), references, bootstrap=100, seed=seed)
    for each in (result.bleu, result.chrf, result.ter):
        assert each.mean is not None
        assert each.half_width is not None
        assert each.score >= 0
        assert each.name == "TER" or each.score <= 100
        # the mean of resampled corpora is not the corpus's score, but is near it for a corpus that is not tiny
        if lines >= 10:
            assert abs(each.mean - each.score) <= each.half_width + 1e-9


def test_the_interval_is_about_two_standard_errors_wide():
    # TER of lines of 10 words, each all right or all wrong, is 100 × a share p; its standard error is √(p(1−p)/n).
    lines = [f"{' '.join(['w'] * 9)} {i}" for i in range(400)]
    system = [line if i % 4 else " ".join(["x"] * 10) for i, line in enumerate(lines)]
    result = score(system, lines, bootstrap=1000)
    assert result.ter.score == pytest.approx(25, abs=1e-9)
    assert result.ter.half_width == pytest.approx(100 * 1.96 * math.sqrt(0.25 * 0.75 / 400), rel=0.15)


def test_without_resamples_there_is_no_interval():
    result = score(["a b"], ["a b"], bootstrap=0)
    assert result.bleu.mean is None
    assert result.bleu.half_width is None
    assert "bs:" not in result.bleu.signature
    assert result.rows()[0][2] == ""


def test_lowercase_ignores_case_and_the_signature_says_so():
    hypotheses, references = ["A Dog Runs In The Park"] * 2, ["a dog runs in the park"] * 2
    assert score(hypotheses, references, bootstrap=0).bleu.score < 1
    result = score(hypotheses, references, lowercase=True, bootstrap=0)
    assert result.bleu.score == 100
    assert "case:lc" in result.bleu.signature
    assert "case:lc" in result.chrf.signature


def test_long_test_sets_get_fewer_resamples_and_the_signature_says_how_many(monkeypatch: pytest.MonkeyPatch):
    import regard.evaluation.translation as translation

    monkeypatch.setattr(translation, "RESAMPLING_BYTES", 80 * 20 * 300)  # room for 300 resamples of 20 lines
    lines = corpus(20)
    assert "|bs:300|" in score(lines, lines, bootstrap=1000).bleu.signature
    assert "|bs:200|" in score(lines, lines, bootstrap=200).bleu.signature
    assert RESAMPLING_BYTES // (BYTES_PER_DRAW * 6700) >= 1000 > RESAMPLING_BYTES // (BYTES_PER_DRAW * 6720)


def test_the_seed_leaves_the_environment_as_it_was(monkeypatch: pytest.MonkeyPatch):
    lines = corpus(5)
    monkeypatch.setenv("SACREBLEU_SEED", "99")
    score(lines, lines, bootstrap=10, seed=7)
    assert os.environ["SACREBLEU_SEED"] == "99"
    monkeypatch.delenv("SACREBLEU_SEED")
    assert "seed:7" in score(lines, lines, bootstrap=10, seed=7).bleu.signature
    assert "SACREBLEU_SEED" not in os.environ


def test_scores_survive_json():
    result = score(damaged(corpus(5), 0.3), corpus(5), bootstrap=50)
    table = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert table["bleu"]["score"] == result.bleu.score
    assert table["ter"]["signature"] == result.ter.signature
    assert table["lines"] == 5
    comparison = against(corpus(5), damaged(corpus(5), 0.3), corpus(5), bootstrap=100)
    assert json.loads(json.dumps(comparison.to_dict(), allow_nan=False))["bleu"]["delta"] == comparison.bleu.delta


def test_rows_have_a_line_for_each_metric():
    result = score(corpus(5), corpus(5), bootstrap=50)
    assert [row[0] for row in result.rows()] == ["BLEU", "chrF2", "TER"]
    assert result.rows()[0][1:3] == ("100.00", "100.00 ± 0.00")
    comparison = against(corpus(5), corpus(5), corpus(5), bootstrap=100)
    assert comparison.rows()[2][:5] == ("TER", "0.00", "0.00", "+0.00", "1.0000")


def test_tokenized_text_and_tiny_test_sets_are_remarked_upon_and_nothing_is_logged(caplog: pytest.LogCaptureFixture):
    tokenized = [line.replace(".", " .") for line in corpus(100)]
    with caplog.at_level(logging.WARNING):
        result = score(tokenized, corpus(100), bootstrap=0)
        assert "100 translations end in ' .'" in result.notes[0]
        assert score(tokenized, corpus(100), tokenize="none", bootstrap=0).notes == ()
        assert score(["a"], ["a"], bootstrap=0).notes == ("The test set has 1 line: too few for reliable scores.",)
    assert not caplog.records


def test_a_system_that_matches_in_some_resamples_only_has_an_interval():
    # sacreBLEU's own corpus_score breaks off here
    result = score(["the crosses ? ?", "? ? ?"], ["the crosses cat not", "bank street a tired new"], bootstrap=100)
    assert result.chrf.half_width is not None
    assert result.chrf.half_width > 0


def test_empty_translations_and_references_score_without_complaint():
    assert score(["", ""], ["a b", "c d"], bootstrap=10).bleu.score == 0
    assert score(["", ""], ["a b", "c d"], bootstrap=10).ter.score == 100
    assert score(["a"], [""], bootstrap=10).bleu.score == 0


def test_scoring_never_touches_the_network(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for tokenize in TOKENIZERS:
        score(corpus(3), corpus(3), tokenize=tokenize, bootstrap=10)


def test_bleu_by_length_puts_each_line_into_one_bucket():
    references = corpus(60)
    hypotheses = damaged(references, 0.3)
    lengths = [len(line.split()) for line in references]
    buckets = bleu_by_length(hypotheses, references, lengths, edges=(6, 10))
    assert [bucket.label for bucket in buckets] == ["1–6", "7–10", "≥ 11"]
    assert sum(bucket.lines for bucket in buckets) == 60
    short = [i for i in range(60) if lengths[i] <= 6]
    expected = sacrebleu.corpus_bleu([hypotheses[i] for i in short], [[references[i] for i in short]]).score
    assert buckets[0].lines == len(short)
    assert buckets[0].bleu == expected


def test_empty_buckets_are_left_out():
    buckets = bleu_by_length(["a b c d"], ["a b c d"], [35])
    assert [(bucket.shortest, bucket.longest, bucket.lines) for bucket in buckets] == [(31, 40, 1)]
    assert bleu_by_length(["", "a"], ["", "a"], [0, 1])[0].lines == 2


def test_unequal_and_empty_sides_are_refused():
    with pytest.raises(
        DataError,
        match=r"^hypotheses: got 1 lines; expected as many as there are references \(2\); give one translation a line",
    ):
        score(["a"], ["a", "b"])
    with pytest.raises(DataError, match=r"^references: got no lines; expected at least one;"):
        score([], [])
    with pytest.raises(DataError, match=r"^second system: got 1 lines; .* \(2\)"):
        against(["a", "b"], ["a"], ["a", "b"])
    with pytest.raises(DataError, match=r"^first system: got 3 lines"):
        against(["a"] * 3, ["a"], ["a", "b"])
    with pytest.raises(DataError, match=r"^lengths: got 1 numbers; expected one a reference, so 2;"):
        bleu_by_length(["a", "b"], ["a", "b"], [1])


@pytest.mark.parametrize("tokenize", ["flores200", "spm", "ja-mecab", "13A"])
def test_tokenizers_that_would_download_or_are_unknown_are_refused(tokenize: str):
    with pytest.raises(SettingError, match=rf"^tokenize: got '{tokenize}'; expected one of 13a, intl, char, zh, none;"):
        score(["a"], ["a"], tokenize=tokenize)


def test_seeds_and_resamples_out_of_range_are_refused():
    with pytest.raises(SettingError, match=r"^seed: got 0; expected a whole number from 1 on"):
        score(["a"], ["a"], seed=0)
    with pytest.raises(SettingError, match=r"^bootstrap: got -1; expected 0 or more resamples"):
        score(["a"], ["a"], bootstrap=-1)
