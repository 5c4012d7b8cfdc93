from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from regard.data.batching import IGNORED, TextBatch
from regard.tasks.next_token import NextToken

IDS = torch.tensor([[2, 3, 4, 5], [6, 7, 8, 0]])
LABELS = torch.tensor([[3, 4, 5, 6], [7, IGNORED, 9, IGNORED]])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_torch_s_over_the_labels(small, smoothing: float) -> None:
    model = small(causal=True)
    texts = torch.tensor([[1, 1, 2, 2], [1, 1, 1, 0]])
    losses = NextToken(smoothing).losses(model, TextBatch(IDS, LABELS, texts, 6))
    logits = model.logits(model(IDS)).flatten(0, 1)
    labels = torch.where(LABELS == IGNORED, IGNORED, LABELS - 1).flatten()
    expected = functional.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="sum")
    plain = functional.cross_entropy(logits, labels, reduction="sum")
    torch.testing.assert_close(tuple(losses), (expected, plain), rtol=0, atol=1e-9)
    assert model.seen[0] is texts
    assert model.transformed == [6]


def test_the_likelihood_of_a_text_is_the_product_of_its_steps(small) -> None:
    """With a model that knows nothing, each of three tokens costs log 11."""
    model = small(causal=True)
    with torch.no_grad():
        model.output.weight.zero_()
        model.output.bias.zero_()
    batch = TextBatch(IDS[:1, :3], LABELS[:1, :3], None, 3)
    assert NextToken().losses(model, batch).plain.item() == pytest.approx(3 * math.log(11))


def test_every_weight_learns(small) -> None:
    model = small(causal=True, trained_bias=True)
    NextToken().losses(model, TextBatch(IDS, LABELS, None, 6)).smoothed.backward()
    for weight in (model.table, model.dense.weight, model.output.weight, model.output.bias):
        assert weight.grad is not None
        assert weight.grad.abs().sum() > 0
