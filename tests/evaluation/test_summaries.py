from __future__ import annotations

import json

import pytest
from rouge_score.rouge_scorer import RougeScorer

from regard.errors import DataError, SettingError
from regard.evaluation.summaries import rouge, unicode_words

REFERENCES = ["the cat sat on the mat", "a dog barks", "It rains in Spain."]
TEXTS = ["the cat lay on a mat", "dogs bark", "It rains in Spain."]


def test_scores_are_those_of_arithmetic_by_hand():
    """Of 6 words each, 4 are shared; of 5 pairs "the cat" alone; in order: the cat … on … mat."""
    found = rouge(TEXTS[:1], REFERENCES[:1], bootstrap=0)
    assert found.rouge1.score == pytest.approx(100 * 4 / 6)
    assert found.rouge2.score == pytest.approx(100 * 1 / 5)
    assert found.rougel.score == pytest.approx(100 * 4 / 6)
    assert (found.rouge1.mean, found.rouge1.half_width) == (None, None)


@pytest.mark.parametrize("stemmer", [False, True])
def test_scores_are_the_mean_of_the_packages_over_the_lines(stemmer: bool):
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=stemmer)
    lines = [scorer.score(reference, text) for text, reference in zip(TEXTS, REFERENCES, strict=True)]
    found = rouge(TEXTS, REFERENCES, stemmer=stemmer)
    for name in ("rouge1", "rouge2", "rougeL"):
        expected = 100 * sum(line[name].fmeasure for line in lines) / 3
        assert getattr(found, name.lower()).score == pytest.approx(expected)
    assert ("stem:porter" in found.rouge1.signature) == stemmer


def test_a_korean_summary_scores_nothing_by_the_packages_words_and_everything_by_ours():
    korean = ["개가 길을 건너지 않았다"]
    by_package, by_ours = rouge(korean, korean, bootstrap=0), rouge(korean, korean, words="unicode", bootstrap=0)
    assert by_package.rouge1.score == 0
    assert by_ours.rouge1.score == by_ours.rouge2.score == by_ours.rougel.score == 100
    assert "100 % of the references' letters are none of a–z and 0–9" in by_package.notes[0]
    assert not any("a–z" in note for note in by_ours.notes)
    assert "words:unicode" in by_ours.rouge1.signature


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The dog's 2 bones, well_known!", ["the", "dog", "s", "2", "bones", "well", "known"]),
        ("Über Köln", ["über", "köln"]),
        ("개가 달린다.", ["개가", "달린다"]),
        ("हिन्दी में", ["हिन्दी", "में"]),  # vowel signs are marks on letters
        ("我喜欢GPU计算", ["我", "喜", "欢", "gpu", "计", "算"]),
        ("e\u0301te\u0301 \u0301x", ["été", "x"]),  # composed; a mark on nothing is none
        ("", []),
    ],
)
def test_words_of_any_script(text: str, words: list[str]):
    assert unicode_words(text) == words


def test_the_two_kinds_of_words_agree_on_plain_english():
    assert rouge(TEXTS, REFERENCES, words="unicode").rouge1.score == rouge(TEXTS, REFERENCES).rouge1.score


def test_the_interval_holds_the_score_and_is_the_same_for_the_same_seed():
    found = rouge(TEXTS, REFERENCES, bootstrap=500).rouge1
    assert abs(found.mean - found.score) < found.half_width
    assert rouge(TEXTS, REFERENCES, bootstrap=500).rouge1 == found
    assert "bs:500|seed:12345" in found.signature


def test_scores_survive_json_and_stand_in_rows():
    found = rouge(TEXTS, REFERENCES, bootstrap=100)
    assert json.loads(json.dumps(found.to_dict()))["rougel"]["name"] == "ROUGE-L"
    assert [row[0] for row in found.rows()] == ["ROUGE-1", "ROUGE-2", "ROUGE-L"]
    assert "The test set has 3 lines: too few for reliable scores." in found.notes


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(SettingError, match=r"^words: got 'moses'; expected one of rouge-score, unicode"):
        rouge(TEXTS, REFERENCES, words="moses")
    with pytest.raises(SettingError, match=r"^stemmer: got true with Unicode words; expected English words"):
        rouge(TEXTS, REFERENCES, words="unicode", stemmer=True)
    with pytest.raises(DataError, match=r"^references: got no lines; expected at least one"):
        rouge([], [])
    with pytest.raises(DataError, match=r"^hypotheses: got 1 lines; expected as many .*; give one summary a line"):
        rouge(["a"], ["a", "b"])
