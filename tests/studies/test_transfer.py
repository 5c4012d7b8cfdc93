"""Transfer: the verdict in each direction, and the study in small."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from regard.errors import DataError
from regard.studies import transfer
from regard.studies.frame.study import Order
from regard.studies.transfer import MODEL, QUICK, SCRATCH, TUNED, run, verdict

SHAPE = {**MODEL, "layers": 1, "d_model": 16, "d_ff": 16, "heads": 2, "longest": 16}
TINY = replace(QUICK, model=SHAPE, labels=(4, 12), test_texts=20, pretraining_steps=2, tuning_steps=2)
TOSSED, RIGHT = np.array([0.0, 1.0] * 50), np.ones(100)


def measured(scratch, tuned):
    counts = (20, 100, 300)
    lines = {SCRATCH: scratch, TUNED: tuned}
    return {arm: {n: [one] for n, one in zip(counts, line, strict=True)} for arm, line in lines.items()}


def test_fine_tuning_wins_where_it_alone_is_above_chance_until_both_are():
    found = measured([TOSSED, TOSSED, RIGHT], [TOSSED, RIGHT, RIGHT])
    fewest, gain, meet = verdict(found, 0.5)
    assert fewest == 100
    assert gain is not None
    assert gain.larger
    assert gain.value == 50
    assert meet == 300


def test_training_from_scratch_may_win():
    _, gain, meet = verdict(measured([RIGHT] * 3, [TOSSED] * 3), 0.5)
    assert gain is not None
    assert gain.smaller
    assert meet == 20


def test_without_anything_above_chance_nothing_is_decided():
    assert verdict(measured([TOSSED] * 3, [TOSSED] * 3), 0.5) == (None, None, 20)


def test_where_fine_tuning_stays_ahead_the_two_never_meet():
    assert verdict(measured([TOSSED] * 3, [RIGHT] * 3), 0.5)[2] is None


def table(path: Path, rows: int) -> Path:
    kinds = [("cat", "cats") if n % 7 < 3 else ("dog", "dogs") for n in range(rows)]
    lines = [f"the {animal} of {n}\t{label}\n" for n, (animal, label) in enumerate(kinds)]
    path.write_text("text\tlabel\n" + "".join(lines), encoding="utf-8")
    return path


def test_the_study_takes_a_table_of_texts_and_labels(monkeypatch, tmp_path):
    monkeypatch.setattr(transfer, "QUICK", TINY)
    found = run(Order(quick=True, text=table(tmp_path / "pets.tsv", 120)))
    assert 0.5 <= found.numbers["chance"] < 0.7
    assert [row[0] for row in found.tables[0].rows] == ["4", "12"]
    assert set(found.numbers["accuracy"]) == {SCRATCH, TUNED, transfer.FROZEN, transfer.BAG}
    assert found.numbers["accuracy"][transfer.BAG]["12"] == [1.0]  # the word alone tells
    fewest = found.numbers["fewest_labels_above_chance"]
    assert ("Neither" in found.sentence) == (fewest is None) == (found.held is None and fewest is None)


def test_a_small_table_is_refused(tmp_path):
    expected = "got 50 rows; expected at least 100 rows of two labels or more; give a larger table, or none"
    with pytest.raises(DataError, match=expected):
        run(Order(quick=True, text=table(tmp_path / "pets.tsv", 50)))
