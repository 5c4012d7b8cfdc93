from __future__ import annotations

import json

import pytest

from regard.errors import DataError
from regard.evaluation.compare import HEADINGS, Entry, compare
from regard.evaluation.translation import against, score

REFERENCES = [f"the dog number {i} sees the cat number {i + 1} today" for i in range(40)]
BETTER = [line if i % 5 else "no idea" for i, line in enumerate(REFERENCES)]
WORSE = [line if i % 2 else "no idea" for i, line in enumerate(REFERENCES)]


def test_rows_hold_each_systems_own_scores_and_the_test_against_the_first():
    entries = [Entry("worse", WORSE, parameters=1234567, seconds=61.4, perplexity=5.394), Entry("better", BETTER)]
    first, second = compare(entries, REFERENCES, bootstrap=200)
    assert first.bleu == score(WORSE, REFERENCES, bootstrap=200).bleu
    assert second.chrf == score(BETTER, REFERENCES, bootstrap=200).chrf
    assert (first.delta, first.p_value) == (None, None)
    test = against(WORSE, BETTER, REFERENCES, bootstrap=200).bleu
    assert (second.delta, second.p_value) == (test.delta, test.p_value)
    assert test.significant


def test_cells_stand_under_their_headings_and_what_is_unknown_is_empty():
    entries = [Entry("worse", WORSE, parameters=1234567, seconds=61.4, perplexity=5.394), Entry("right", REFERENCES)]
    first, second = compare(entries, REFERENCES, bootstrap=100)
    cells = dict(zip(HEADINGS, first.cells(), strict=True))
    assert (cells["run"], cells["parameters"], cells["seconds"]) == ("worse", "1,234,567", "61")
    assert (cells["perplexity"], cells["Δ BLEU"], cells["p"]) == ("5.39", "", "")
    cells = dict(zip(HEADINGS, second.cells(), strict=True))
    assert (cells["parameters"], cells["seconds"], cells["perplexity"]) == ("", "", "")
    assert cells["BLEU"] == "100.00 ± 0.00"
    assert cells["Δ BLEU"].startswith("+")
    assert compare(entries, REFERENCES, bootstrap=0)[1].cells()[4] == "100.00"


def test_rows_survive_json():
    (row,) = compare([Entry("one", WORSE)], REFERENCES, bootstrap=100)
    assert json.loads(json.dumps(row.to_dict(), allow_nan=False))["bleu"]["signature"] == row.bleu.signature


def test_no_systems_and_unequal_lines_are_refused_by_name():
    with pytest.raises(DataError, match=r"^runs: got none; expected at least one to compare"):
        compare([], REFERENCES)
    with pytest.raises(
        DataError,
        match=r"^short: got 1 lines; expected as many as there are references \(40\); translate the same test set",
    ):
        compare([Entry("ok", WORSE), Entry("short", ["a"])], REFERENCES)
