"""Transfer: the verdict in each direction, and the study in small."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from regard.errors import DataError
from regard.studies import transfer
from regard.studies.frame.curve import few_against_many, gain, gain_fades, over_logarithms, verdict
from regard.studies.frame.study import Order
from regard.studies.transfer import MODEL, QUICK, SCRATCH, TUNED, run

SHAPE = {**MODEL, "layers": 1, "d_model": 16, "d_ff": 16, "heads": 2, "longest": 16}
TINY = replace(QUICK, model=SHAPE, labels=(4, 12), test_texts=20, pretraining_steps=2, tuning_steps=2)


def measured(scratch, tuned, counts=(10, 100, 1000, 10_000)):
    """The hits of one seed; of a number, the share of 100 texts that are right, first those that are easy."""
    lines = {SCRATCH: scratch, TUNED: tuned}
    return {
        arm: {n: [(np.arange(100) < 100 * share) * 1.0] for n, share in zip(counts, line, strict=True)}
        for arm, line in lines.items()
    }


def verdict_of(scratch, tuned):
    found = measured(scratch, tuned)
    return verdict(*(measure(found[SCRATCH], found[TUNED]) for measure in (gain, gain_fades)))


@pytest.mark.parametrize(
    ("scratch", "tuned", "held"),
    [
        ((0.5, 0.6, 0.8, 1.0), (0.9, 0.9, 1.0, 1.0), True),
        ((0.5, 0.5, 0.5, 0.5), (0.5, 0.5, 1.0, 1.0), None),  # better, but least so with few
        ((0.5, 0.5, 0.5, 0.5), (0.9, 0.9, 0.9, 0.9), None),  # better, as much with few as with many
        ((0.9, 0.9, 0.9, 0.9), (0.5, 0.5, 0.9, 0.9), False),
        ((0.5, 0.6, 0.8, 1.0), (0.5, 0.6, 0.8, 1.0), None),
    ],
)
def test_the_claim_needs_a_gain_over_the_whole_curve_and_more_of_it_with_few_labels(scratch, tuned, held):
    assert verdict_of(scratch, tuned) is held


def test_the_gain_is_the_area_between_the_curves_over_the_logarithm_of_labels():
    found = measured((0.5, 0.5, 0.5), (0.6, 0.7, 0.9), counts=(10, 100, 100_000))
    # from 10 to 100 the mean of 10 and 20 points, over three times that width the mean of 20 and 40
    assert gain(found[SCRATCH], found[TUNED]).value == pytest.approx((15 + 3 * 30) / 4)


def test_the_whole_gain_is_no_larger_for_a_number_of_labels_at_which_it_is_best():
    everywhere = measured((0.5,) * 4, (0.6,) * 4)
    once = measured((0.5,) * 4, (0.5, 0.5, 0.8, 0.5))
    assert gain(once[SCRATCH], once[TUNED]).value == pytest.approx(gain(*everywhere.values()).value)


def test_few_labels_are_the_lower_half_of_their_numbers_without_the_middle():
    assert few_against_many(4).tolist() == [0.5, 0.5, -0.5, -0.5]
    assert few_against_many(5).tolist() == [0.5, 0.5, 0, -0.5, -0.5]
    assert few_against_many(1).tolist() == [0]
    found = measured((0.5, 0.5, 0.5), (0.8, 1.0, 0.6), counts=(1, 2, 3))
    assert gain_fades(found[SCRATCH], found[TUNED]).value == pytest.approx(30 - 10)


def test_the_weights_over_logarithms_add_up_to_one_whatever_the_numbers():
    assert over_logarithms([7]).tolist() == [1]
    assert over_logarithms([10, 1000]).tolist() == [0.5, 0.5]
    assert over_logarithms([20, 50, 100, 300]).sum() == pytest.approx(1)


def test_several_seeds_are_compared_seed_by_seed():
    seeds = [measured((0.5, 0.5), (share, share), counts=(1, 10)) for share in (0.6, 0.7, 0.8)]
    scratch, tuned = ({n: [one[arm][n][0] for one in seeds] for n in (1, 10)} for arm in (SCRATCH, TUNED))
    found = gain(scratch, tuned)
    assert found.value == pytest.approx(20)
    assert found.low == pytest.approx(20 - 4.302653 * 10 / np.sqrt(3), abs=1e-4)  # t(0.975, 2) of any table


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
    assert f"{found.numbers['gain']['value']:+z.1f} points" in found.sentence


def test_a_small_table_is_refused(tmp_path):
    expected = "got 50 rows; expected at least 100 rows of two labels or more; give a larger table, or none"
    with pytest.raises(DataError, match=expected):
        run(Order(quick=True, text=table(tmp_path / "pets.tsv", 50)))
