"""Positions: the sinusoids by the paper's formula and by their laws, the learned ones, none, and how places count."""

from __future__ import annotations

import math

import pytest
import torch

from regard.errors import SettingError
from regard.layers.position import (
    LearnedPositions,
    NoPositions,
    SinusoidalPositions,
    among_tokens,
    in_order,
    sinusoids,
)

ROUNDED = 6e-8  # the table is float32


def places(*numbers: int) -> torch.Tensor:
    return torch.tensor([numbers])


@pytest.mark.parametrize("d_model", [2, 8, 512])
def test_every_value_is_the_paper_s_formula(d_model):
    table = sinusoids(60, d_model).tolist()
    for p, row in enumerate(table):
        for i in range(d_model // 2):
            angle = p / 10000 ** (2 * i / d_model)
            assert row[2 * i] == pytest.approx(math.sin(angle), abs=ROUNDED)
            assert row[2 * i + 1] == pytest.approx(math.cos(angle), abs=ROUNDED)


def test_the_first_two_positions_by_hand():
    """d_model 4: frequencies 1 and 1/100."""
    expected = [[0.0, 1.0, 0.0, 1.0], [0.8414709848, 0.5403023059, 0.0099998333, 0.9999500004]]
    torch.testing.assert_close(sinusoids(2, 4), torch.tensor(expected), rtol=0, atol=ROUNDED)


def test_every_value_lies_between_minus_one_and_one():
    assert sinusoids(3000, 64).abs().max() <= 1.0


@pytest.mark.parametrize("shift", [1, 7, 100])
def test_the_encoding_at_p_plus_k_is_a_rotation_of_that_at_p_by_k_alone(shift):
    d_model = 16
    table = sinusoids(400, d_model).double()
    rotation = torch.zeros(d_model, d_model, dtype=torch.float64)
    for i in range(d_model // 2):
        angle = shift / 10000 ** (2 * i / d_model)
        block = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
        rotation[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = torch.tensor(block)
    torch.testing.assert_close(table[:-shift] @ rotation, table[shift:], rtol=0, atol=3e-7)


def unexplained(table: torch.Tensor, shift: int) -> float:
    """The largest error of the best linear map, with a constant, from the code of p to that of p + ``shift``."""
    before = torch.cat((table[:-shift], torch.ones(len(table) - shift, 1).double()), dim=1)
    best = torch.linalg.lstsq(before, table[shift:], driver="gelsd").solution
    return (before @ best - table[shift:]).abs().max().item()


@pytest.mark.parametrize("shift", [1, 3, 4, 7])
def test_no_linear_map_moves_a_binary_code_by_a_shift_as_one_moves_the_sinusoids(shift):
    """A carry is no linear function of the digits: even 0, 1, 2, 3 → 1, 2, 3, 4 leaves (0, 1, 1, 0) in the twos."""
    numbers = torch.arange(64)[:, None]
    binary = (numbers >> torch.arange(7) & 1).double()
    assert set(binary.unique().tolist()) == {0.0, 1.0}
    assert binary[6].tolist() == [0, 1, 1, 0, 0, 0, 0]
    assert unexplained(binary, shift) > 0.4
    assert unexplained(sinusoids(64, 8).double(), shift) < 1e-6


def test_neighbours_are_equally_far_apart_in_sinusoids_and_not_in_binary_codes():
    apart = sinusoids(64, 8).double().diff(dim=0).norm(dim=1)
    torch.testing.assert_close(apart, apart[:1].expand(63), rtol=0, atol=1e-6)
    binary = (torch.arange(64)[:, None] >> torch.arange(7) & 1).double()
    assert binary.diff(dim=0).abs().sum(1).unique().tolist() == [1, 2, 3, 4, 5, 6]  # of 7 → 8 all four digits change


def test_no_two_positions_are_alike():
    table = sinusoids(1000, 32)
    apart = torch.cdist(table, table) + torch.eye(1000) * 9
    assert apart.min() > 0.1


def test_the_halves_layout_is_a_permutation_of_the_columns():
    table = sinusoids(50, 10)
    order = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]  # the sines, then the cosines
    assert torch.equal(sinusoids(50, 10, "halves"), table[:, order])


def test_sinusoids_want_an_even_width():
    expected = r"d_model: got 7; expected an even number with sinusoids; use 8\."
    with pytest.raises(SettingError, match=expected):
        sinusoids(3, 7)


@pytest.mark.parametrize("layout", ["interleaved", "halves"])
def test_the_encodings_are_added(layout):
    x = torch.randn(2, 5, 8)
    assert torch.equal(SinusoidalPositions(8, layout)(x, places(*range(5))), x + sinusoids(5, 8, layout))


@pytest.mark.parametrize(
    "positions", [SinusoidalPositions(8), LearnedPositions(9, 8), LearnedPositions(9, 8, offset=2)]
)
def test_every_token_gets_the_position_of_its_own_place(positions):
    x, where = torch.randn(2, 3, 8), torch.tensor([[4, 0, 1], [8, 8, 2]])
    found = positions(x, where)
    for row in range(2):
        for column in range(3):
            one = x[row : row + 1, column : column + 1]
            assert torch.equal(positions(one, where[row : row + 1, column : column + 1])[0, 0], found[row, column])


@pytest.mark.parametrize("positions", [SinusoidalPositions(8), LearnedPositions(9, 8)])
def test_a_later_part_of_a_sentence_gets_its_own_positions(positions):
    x = torch.randn(2, 5, 8)
    parts = [
        positions(x[:, :2], places(0, 1)),
        positions(x[:, 2:3], places(2)),
        positions(x[:, 3:], places(3, 4)),
    ]
    assert torch.equal(torch.cat(parts, dim=1), positions(x, places(*range(5))))


def test_the_table_grows_with_the_sentence():
    positions = SinusoidalPositions(8, expected=4)
    assert torch.equal(positions(torch.zeros(1, 1001, 8), places(*range(1001)))[0], sinusoids(1001, 8, "halves"))
    assert torch.equal(positions(torch.zeros(1, 1, 8), places(5000))[0, 0], sinusoids(5001, 8, "halves")[5000])
    assert torch.equal(positions(torch.zeros(1, 3, 8), places(0, 1, 2))[0], sinusoids(3, 8, "halves"))


def test_a_table_that_grows_keeps_its_type_of_number():
    positions, nine = SinusoidalPositions(8, expected=2).double(), places(*range(9))
    assert positions(torch.zeros(1, 9, 8, dtype=torch.float64), nine).dtype == torch.float64
    assert positions(torch.zeros(1, 9, 8, dtype=torch.bfloat16), nine).dtype == torch.bfloat16


def test_a_table_of_sinusoids_is_no_weight():
    assert dict(SinusoidalPositions(8).state_dict()) == {}
    assert list(SinusoidalPositions(8).parameters()) == []


def test_learned_positions_are_rows_that_are_added():
    positions, x = LearnedPositions(6, 8), torch.randn(2, 3, 8)
    assert torch.equal(positions(x, places(0, 1, 2)), x + positions.weight[:3])
    assert torch.equal(positions(x, places(3, 4, 5)), x + positions.weight[3:])


def test_rows_may_stand_before_that_of_the_first_place():
    positions, x = LearnedPositions(6, 8, offset=2), torch.randn(2, 3, 8)
    assert positions.weight.shape == (8, 8)
    assert torch.equal(positions(x, places(0, 1, 2)), x + positions.weight[2:5])
    assert torch.equal(positions(x, places(-1, 0, 5)), x + positions.weight[[1, 2, 7]])


@pytest.mark.parametrize("offset", [0, 2])
def test_beyond_the_last_learned_position_there_is_an_error(offset):
    positions = LearnedPositions(4, 8, offset)
    expected = r"positions: got 5; expected at most 4, the learned ones; shorten or split the text\."
    with pytest.raises(SettingError, match=expected):
        positions(torch.zeros(1, 5, 8), places(*range(5)))
    with pytest.raises(SettingError, match=expected):
        positions(torch.zeros(1, 1, 8), places(4))


def test_without_positions_nothing_is_added():
    x = torch.randn(1, 2, 3)
    assert NoPositions()(x, places(7, 8)) is x


def test_places_count_every_id_or_the_tokens_alone():
    ids = torch.tensor([[1, 1, 7, 8, 9], [7, 8, 9, 1, 1], [7, 1, 8, 1, 9], [1, 1, 1, 1, 1]])
    assert in_order(ids).tolist() == [[0, 1, 2, 3, 4]]
    assert among_tokens(ids, pad=1).tolist() == [
        [-1, -1, 0, 1, 2],
        [0, 1, 2, -1, -1],
        [0, -1, 1, -1, 2],
        [-1, -1, -1, -1, -1],
    ]
