from __future__ import annotations

import torch

from regard.decoding.ranking import best


def test_equal_values_come_back_by_column_whatever_topk_does():
    generator = torch.Generator().manual_seed(0)
    for width, count in ((3, 3), (10, 4), (300, 7), (300, 299)):
        values = torch.randint(0, 5, (200, width), generator=generator).float()
        values[values == 0] = -torch.inf
        found = best(values, count)
        for row, top, columns in zip(values.tolist(), found.values.tolist(), found.columns.tolist(), strict=True):
            expected = sorted(range(width), key=lambda column: (-row[column], column))[:count]
            assert top == [row[column] for column in expected]
            finite = [column for column in expected if row[column] > -torch.inf]
            assert columns[: len(finite)] == finite


def test_distinct_values_come_back_in_falling_order():
    found = best(torch.tensor([[0.5, -1.0, 3.0, 2.0]]), 3)
    assert found.values.tolist() == [[3.0, 2.0, 0.5]]
    assert found.columns.tolist() == [[2, 3, 0]]
