from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from regard.data.batching import IGNORED, LabelledBatch
from regard.tasks.classification import Classification, TokenClassification, class_losses

IDS, TYPES = torch.tensor([[2, 3, 4], [5, 6, 0]]), torch.tensor([[0, 0, 1], [0, 1, 0]])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("labels", [[2, 0], [1, IGNORED]])
def test_the_loss_of_a_text_is_torch_s(small, smoothing: float, labels: list[int]) -> None:
    model = small(causal=False)
    answers = torch.tensor(labels)
    losses = Classification(smoothing).losses(model, LabelledBatch(IDS, TYPES, answers, 2))
    logits = model.classify(IDS, TYPES)
    expected = functional.cross_entropy(logits, answers, label_smoothing=smoothing, reduction="sum")
    plain = functional.cross_entropy(logits, answers, reduction="sum")
    torch.testing.assert_close(tuple(losses), (expected, plain), rtol=0, atol=1e-9)
    gradients = (torch.autograd.grad(one, model.table)[0] for one in (losses.smoothed, expected))
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-9)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_of_tokens_is_torch_s_over_the_labels(token_classes, smoothing: float) -> None:
    model = token_classes(causal=False)
    labels = torch.tensor([[2, IGNORED, 0], [1, IGNORED, IGNORED]])
    losses = TokenClassification(smoothing).losses(model, LabelledBatch(IDS, TYPES, labels, 3))
    logits = model.classify(IDS).flatten(0, 1)
    expected = functional.cross_entropy(logits, labels.flatten(), label_smoothing=smoothing, reduction="sum")
    plain = functional.cross_entropy(logits, labels.flatten(), reduction="sum")
    torch.testing.assert_close(tuple(losses), (expected, plain), rtol=0, atol=1e-9)


def test_one_text_by_hand() -> None:
    """Probabilities (1/2, 1/4, 1/4), class 0, ε = 0.3: q = (0.8, 0.1, 0.1)."""
    losses = class_losses(torch.tensor([[math.log(2), 0.0, 0.0]]), torch.tensor([0]), 0.3)
    assert losses.plain.item() == pytest.approx(math.log(2))
    assert losses.smoothed.item() == pytest.approx((0.8 + 2 * 0.2) * math.log(2))
    assert not losses.plain.requires_grad


def test_no_label_at_all_loses_nothing() -> None:
    logits = torch.randn(2, 3, requires_grad=True)
    losses = class_losses(logits, torch.tensor([IGNORED, IGNORED]), 0.1)
    losses.smoothed.backward()
    assert (losses.smoothed.item(), losses.plain.item()) == (0.0, 0.0)
    assert torch.equal(logits.grad, torch.zeros(2, 3))


def test_logits_of_half_precision_are_summed_in_more() -> None:
    logits = torch.randn(500, 7).bfloat16()
    labels = torch.randint(0, 7, (500,))
    expected = functional.cross_entropy(logits.double(), labels, reduction="sum")
    assert class_losses(logits, labels, 0.0).plain.item() == pytest.approx(expected.item(), rel=1e-5)
