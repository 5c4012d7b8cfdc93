"""Table 3: the paper's own numbers, the sizes by hand, and the changes carried over to a small model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from regard.studies import table3
from regard.studies.frame.study import Order
from regard.studies.frame.verdict import Difference
from regard.studies.paper_tables.table3 import BASE, ROWS
from regard.studies.table3 import FULL, QUICK, config_of, full_size, run, verdict

BY_NAME = {row.name: row for row in ROWS}


def by_hand(vocabulary: int, layers: int, d_model: int, d_ff: int, keys: int, values: int) -> int:
    """Post-norm encoder–decoder with one shared matrix; ``keys`` and ``values`` are h·d_k and h·d_v."""
    attention = 2 * (d_model * keys + keys) + d_model * values + values + values * d_model + d_model
    feed_forward = d_model * d_ff + d_ff + d_ff * d_model + d_model
    norm = 2 * d_model
    encoder = layers * (attention + feed_forward + 2 * norm)
    decoder = layers * (2 * attention + feed_forward + 3 * norm)
    return vocabulary * d_model + encoder + decoder


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("B: d_k 16", (6, 512, 2048, 128, 512)),
        ("C: N 2", (2, 512, 2048, 512, 512)),
        ("C: d_model 256", (6, 256, 2048, 256, 256)),
        ("C: d_model 1024", (6, 1024, 2048, 1024, 1024)),
        ("C: d_ff 4096", (6, 512, 4096, 512, 512)),
        ("big", (6, 1024, 4096, 1024, 1024)),
    ],
)
def test_the_parameters_at_full_size_are_those_counted_by_hand(name, sizes):
    assert full_size(BY_NAME[name]) == by_hand(37_000, *sizes)
    assert full_size(BASE) == by_hand(37_000, 6, 512, 2048, 512, 512)


@pytest.mark.parametrize("row", [row for row in (BASE, *ROWS) if row.millions], ids=lambda row: row.name)
def test_the_parameters_at_full_size_are_near_the_paper_s(row):
    assert full_size(row) / 1e6 == pytest.approx(row.millions, rel=0.08)


def test_the_rows_are_those_of_the_paper():
    assert len(ROWS) == 19
    assert (BASE.perplexity, BASE.bleu) == (4.92, 25.8)
    assert min(ROWS, key=lambda row: row.perplexity).name == "big"
    assert max(ROWS, key=lambda row: row.perplexity).name == "C: N 2"


def test_a_change_is_carried_over_by_its_factor():
    small = replace(FULL, layers=3, d_model=128, d_ff=512, heads=8)
    base = config_of(small, BASE)
    assert config_of(small, BY_NAME["C: N 2"]) == {**base, "layers": 1}
    assert config_of(small, BY_NAME["C: d_model 256"]) == {**base, "d_model": 64}
    assert config_of(small, BY_NAME["C: d_ff 4096"]) == {**base, "d_ff": 1024}
    assert config_of(small, BY_NAME["A: h 32"]) == {**base, "heads": 32}
    assert config_of(small, BY_NAME["B: d_k 16"]) == {**base, "d_k": 4, "d_v": 16}
    assert config_of(small, BY_NAME["big"]) == {**base, "d_model": 256, "d_ff": 1024, "heads": 16, "dropout": 0.3}


def differences(sign: float, sure: bool = True) -> dict[str, Difference]:
    return {row.name: Difference(sign * (row.perplexity - BASE.perplexity), sure, "") for row in ROWS}


def test_the_claim_holds_where_our_order_is_the_paper_s_and_fails_where_it_is_the_reverse():
    _, held, numbers = verdict(ROWS, differences(1.0))
    assert held is True
    assert numbers["tau"] == pytest.approx(1.0)
    assert numbers["same_direction"] == numbers["sure"] == 18  # all but row E, whose perplexity is the base's
    _, held, numbers = verdict(ROWS, differences(-1.0))
    assert held is False
    assert numbers["same_direction"] == 0


def test_an_order_without_relation_decides_nothing():
    mixed = {row.name: Difference((-1.0) ** number, True, "") for number, row in enumerate(ROWS)}
    assert verdict(ROWS, mixed)[1] is None


def test_a_row_that_is_not_sure_counts_for_no_direction():
    assert verdict(ROWS, differences(1.0, sure=False))[2]["sure"] == 0


def test_the_study_tells_what_it_measured(monkeypatch, few_pairs):
    rows = ("A: h 1", "C: d_ff 1024", "D: smoothing 0.2")
    tiny = replace(QUICK, layers=1, d_model=16, d_ff=16, heads=4, steps=3, batch_tokens=64, rows=rows)
    monkeypatch.setattr(table3, "QUICK", tiny)
    monkeypatch.setattr(table3, "pairs_of", lambda order: few_pairs)
    found = run(Order(quick=True))
    assert [row[0] for row in found.tables[0].rows] == ["base", *rows]
    assert [row[1] for row in found.tables[1].rows] == [full_size(BASE), *(full_size(BY_NAME[name]) for name in rows)]
    assert f"all {len(rows)} rows" in found.sentence
    assert set(found.numbers["arms"]) == {"base", *rows}
