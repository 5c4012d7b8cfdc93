"""Dropout, sum and norm in one pass: against torch in float64, and the random numbers against published answers."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from regard.layers.kernels import residual
from regard.layers.kernels.library import Dropout
from regard.layers.kernels.residual import add_dropped, add_norm, dropped

# Salmon et al. 2011, the known answers of philox4x32 with ten rounds: counter 0 and key 0.
ANSWER = (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)


def draw_with(monkeypatch, key: int, threshold: int) -> None:
    monkeypatch.setattr(Dropout, "drawn", classmethod(lambda cls, rate: cls(key, threshold, 1.0)))


@pytest.mark.parametrize("half", range(8))
def test_the_numbers_are_those_of_the_published_generator(monkeypatch, half):
    """Its four words are eight numbers of 16 bits, for columns 0, 16, 32 … of the first row."""
    number = ANSWER[half // 2] >> 16 * (half % 2) & 0xFFFF
    for threshold, kept in ((number, 1.0), (number + 1, 0.0)):
        draw_with(monkeypatch, 0, threshold)
        assert dropped(torch.ones(1, 128), 0.5)[0, 16 * half] == kept


def test_every_row_and_every_column_draws_for_itself():
    torch.manual_seed(0)
    kept = (dropped(torch.ones(600, 300), 0.5) > 0).double() - 0.5
    deviation = 0.25 / 600**0.5  # of the mean of 600 products of independent ±1/2
    neighbours = (kept[:, :-1] * kept[:, 1:]).mean(0)
    assert neighbours.abs().max() < 5 * deviation
    below = (kept[:-1] * kept[1:]).mean(1)
    assert below.abs().max() < 5 * 0.25 / 300**0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(2, 3, 32), (4, 7), (1, 200), (0, 16)])
def test_a_sum_with_dropout_drops_only_what_is_added(dtype, shape):
    x, s = (torch.randn(shape).to(dtype).requires_grad_() for _ in range(2))
    y = add_dropped(x, s, 0.4)
    kept = ((y - x).abs() > 1e-3).detach()
    torch.testing.assert_close(y, torch.where(kept, x + s / 0.6, x), rtol=2e-2, atol=2e-2)
    outer = torch.randn(shape).to(dtype)
    by_x, by_s = torch.autograd.grad(y, (x, s), outer)
    assert torch.equal(by_x, outer)
    unsure = (s.abs() < 0.05).detach()  # too small a number to tell whether it was dropped
    torch.testing.assert_close(by_s[~unsure], torch.where(kept, outer / 0.6, 0)[~unsure], rtol=1e-2, atol=1e-6)


def expected_norm(x, s, kept, gain, shift, epsilon, outer):
    wide = [one.detach().double().requires_grad_() for one in (x, s, gain, shift)]
    y = functional.layer_norm(wide[0] + kept.double() * wide[1], gain.shape, wide[2], wide[3], epsilon)
    return y, *torch.autograd.grad(y, wide, outer.double())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(3, 5, 32), (1, 1, 16), (50, 7, 144)])
@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_the_norm_of_a_sum_is_torch_s(dtype, shape, rate):
    x, s = (torch.randn(shape).to(dtype).requires_grad_() for _ in range(2))
    gain, shift = (torch.randn(shape[-1]).to(dtype).requires_grad_() for _ in range(2))
    torch.manual_seed(3)
    kept = dropped(torch.ones(shape), rate)
    torch.manual_seed(3)
    y = add_norm(x, s, rate, gain, shift, 1e-5)
    outer = torch.randn(shape).to(dtype)
    found = (y, *torch.autograd.grad(y, (x, s, gain, shift), outer))
    wanted = expected_norm(x, s, kept, gain, shift, 1e-5, outer)
    for ours, theirs in zip(found, wanted, strict=True):
        tolerance = (1e-5 if dtype == torch.float32 else 3e-2) * max(1.0, theirs.abs().max().item())
        torch.testing.assert_close(ours.double(), theirs, rtol=0, atol=tolerance)


def test_one_norm_by_hand():
    """Alternately 1 and 3 has mean 2 and deviation 1: −1 and 1 in turn; half of it is in x and half in s."""
    both = torch.tensor([0.5, 1.5]).repeat(8)[None]
    y = add_norm(both, both.clone(), 0.0, torch.full((16,), 2.0), torch.full((16,), 5.0), 0.0)
    torch.testing.assert_close(y, torch.tensor([3.0, 7.0]).repeat(8)[None])


def test_the_same_seed_draws_the_same_and_another_seed_does_not():
    def draws(seed: int):
        torch.manual_seed(seed)
        return dropped(torch.ones(4, 64), 0.5), dropped(torch.ones(4, 64), 0.5)

    first, again, other = draws(1), draws(1), draws(2)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], other[0])


def test_the_same_bits_with_any_number_of_threads(any_threads):
    def results():
        x, s = (torch.randn(70, 9, 48).requires_grad_() for _ in range(2))
        gain, shift = torch.randn(48).requires_grad_(), torch.randn(48).requires_grad_()
        y = add_norm(x, s, 0.3, gain, shift, 1e-5) + add_dropped(x, s, 0.3)
        return y, *torch.autograd.grad(y.square().sum(), (x, s, gain, shift))

    one, two = any_threads(results)
    assert all(torch.equal(*pair) for pair in zip(one, two, strict=True))


def test_no_mask_is_kept_for_the_way_back():
    x = torch.randn(64, 64, requires_grad=True)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(kept.append, lambda tensor: tensor):
        residual.dropped(x, 0.5)
    assert not kept


def test_a_second_derivative_is_refused_and_not_silently_zero():
    x = torch.randn(2, 16, requires_grad=True)
    (first,) = torch.autograd.grad(dropped(x, 0.1).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_columns_far_apart_draw_for_themselves_too():
    torch.manual_seed(0)
    kept = dropped(torch.ones(50, 256), 0.5)
    assert not torch.equal(kept[:, :128], kept[:, 128:])


def test_bfloat16_is_rounded_as_torch_rounds_it():
    x, s = torch.randn(40, 64).bfloat16(), torch.randn(40, 64).bfloat16()
    assert torch.equal(add_dropped(x, s, 0.0), (x.float() + s.float()).bfloat16())


def test_a_row_of_equal_numbers_is_no_division_by_zero():
    flat, shift = torch.ones(1, 16), torch.randn(16)
    torch.testing.assert_close(add_norm(flat, flat, 0.0, torch.ones(16), shift, 1e-5)[0], shift)
