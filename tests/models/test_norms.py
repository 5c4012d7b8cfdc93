"""Batch norm inside the encoder–decoder: it is told of padding, and sees no more than it says."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from regard.families.transformer import Config
from regard.layers.norm import BatchNorm

SMALL = {"layers": 2, "d_model": 12, "d_ff": 20, "heads": 3, "dropout": 0.0, "norm_kind": "batch"}
EXACT = {"rtol": 0, "atol": 1e-12}


def statistics(model) -> dict[str, torch.Tensor]:
    return {name: buffer.clone() for name, buffer in model.named_buffers() if "running" in name}


@pytest.mark.parametrize(
    "config", [Config(**SMALL), Config(**SMALL, norm="pre"), Config(**SMALL, residual=False)], ids=str
)
def test_padding_is_invisible_in_training_and_to_what_is_remembered(make_model, sentences, config):
    model = make_model(config).train()
    source, target = sentences(3, 5), sentences(3, 4)
    target[:, 0] = model.start
    fresh, found = model.state_dict(), []
    fresh = {name: tensor.clone() for name, tensor in fresh.items()}
    for more in (0, 1, 6):
        model.load_state_dict(fresh)
        longer = [functional.pad(ids, (0, more), value=model.pad) for ids in (source, target)]
        found.append((model(*longer)[:, :4], statistics(model)))
    assert len(found[0][1]) == 2 * (2 * 2 + 2 * 3 + (2 if config.norm == "pre" else 0))
    for states, kept in found[1:]:
        torch.testing.assert_close(states, found[0][0], **EXACT)
        torch.testing.assert_close(kept, found[0][1], **EXACT)
    assert not any(torch.equal(kept, fresh[name]) for name, kept in found[0][1].items())


def test_the_token_that_a_decoder_starts_from_counts_though_its_id_is_padding_s(make_model, sentences):
    model = make_model(Config(**SMALL)).train()
    norm, seen = model.decoder.blocks[0].around_self_attention.norm, []
    assert isinstance(norm, BatchNorm)
    norm.register_forward_hook(lambda module, given, found: seen.append(given[0]))
    before = norm.running_mean.clone()
    model(sentences(1, 4), torch.tensor([[model.start, 3, 4, model.pad]]))
    expected = 0.9 * before + 0.1 * seen[0][0, :3].mean(0)
    torch.testing.assert_close(norm.running_mean, expected, **EXACT)


def test_in_training_a_decoder_with_batch_norm_does_see_its_future(make_model, sentences):
    """And not in evaluation, where the running statistics stand still."""
    model, source, target = make_model(Config(**SMALL)), sentences(2, 5), sentences(2, 6)
    changed = target.clone()
    changed[:, 4:] = changed[:, 4:] % 11 + 1
    with torch.no_grad():
        torch.testing.assert_close(model(source, changed)[:, :4], model(source, target)[:, :4], **EXACT)
        model.train()
        assert (model(source, changed)[:, :4] - model(source, target)[:, :4]).abs().amin() > 1e-6
