"""The fused cross entropy: against torch, by hand, and that it never holds the logits of a batch."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from regard.tasks import loss as module
from regard.tasks.loss import label_smoothed_cross_entropy

V, D = 11, 6


def drawn(tokens: int, dtype=torch.float64):
    """Hidden states, weights, bias and targets; the last id is padding, which is never a target."""
    hidden = torch.randn(tokens, D, dtype=torch.float64).to(dtype).requires_grad_()
    weight = torch.randn(V, D, dtype=torch.float64).to(dtype).requires_grad_()
    return hidden, weight, torch.randn(V, dtype=torch.float64).to(dtype), torch.randint(0, V - 1, (tokens,))


def by_torch(hidden, weight, bias, targets, smoothing: float, never: int | None):
    logits = hidden @ weight.T + bias
    if never is not None:  # ids after it move one down
        logits = torch.cat([logits[:, :never], logits[:, never + 1 :]], dim=1)
        targets = targets - (targets > never).long()
    smoothed = functional.cross_entropy(logits, targets, label_smoothing=smoothing, reduction="sum")
    return smoothed, functional.cross_entropy(logits, targets, reduction="sum")


@pytest.mark.parametrize("rows", [1, 3, 7, 10, 512])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_it_is_what_torch_computes_without_the_column_of_padding(monkeypatch, rows, smoothing):
    monkeypatch.setattr(module, "ROWS", rows)
    hidden, weight, bias, targets = drawn(10)
    ours = label_smoothed_cross_entropy(hidden, weight, bias, targets, smoothing=smoothing, never=V - 1)
    gradients = torch.autograd.grad(ours.smoothed, (hidden, weight))
    theirs = by_torch(hidden, weight, bias, targets, smoothing, V - 1)
    torch.testing.assert_close(tuple(ours), theirs, rtol=0, atol=1e-9)
    torch.testing.assert_close(gradients, torch.autograd.grad(theirs[0], (hidden, weight)), rtol=0, atol=1e-9)


@pytest.mark.parametrize("never", [None, 0, 4])
def test_any_id_or_none_may_be_the_one_that_is_never_predicted(never):
    hidden, weight, bias, targets = drawn(10)
    targets[targets == never] = 1
    ours = label_smoothed_cross_entropy(hidden, weight, bias, targets, smoothing=0.1, never=never)
    theirs = by_torch(hidden, weight, bias, targets, 0.1, never)
    torch.testing.assert_close(tuple(ours), theirs, rtol=0, atol=1e-9)
    gradients = torch.autograd.grad(ours.smoothed, (hidden, weight))
    torch.testing.assert_close(gradients, torch.autograd.grad(theirs[0], (hidden, weight)), rtol=0, atol=1e-9)


def test_one_token_by_hand():
    """Probabilities (1/2, 1/4, 1/4) and padding, target 0, ε = 0.3: q = (0.8, 0.1, 0.1)."""
    weight = torch.tensor([[math.log(2)], [0.0], [0.0], [50.0]], dtype=torch.float64)
    hidden, bias = torch.ones(1, 1, dtype=torch.float64), torch.zeros(4, dtype=torch.float64)
    found = label_smoothed_cross_entropy(hidden, weight, bias, torch.tensor([0]), smoothing=0.3, never=3)
    assert found.plain.item() == pytest.approx(math.log(2))
    assert found.smoothed.item() == pytest.approx((0.8 + 2 * 0.2) * math.log(2))


def test_a_model_that_knows_nothing_loses_log_v_on_every_token():
    hidden, weight, bias, targets = drawn(9)
    found = label_smoothed_cross_entropy(0 * hidden, weight, 0 * bias, targets, smoothing=0.1, never=V - 1)
    assert found.smoothed.item() == pytest.approx(9 * math.log(V - 1))
    assert found.plain.item() == pytest.approx(9 * math.log(V - 1))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_gradient_is_that_of_finite_differences(monkeypatch, smoothing):
    monkeypatch.setattr(module, "ROWS", 2)
    hidden, weight, bias, targets = drawn(5)

    def loss(hidden, weight):
        return label_smoothed_cross_entropy(hidden, weight, bias, targets, smoothing=smoothing, never=V - 1).smoothed

    assert torch.autograd.gradcheck(loss, (hidden, weight))


@pytest.mark.parametrize("never", [None, V - 1, 4])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("rows", [3, 512])
def test_a_bias_that_is_trained_gets_torch_s_gradient(monkeypatch, rows, smoothing, never):
    monkeypatch.setattr(module, "ROWS", rows)
    hidden, weight, bias, targets = drawn(10)
    targets[targets == never] = 1
    bias.requires_grad_()
    ours = label_smoothed_cross_entropy(hidden, weight, bias, targets, smoothing=smoothing, never=never).smoothed
    found = torch.autograd.grad(3 * ours, (hidden, weight, bias))
    theirs = by_torch(hidden, weight, bias, targets, smoothing, never)[0]
    torch.testing.assert_close(found, torch.autograd.grad(3 * theirs, (hidden, weight, bias)), rtol=0, atol=1e-12)


def test_a_bias_may_be_all_that_is_trained():
    hidden, weight, bias, targets = drawn(10)
    bias.requires_grad_()
    hidden, weight = hidden.detach(), weight.detach()
    found = label_smoothed_cross_entropy(hidden, weight, bias, targets, smoothing=0.1, never=V - 1).smoothed
    theirs = by_torch(hidden, weight, bias, targets, 0.1, V - 1)[0]
    torch.testing.assert_close(*(torch.autograd.grad(one, bias) for one in (found, theirs)), rtol=0, atol=1e-12)


def test_a_trained_bias_in_bfloat16_adds_up_in_float32(monkeypatch):
    """1000 tokens, one at a time, each adding 1/10; in bfloat16 the sum would end at 32."""
    monkeypatch.setattr(module, "ROWS", 1)
    weight, hidden = torch.zeros(V, D).bfloat16(), torch.ones(1000, D).bfloat16()
    bias = torch.zeros(V).bfloat16().requires_grad_()
    targets = torch.zeros(1000, dtype=torch.long)
    label_smoothed_cross_entropy(hidden, weight, bias, targets, never=V - 1).smoothed.backward()
    assert bias.grad.dtype == torch.bfloat16
    torch.testing.assert_close(bias.grad[1 : V - 1].float(), torch.full((V - 2,), 100.0), rtol=0.01, atol=0)


def test_no_bias_is_a_bias_of_zero():
    hidden, weight, bias, targets = drawn(10)
    found = [
        label_smoothed_cross_entropy(hidden, weight, one, targets, smoothing=0.1, never=V - 1)
        for one in (None, 0 * bias)
    ]
    assert found[0] == found[1]
    gradients = [torch.autograd.grad(one.smoothed, (hidden, weight)) for one in found]
    torch.testing.assert_close(*gradients, rtol=0, atol=0)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_where_gradients_are_switched_off_a_trained_bias_gets_none(monkeypatch, mode):
    hidden, weight, bias, targets = drawn(10)
    monkeypatch.setattr(module, "_add_product", None)
    with mode():
        found = label_smoothed_cross_entropy(hidden, weight, bias.requires_grad_(), targets, never=V - 1)
    assert not found.smoothed.requires_grad


def test_a_factor_on_the_loss_is_a_factor_on_the_gradient():
    hidden, weight, bias, targets = drawn(5)
    found = label_smoothed_cross_entropy(hidden, weight, bias, targets, never=V - 1).smoothed
    whole = torch.autograd.grad(found, (hidden, weight), retain_graph=True)
    tenth = torch.autograd.grad(found / 10, (hidden, weight))
    torch.testing.assert_close(tenth, tuple(one / 10 for one in whole))


def test_the_plain_loss_is_only_for_reading():
    hidden, weight, bias, targets = drawn(5)
    assert not label_smoothed_cross_entropy(hidden, weight, bias, targets, never=V - 1).plain.requires_grad


def test_the_row_of_padding_gets_no_gradient():
    hidden, weight, bias, targets = drawn(5)
    label_smoothed_cross_entropy(hidden, weight, bias, targets, smoothing=0.1, never=V - 1).smoothed.backward()
    assert torch.equal(weight.grad[V - 1], torch.zeros(D, dtype=torch.float64))
    assert (weight.grad[: V - 1] != 0).all()


def test_bfloat16_is_near(monkeypatch):
    """Products in bfloat16 with 8 bits each; the softmax and the sums in float32, so that errors do not grow with n."""
    monkeypatch.setattr(module, "ROWS", 64)
    hidden, weight, bias, targets = drawn(400, torch.bfloat16)
    found = label_smoothed_cross_entropy(hidden, weight, bias.float(), targets, smoothing=0.1, never=V - 1)
    found.smoothed.backward()
    exact_hidden, exact_weight = (one.detach().double().requires_grad_() for one in (hidden, weight))
    exact = label_smoothed_cross_entropy(exact_hidden, exact_weight, bias.double(), targets, smoothing=0.1, never=V - 1)
    exact.smoothed.backward()
    assert found.smoothed.item() == pytest.approx(exact.smoothed.item(), rel=2e-3)
    assert found.plain.item() == pytest.approx(exact.plain.item(), rel=2e-3)
    assert hidden.grad.dtype == weight.grad.dtype == torch.bfloat16
    for rounded, right in ((hidden.grad, exact_hidden.grad), (weight.grad, exact_weight.grad)):
        assert (rounded.double() - right).norm() < 0.01 * right.norm()


def test_with_bfloat16_the_softmax_is_still_computed_in_float32():
    """Without hidden states the logits are the bias; rounded to bfloat16 it would be wrong in the third digit."""
    weight, bias, targets = torch.randn(V, D).bfloat16(), torch.randn(V), torch.randint(0, V - 1, (50,))
    found = label_smoothed_cross_entropy(torch.zeros(50, D).bfloat16(), weight, bias, targets, never=V - 1)
    expected = functional.cross_entropy(bias[: V - 1].double().expand(50, -1), targets, reduction="sum")
    assert found.plain.item() == pytest.approx(expected.item(), rel=1e-6)


def test_with_bfloat16_the_gradient_of_the_weights_adds_up_in_float32(monkeypatch):
    """1000 tokens, one at a time, each adding 1/10 to every row but the first; in bfloat16 the sum would end at 32."""
    monkeypatch.setattr(module, "ROWS", 1)
    weight, hidden = torch.zeros(V, D).bfloat16().requires_grad_(), torch.ones(1000, D).bfloat16()
    targets = torch.zeros(1000, dtype=torch.long)
    label_smoothed_cross_entropy(hidden, weight, torch.zeros(V), targets, never=V - 1).smoothed.backward()
    torch.testing.assert_close(weight.grad[1 : V - 1].float(), torch.full((V - 2, D), 100.0), rtol=0.01, atol=0)


def test_no_tokens_at_all_lose_nothing():
    hidden, weight, bias, targets = drawn(0)
    found = label_smoothed_cross_entropy(hidden, weight, bias, targets, smoothing=0.1, never=V - 1)
    found.smoothed.backward()
    assert (found.smoothed.item(), found.plain.item()) == (0.0, 0.0)
    assert torch.equal(weight.grad, torch.zeros(V, D, dtype=torch.float64))


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_where_gradients_are_switched_off_none_is_made_and_the_losses_are_the_same(monkeypatch, mode):
    hidden, weight, bias, targets = drawn(10)
    wanted = label_smoothed_cross_entropy(hidden, weight, bias, targets, smoothing=0.1, never=V - 1)
    monkeypatch.setattr(module, "_add_product", None)
    with mode():
        found = label_smoothed_cross_entropy(hidden, weight, bias, targets, smoothing=0.1, never=V - 1)
    assert (found.smoothed.item(), found.plain.item()) == (wanted.smoothed.item(), wanted.plain.item())
    assert not found.smoothed.requires_grad


class Largest(TorchDispatchMode):
    """Notes the largest tensor that any operation returns."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        found = operation(*args, **(kwargs or {}))
        for tensor in torch.utils._pytree.tree_leaves(found):
            if isinstance(tensor, torch.Tensor):
                self.numbers = max(self.numbers, tensor.untyped_storage().nbytes() // tensor.element_size())
        return found


def test_the_logits_of_a_batch_are_never_held(monkeypatch):
    """300 tokens of 11 ids are 3300 logits; at ten tokens a time no tensor is larger than the hidden states."""
    monkeypatch.setattr(module, "ROWS", 10)
    hidden, weight, bias, targets = drawn(300, torch.float32)
    with Largest() as ours:
        label_smoothed_cross_entropy(hidden, weight, bias, targets, smoothing=0.1, never=V - 1).smoothed.backward()
    with Largest() as plain:
        by_torch(hidden, weight, bias, targets, 0.1, V - 1)
    assert plain.numbers == 300 * V
    assert ours.numbers == 300 * D
