"""A tensor that was packed is there again, read by a second reader of the same layout."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from regard.looking.page.packing import Packing, Reference


def unpacked(data: bytes, reference: Reference) -> np.ndarray:
    """What the module's docstring says, in numpy."""
    at, shape = reference["at"], reference["shape"]
    size, rows = int(np.prod(shape)), int(np.prod(shape[:-1]))
    match reference["kind"]:
        case "weights":
            flat = np.frombuffer(data, np.uint8, size, at) / 255
        case "floats":
            flat = np.frombuffer(data, "<f4", size, at)
        case "bits":
            flat = np.unpackbits(np.frombuffer(data, np.uint8, -(-size // 8), at))[:size].astype(bool)
        case "vectors":
            scales = np.frombuffer(data, "<f4", rows, at)[:, None]
            signed = np.frombuffer(data, np.int8, size, at + 4 * rows).reshape(rows, -1)
            flat = np.where(signed == -128, np.nan, signed * scales)
    return flat.reshape(shape)


def test_weights_are_wrong_by_half_a_step_at_most() -> None:
    weights = torch.rand(2, 3, 5, 7)
    packing = Packing()
    reference = packing.weights(weights)
    assert len(packing) == 2 * 3 * 5 * 7
    assert_allclose(unpacked(packing.packed(), reference), weights, rtol=0, atol=1 / 510 + 1e-7)


def test_zero_and_one_are_exact() -> None:
    packing = Packing()
    reference = packing.weights(torch.tensor([0.0, 1.0]))
    assert_array_equal(unpacked(packing.packed(), reference), [0, 1])


def test_each_row_of_vectors_is_as_exact_as_its_greatest_allows() -> None:
    rows = torch.randn(4, 64) * torch.tensor([1e-3, 1.0, 50.0, 0.0])[:, None]
    packing = Packing()
    reference = packing.vectors(rows)
    found = unpacked(packing.packed(), reference)
    bound = rows.abs().amax(1, keepdim=True) / 254 * (1 + 1e-5)
    assert (torch.from_numpy(found) - rows).abs().le(bound).all()


def test_what_is_hidden_stays_apart_from_zero() -> None:
    packing = Packing()
    reference = packing.vectors(torch.tensor([[1.0, torch.nan, 0.0], [torch.nan, torch.nan, torch.nan]]))
    found = unpacked(packing.packed(), reference)
    assert_array_equal(np.isnan(found), [[False, True, False], [True, True, True]])
    assert_allclose(found[0, [0, 2]], [1, 0], rtol=1e-6)


def test_tensors_stand_one_after_the_other() -> None:
    packing = Packing()
    values = torch.tensor([[0.25, -3.0e6]])
    first, second = packing.bits(torch.tensor([[True, False, True]])), packing.floats(values)
    data = packing.packed()
    assert (first["at"], second["at"], len(data)) == (0, 1, 9)
    assert_array_equal(unpacked(data, first), [[True, False, True]])
    assert_array_equal(unpacked(data, second), values)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_are_packed_too(dtype: torch.dtype) -> None:
    packing = Packing()
    reference = packing.weights(torch.tensor([0.5], dtype=dtype))
    assert unpacked(packing.packed(), reference) == pytest.approx(0.5, abs=1 / 510)
