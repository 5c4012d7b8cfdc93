"""Scores of captions: exact ones by hand, the rest as sacreBLEU says."""

from __future__ import annotations

import pytest

from regard.evaluation.captions import captions
from regard.evaluation.interval import wilson
from regard.evaluation.translation import score


def test_a_caption_is_exact_word_for_word_but_for_spaces_around_it():
    found = captions(
        ["red heart", " blue heart ", "Red heart", "flag"], ["red heart", "blue heart", "red heart", "a flag"]
    )
    assert found.exact == wilson(2, 4)
    assert found.to_dict()["exact"]["score"] == 50.0


def test_the_rest_is_what_sacrebleu_says():
    pair = ["a red heart here", "a flag"], ["a red heart there", "a flag"]
    found = captions(*pair)
    assert found.text == score(*pair)
    assert [row[0] for row in found.rows()] == ["exact match", "BLEU", "chrF2"]
    assert found.rows()[0][1] == "50.00"
    low, high = found.exact.low, found.exact.high
    exact = found.to_dict()["exact"]
    assert exact["mean"] - exact["half_width"] == pytest.approx(100 * low)
    assert exact["mean"] + exact["half_width"] == pytest.approx(100 * high)
