"""Matrix products of the compiled decoder, called by themselves."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from regard.decoding.native.views import LinearView

ROWS = 50
SHAPES = [(16, 16), (48, 80), (128, 208)]  # columns in one panel and in several, the last of them not full


@pytest.fixture
def times(library):
    """x Wᵀ + b, in float32 or in bytes."""

    def product(x, weight, bias, in_bytes):
        if in_bytes and not library.regard_has_bytes():
            pytest.skip("no instructions for products of bytes")
        found = np.empty((len(x), len(weight)), np.float32)
        view = LinearView(weight.ctypes.data, None if bias is None else bias.ctypes.data, weight.shape[1], len(weight))
        assert library.regard_product(ctypes.byref(view), in_bytes, x.ctypes.data, len(x), found.ctypes.data) == 0
        return found

    return product


def numbers(inputs, outputs):
    draw = np.random.default_rng(inputs)
    x = draw.standard_normal((ROWS, inputs)).astype(np.float32)
    return (
        x,
        draw.standard_normal((outputs, inputs)).astype(np.float32),
        draw.standard_normal(outputs).astype(np.float32),
    )


@pytest.mark.parametrize("in_bytes", [False, True])
@pytest.mark.parametrize(("inputs", "outputs"), SHAPES)
def test_a_row_has_the_same_bits_in_any_company(times, inputs, outputs, in_bytes):
    x, weight, bias = numbers(inputs, outputs)
    alone = np.concatenate([times(np.ascontiguousarray(row[None]), weight, bias, in_bytes) for row in x])
    for rows in range(1, ROWS + 1):
        assert np.array_equal(times(np.ascontiguousarray(x[:rows]), weight, bias, in_bytes), alone[:rows])
        assert np.array_equal(times(np.ascontiguousarray(x[-rows:]), weight, bias, in_bytes), alone[-rows:])


@pytest.mark.parametrize(("inputs", "outputs"), SHAPES)
def test_a_product_is_the_product(times, inputs, outputs):
    x, weight, bias = numbers(inputs, outputs)
    exact = x.astype(np.float64) @ weight.T.astype(np.float64)
    assert np.allclose(times(x, weight, bias, False), exact + bias, atol=1e-4)
    assert np.allclose(times(x, weight, None, False), exact, atol=1e-4)


@pytest.mark.parametrize(("inputs", "outputs"), SHAPES)
def test_bytes_are_quantised_a_row_and_a_column_at_a_time(times, inputs, outputs):
    x, weight, bias = numbers(inputs, outputs)
    x[3] = 0.0
    weight[5] = 0.0
    found = times(x, weight, bias, True)

    def bytes_of(rows):
        most = np.abs(rows).max(axis=1, keepdims=True)
        factor = np.divide(np.float32(127), most, out=np.zeros_like(most), where=most > 0)
        return np.rint(rows * factor).astype(np.int64), most.astype(np.float64) / 127

    (a, row_scale), (b, column_scale) = bytes_of(x), bytes_of(weight)
    assert np.abs(a).max() == np.abs(b).max() == 127
    assert np.allclose(found, (a @ b.T) * row_scale * column_scale.T + bias, rtol=1e-6, atol=1e-5)
    assert np.array_equal(found[3], bias)
