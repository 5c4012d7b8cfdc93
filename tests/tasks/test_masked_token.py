from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from regard.data.batching import IGNORED, TextBatch
from regard.data.noise import Masking, Pieces
from regard.tasks.masked_token import MaskedToken

IDS = torch.tensor([[2, 11, 4, 5], [6, 7, 11, 0]])
LABELS = torch.tensor([[IGNORED, 3, IGNORED, 5], [IGNORED, IGNORED, 8, IGNORED]])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_only_the_chosen_tokens_count_and_reach_the_output_layer(small, smoothing: float) -> None:
    model = small(causal=False, trained_bias=True)
    losses = MaskedToken(label_smoothing=smoothing).losses(model, TextBatch(IDS, LABELS, None, 3))
    gradients = torch.autograd.grad(losses.smoothed, (model.table, model.output.weight, model.output.bias))
    chosen = LABELS != IGNORED
    logits = model.logits(model(IDS))[chosen]
    expected = functional.cross_entropy(logits, LABELS[chosen] - 1, label_smoothing=smoothing, reduction="sum")
    plain = functional.cross_entropy(logits, LABELS[chosen] - 1, reduction="sum")
    torch.testing.assert_close(tuple(losses), (expected, plain), rtol=0, atol=1e-9)
    theirs = torch.autograd.grad(expected, (model.table, model.output.weight, model.output.bias))
    torch.testing.assert_close(gradients, theirs, rtol=0, atol=1e-9)
    assert model.transformed == [3]


def test_a_batch_is_masked_by_the_settings_of_the_task() -> None:
    pieces = Pieces(mask=11, special=np.isin(np.arange(12), [0, 1, 11]))
    ids = torch.tensor([[2, 3, 4, 5, 1, 0]])
    batch = MaskedToken(Masking(share=0.75, mask=1.0, random=0.0)).collate(ids, pieces)
    assert (batch.ids == 11).sum() == batch.target_tokens == 3
    assert torch.equal(torch.where(batch.ids == 11, batch.labels, batch.ids), ids)


def test_nothing_chosen_loses_nothing(small) -> None:
    model = small(causal=False)
    losses = MaskedToken().losses(model, TextBatch(IDS, torch.full_like(IDS, IGNORED), None, 0))
    losses.smoothed.backward()
    assert (losses.smoothed.item(), losses.plain.item()) == (0.0, 0.0)
    assert torch.equal(model.table.grad, torch.zeros_like(model.table))
