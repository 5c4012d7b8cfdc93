"""Table 3: the paper's own numbers, the sizes by hand, and the changes carried over to a small model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from regard.studies import table3
from regard.studies.frame.arms import Outcome
from regard.studies.frame.study import Order
from regard.studies.frame.verdict import Difference
from regard.studies.paper_tables.parts import NEARLY, PARTS, alike, judged, overall, sentence_of, table_of
from regard.studies.paper_tables.table3 import BASE, ROWS
from regard.studies.table3 import FULL, QUICK, config_of, full_size, run

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


BIGGER = next(part for part in PARTS if part.says == "bigger models are better")


@pytest.fixture
def measured(outcome):
    """Outcomes of base and every row, from so many nats a token by name, on 20 sentences that differ among themselves.

    A row of which nothing is said has the loss of base, but for what chance adds to either side of it.
    """
    level = np.linspace(20.0, 40.0, 20)
    chance = np.tile([-1.0, 1.0], 10)

    def made(**apart: float) -> dict[str, list[Outcome]]:
        rows = {row.name: [outcome(row.name, nats=level + chance)] for row in ROWS}
        moved = {name: [outcome(name, nats=level + 10 * nats)] for name, nats in apart.items()}
        return {"base": [outcome("base", nats=level)], **rows, **moved}

    return made


def verdicts(outcomes) -> list[bool | None]:
    return [judged(part, outcomes).held for part in PARTS]


def as_in_the_paper(sign: int) -> dict[str, float]:
    return {row.name: sign * np.log(row.perplexity / BASE.perplexity) for row in ROWS}


def test_where_every_row_moves_as_in_the_paper_every_part_holds(measured):
    outcomes = measured(**as_in_the_paper(1))
    assert verdicts(outcomes) == [True] * len(PARTS)
    assert overall(verdicts(outcomes)) is True
    assert judged(BIGGER, outcomes).moved.value == pytest.approx(judged(BIGGER, outcomes).theirs)


def test_where_every_row_moves_the_other_way_every_part_but_that_of_equals_is_contradicted(measured):
    outcomes = measured(**as_in_the_paper(-1))
    assert verdicts(outcomes) == [False] * 5 + [True]
    assert overall(verdicts(outcomes)) is False


def test_where_only_chance_moves_the_rows_no_part_is_decided(measured):
    assert verdicts(measured()) == [None] * len(PARTS)
    assert overall([None] * len(PARTS)) is None


def test_a_part_is_judged_by_its_own_rows_alone(measured):
    assert verdicts(measured(**{"A: h 1": 0.3})) == [True, *[None] * 5]
    assert verdicts(measured(**{"A: h 32": -0.3})) == [None, False, *[None] * 4]
    assert verdicts(measured(**{"big": -0.3, "D: smoothing 0.0": 0.3, "D: dropout 0.2": 0.3})) == [None] * 6


def test_bigger_counts_by_smaller_loss_and_smaller_by_larger(measured):
    by_sign = {**dict.fromkeys(BIGGER.worse, 0.1), **dict.fromkeys(BIGGER.better, -0.1)}
    found = judged(BIGGER, measured(**by_sign))
    assert found.moved.value == pytest.approx(0.1)
    assert found.held is True


def test_a_part_with_a_row_that_surely_goes_the_other_way_stays_open(measured):
    by_sign = {**dict.fromkeys(BIGGER.worse, 0.1), **dict.fromkeys(BIGGER.better, -0.1)}
    found = judged(BIGGER, measured(**{**by_sign, "C: N 8": 0.05}))
    assert found.moved.larger
    assert found.held is None


@pytest.mark.parametrize(
    ("low", "high", "held"),
    [(-0.01, 0.01, True), (0.005, 0.03, None), (-0.05, 0.05, None), (0.02, 0.03, False), (-0.03, -0.02, False)],
)
def test_equals_are_those_whose_whole_interval_is_within_the_least_loss_of_the_paper(low, high, held):
    assert pytest.approx(np.log(5.01 / 4.92)) == NEARLY
    assert alike(Difference((low + high) / 2, low > 0 or high < 0, "", low, high)) is held


@pytest.mark.parametrize(
    ("parts", "held"),
    [
        ([True, True, True, None, None], True),
        ([True, True, True, None, None, None], None),
        ([True, True, True, True, False], None),
        ([True, False, None], None),
        ([True, False, False], False),
        ([None, None], None),
    ],
)
def test_the_claim_holds_where_most_parts_do_and_none_is_contradicted(parts, held):
    assert overall(parts) is held


def test_the_sentence_and_the_table_name_the_parts(measured):
    found = [judged(part, measured(**{"A: h 1": 0.3, "D: dropout 0.0": -0.3})) for part in PARTS]
    text = sentence_of(found)
    assert text.startswith(
        "Parts of the claim that hold here: 1 of 6 (too few heads hurt); contradicted: dropout helps;"
    )
    assert text.endswith("undecided: too many heads hurt, smaller keys hurt, bigger models are better, "
                         "learned positions do nearly the same.")  # fmt: skip
    rows = table_of(found).rows
    assert rows[0][:3] == ("too few heads hurt", "A: h 1", f"{np.log(5.29 / 4.92):+.3f}")
    assert [row[-1] for row in rows] == ["holds", *["undecided"] * 3, "contradicted", "undecided"]


def test_the_study_tells_what_it_measured(monkeypatch, few_pairs):
    rows = ("A: h 1", "C: d_ff 1024", "D: smoothing 0.2")
    tiny = replace(QUICK, layers=1, d_model=16, d_ff=16, heads=4, steps=3, batch_tokens=64, rows=rows)
    monkeypatch.setattr(table3, "QUICK", tiny)
    monkeypatch.setattr(table3, "pairs_of", lambda order: few_pairs)
    found = run(Order(quick=True))
    assert [row[0] for row in found.tables[1].rows] == ["base", *rows]
    assert [row[1] for row in found.tables[2].rows] == [full_size(BASE), *(full_size(BY_NAME[name]) for name in rows)]
    assert [row[0] for row in found.tables[0].rows] == ["too few heads hurt"] == list(found.numbers["parts"])
    assert "1 of 1" in found.sentence or "0 of 1" in found.sentence
    assert set(found.numbers["arms"]) == {"base", *rows}
