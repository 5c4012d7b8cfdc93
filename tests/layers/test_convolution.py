"""A convolution is torch's own, is what the hand reckons, and goes on step by step."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from regard.errors import SettingError
from regard.layers.convolution import Convolution, GatedLinearUnit

EXACT = {"rtol": 0, "atol": 1e-12}
CENTRED, CAUSAL = (1, 3, 5, 7), (1, 2, 3, 4, 5)


def drawn(d_in: int, d_out: int, width: int, *, causal: bool) -> Convolution:
    layer = Convolution(d_in, d_out, width, causal=causal).double()
    with torch.no_grad():
        for weight in layer.parameters():
            weight.normal_(std=0.5)
    return layer


def by_torch(layer: Convolution, x: Tensor, padding: int) -> Tensor:
    """``nn.Conv1d`` with the same numbers, cut to the length of the text."""
    d_out, d_in = layer.product.out_features, x.shape[2]
    theirs = nn.Conv1d(d_in, d_out, layer.width, padding=padding).double()
    with torch.no_grad():
        theirs.weight.copy_(layer.product.weight.view(d_out, layer.width, d_in).transpose(1, 2))
        theirs.bias.copy_(layer.product.bias)
    return theirs(x.transpose(1, 2)).transpose(1, 2)[:, : x.shape[1]]


def reckoned(*, causal: bool) -> list[float]:
    """x = 1, 2, 3 under the window 1, 10, 100, plus 1000."""
    layer = Convolution(1, 1, 3, causal=causal)
    layer.product.load_state_dict({"weight": torch.tensor([[1.0, 10.0, 100.0]]), "bias": torch.tensor([1000.0])})
    return layer(torch.tensor([[[1.0], [2.0], [3.0]]])).flatten().tolist()


def test_a_centred_window_is_as_reckoned_by_hand():
    assert reckoned(causal=False) == [1210.0, 1321.0, 1032.0]  # 0 1 2, 1 2 3, 2 3 0


def test_a_causal_window_is_as_reckoned_by_hand():
    assert reckoned(causal=True) == [1100.0, 1210.0, 1321.0]  # 0 0 1, 0 1 2, 1 2 3


@pytest.mark.parametrize("length", [1, 2, 9])
@pytest.mark.parametrize("width", CENTRED)
def test_a_centred_convolution_is_torch_s(width, length):
    layer, x = drawn(4, 6, width, causal=False), torch.randn(3, length, 4, dtype=torch.float64)
    torch.testing.assert_close(layer(x), by_torch(layer, x, width // 2), **EXACT)


@pytest.mark.parametrize("length", [1, 2, 9])
@pytest.mark.parametrize("width", CAUSAL)
def test_a_causal_convolution_is_torch_s_whose_end_is_cut_off(width, length):
    layer, x = drawn(4, 6, width, causal=True), torch.randn(3, length, 4, dtype=torch.float64)
    torch.testing.assert_close(layer(x), by_torch(layer, x, width - 1), **EXACT)


@pytest.mark.parametrize("causal", [False, True])
def test_a_window_reaches_as_far_as_it_is_wide(causal):
    layer, x = drawn(4, 1, 5, causal=causal), torch.randn(1, 9, 4, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(layer(x)[0, 4, 0], x)
    reached = gradient[0].abs().amax(1).gt(0).nonzero().flatten().tolist()
    assert reached == ([0, 1, 2, 3, 4] if causal else [2, 3, 4, 5, 6])


def test_padding_counts_as_zeros_whatever_is_there():
    layer, x = drawn(4, 6, 5, causal=False), torch.randn(2, 7, 4, dtype=torch.float64)
    real = torch.arange(7) < torch.tensor([[4], [7]])
    found = layer(x, real)
    torch.testing.assert_close(found[:1, :4], layer(x[:1, :4]), **EXACT)
    torch.testing.assert_close(found[1:], layer(x[1:]), **EXACT)


@pytest.mark.parametrize("width", CAUSAL)
def test_steps_give_what_the_whole_text_gives(width):
    layer, x = drawn(4, 6, width, causal=True), torch.randn(3, 8, 4, dtype=torch.float64)
    past, whole = layer.nothing(3), layer(x)
    assert past.shape == (3, width - 1, 4)
    for t in range(8):
        found, past = layer.step(x[:, t : t + 1], past)
        torch.testing.assert_close(found[:, 0], whole[:, t], **EXACT)


@pytest.mark.parametrize("width", [2, 4])
def test_an_even_window_has_no_middle(width):
    expected = f"^width: got {width}; expected an odd number, so that windows are centred; use {width + 1}\\.$"
    with pytest.raises(SettingError, match=expected):
        Convolution(4, 6, width)


def test_a_gate_is_as_reckoned_by_hand():
    x = torch.tensor([[[2.0, -4.0, 0.0, math.log(3)]]], dtype=torch.float64)  # σ(0) = 1/2, σ(ln 3) = 3/4
    torch.testing.assert_close(GatedLinearUnit()(x), torch.tensor([[[1.0, -3.0]]], dtype=torch.float64), **EXACT)


def test_a_gate_is_its_formula():
    x = torch.randn(2, 3, 10, dtype=torch.float64)
    torch.testing.assert_close(GatedLinearUnit()(x), x[..., :5] * torch.sigmoid(x[..., 5:]), **EXACT)
