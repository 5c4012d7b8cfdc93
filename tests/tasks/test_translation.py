"""Teacher forcing: what the decoder is fed, which tokens count, and that padding is none of them."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from regard.data.batching import Batch
from regard.families import transformer
from regard.models.vocabulary import joint_vocabulary, own_vocabulary
from regard.tasks.text_to_text import shift_right
from regard.tasks.translation import Translation

PAD = 10


def batch_of(source: list[list[int]], target: list[list[int]], source_pad: int = PAD, pad: int = PAD) -> Batch:
    sides = [torch.tensor(source), torch.tensor(target)]
    return Batch(*sides, int((sides[0] != source_pad).sum()), int((sides[1] != pad).sum()))


@pytest.fixture
def model() -> transformer.EncoderDecoder:
    model = transformer.build(transformer.TOY, joint_vocabulary(PAD + 1)).double().eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
        model.output.weight[PAD].zero_()
    return model


PAIRS = ([[3, 4, 0], [5, 0, PAD]], [[6, 7, 8, 0], [9, 0, PAD, PAD]])


def test_the_decoder_is_fed_the_start_and_all_but_the_last():
    assert shift_right(torch.tensor(PAIRS[1]), start=PAD).tolist() == [[PAD, 6, 7, 8], [PAD, 9, 0, PAD]]


def test_a_target_of_one_token_is_predicted_from_the_start_alone():
    assert shift_right(torch.tensor([[0]]), start=7).tolist() == [[7]]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_torch_s_over_the_tokens_that_are_not_padding(model, smoothing):
    losses = Translation(smoothing).losses(model, batch_of(*PAIRS))
    logits = model.logits(model(torch.tensor(PAIRS[0]), torch.tensor([[PAD, 6, 7, 8], [PAD, 9, 0, PAD]])))[..., :PAD]
    labels = torch.tensor(PAIRS[1]).flatten()
    facts = {"ignore_index": PAD, "reduction": "sum"}
    expected = functional.cross_entropy(logits.flatten(0, 1), labels, label_smoothing=smoothing, **facts)
    plain = functional.cross_entropy(logits.flatten(0, 1), labels, **facts)
    torch.testing.assert_close(tuple(losses), (expected, plain), rtol=0, atol=1e-9)


def test_the_loss_of_a_batch_is_the_sum_of_its_pairs(model):
    task = Translation(0.1)
    together = task.losses(model, batch_of(*PAIRS)).smoothed
    first = task.losses(model, batch_of([[3, 4, 0]], [[6, 7, 8, 0]])).smoothed
    second = task.losses(model, batch_of([[5, 0]], [[9, 0]])).smoothed
    torch.testing.assert_close(together, first + second, rtol=0, atol=1e-9)


def gradients(model, batch: Batch) -> list[torch.Tensor]:
    model.zero_grad()
    Translation(0.1).losses(model, batch).smoothed.backward()
    return [weight.grad.clone() for weight in model.parameters()]


def test_more_padding_changes_neither_loss_nor_gradient(model):
    wider = batch_of([[*row, PAD, PAD] for row in PAIRS[0]], [[*row, PAD, PAD, PAD] for row in PAIRS[1]])
    torch.testing.assert_close(gradients(model, wider), gradients(model, batch_of(*PAIRS)), rtol=0, atol=1e-10)


def test_a_batch_in_which_every_target_is_padding_loses_nothing(model):
    """torch's mean over no tokens is not a number; a sum over none is 0, and so is its gradient."""
    batch = batch_of([[3, 0], [4, 0]], [[PAD, PAD], [PAD, PAD]])
    assert batch.target_tokens == 0
    losses = Translation(0.1).losses(model, batch)
    assert (losses.smoothed.item(), losses.plain.item()) == (0.0, 0.0)
    assert all(torch.equal(gradient, torch.zeros_like(gradient)) for gradient in gradients(model, batch))


def test_the_row_of_padding_learns_nothing(model):
    found = dict(zip(dict(model.named_parameters()), gradients(model, batch_of(*PAIRS)), strict=True))
    embedding = found["encoder.embed.tokens.weight"]
    assert torch.equal(embedding[PAD], torch.zeros(16, dtype=torch.float64))
    assert (embedding[:PAD] != 0).any(dim=1).all()


def test_two_vocabularies_have_paddings_of_their_own():
    model = transformer.build(transformer.TOY, own_vocabulary(20, 8, shared=False)).double().eval()
    task = Translation(0.1)
    wide = task.losses(model, batch_of([[7, 0, 19], [3, 4, 0]], [[1, 0, 7], [2, 3, 0]], source_pad=19, pad=7))
    one = task.losses(model, batch_of([[7, 0]], [[1, 0]], source_pad=19, pad=7))
    other = task.losses(model, batch_of([[3, 4, 0]], [[2, 3, 0]], source_pad=19, pad=7))
    torch.testing.assert_close(wide.smoothed, one.smoothed + other.smoothed, rtol=0, atol=1e-9)
