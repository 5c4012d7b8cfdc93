"""Signs of trouble in the loss of a run: what is told, and what is not."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from regard.runs.signs import PATIENCE, WINDOW, Signs
from regard.training.loop import Step


def told(losses: Iterable[float], skipped: bool = False) -> list[tuple[int, str]]:
    """What is said, and after which step."""
    signs = Signs()
    found = []
    for number, loss in enumerate(losses, start=1):
        step = Step(number, 0, loss, loss, 10, 1.0, 0.1, 0.1, skipped)
        if text := signs.after(step):
            found.append((number, text))
    return found


def test_a_loss_that_falls_and_wavers_is_well():
    assert told(9.0 * 0.999**n + 0.5 * (n % 2) for n in range(3000)) == []


def test_a_loss_that_rises_by_more_than_a_nat_is_told_once():
    found = told([5.0] * WINDOW + [3.0] * WINDOW + [4.1] * WINDOW + [6.0] * WINDOW)
    assert [number for number, _ in found] == [3 * WINDOW]
    assert "the loss has risen from 3.00 to 4.10 nats: it diverges; stop, and begin again with a lower" in found[0][1]


def test_a_rise_by_less_is_none():
    assert told([5.0] * WINDOW + [3.0] * WINDOW + [3.9] * WINDOW) == []


def test_a_loss_that_has_not_fallen_is_told_once_with_where_to_look():
    found = told([7.0] * (3 * PATIENCE * WINDOW))
    assert [number for number, _ in found] == [PATIENCE * WINDOW]
    assert "the loss has not fallen since the first steps (7.00, then 7.00 nats): see whether each line" in found[0][1]


def test_a_loss_that_fell_a_little_has_fallen():
    assert told(7.0 - 0.5 * n / (PATIENCE * WINDOW) for n in range(PATIENCE * WINDOW)) == []


@pytest.mark.parametrize("loss", [float("nan"), 100.0])
def test_steps_that_were_skipped_do_not_count(loss):
    assert told([loss] * 1000, skipped=True) == []
