"""Cross entropy in one pass over the logits, against torch in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from regard.layers.kernels.cross_entropy import cross_entropy_


def expected(logits, answers, bias, smoothing, never):
    """log p(answer), mean log p and the gradient of the smoothed loss, by autograd."""
    z = logits.double().requires_grad_()
    kept = [v for v in range(z.shape[1]) if v != never]
    shifted = z if bias is None else z + bias.double()
    log_p = functional.log_softmax(shifted[:, kept], 1)
    places = torch.tensor([kept.index(answer) for answer in answers.tolist()])
    answered = log_p.gather(1, places[:, None])[:, 0]
    loss = -((1 - smoothing) * answered + smoothing * log_p.mean(1)).sum()
    return answered, log_p.mean(1), torch.autograd.grad(loss, z)[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("ids", [2, 16, 37, 1001])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("never", [None, 0, -1])
@pytest.mark.parametrize("biased", [False, True])
def test_losses_and_gradient_are_torch_s(dtype, ids, smoothing, never, biased):
    never = ids - 1 if never == -1 else never
    logits = (3 * torch.randn(5, ids)).to(dtype)
    answers = torch.randint(0, ids, (5,))
    if never is not None:
        answers[answers == never] = (never + 1) % ids
    bias = torch.randn(ids) if biased else None
    wanted = expected(logits, answers, bias, smoothing, never)
    answered, means = cross_entropy_(logits, answers, bias, smoothing, never)
    torch.testing.assert_close(answered.double(), wanted[0], rtol=0, atol=2e-5)
    torch.testing.assert_close(means.double(), wanted[1], rtol=0, atol=2e-5)
    tolerance = 2e-6 if dtype == torch.float32 else 4e-3
    torch.testing.assert_close(logits.double(), wanted[2], rtol=0, atol=tolerance)


def test_two_ids_by_hand():
    """Logits log 3 and 0: probabilities 3/4 and 1/4."""
    logits = torch.tensor([[math.log(3), 0.0]])
    answered, means = cross_entropy_(logits, torch.tensor([1]), None, 0.0, None)
    assert answered.item() == pytest.approx(math.log(1 / 4))
    assert means.item() == pytest.approx((math.log(3 / 4) + math.log(1 / 4)) / 2)
    torch.testing.assert_close(logits, torch.tensor([[0.75, -0.75]]))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_logit_that_is_no_number_is_not_hidden(bad):
    logits = torch.zeros(2, 40)
    logits[1, 7] = bad
    answered, means = cross_entropy_(logits, torch.tensor([3, 3]), None, 0.1, None)
    assert answered.isfinite().tolist() == [True, False]
    assert means.isfinite().tolist() == [True, False]


def test_logits_far_apart_lose_no_number():
    logits = torch.tensor([[0.0, -2000.0, 90.0]])
    answered, _ = cross_entropy_(logits, torch.tensor([1]), None, 0.0, None)
    assert answered.item() == -2090.0
    assert logits.isfinite().all()
