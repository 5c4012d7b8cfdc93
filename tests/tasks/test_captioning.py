"""Captions as a task: how evenly a model should look, by hand; pictures that are read once for all their captions."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from regard.data.batching import Batch
from regard.families import captioner
from regard.models.transformer import EncoderDecoder
from regard.tasks.captioning import Captioning, coverage_penalty, looked_at

V = 20
TRANSFORMER = replace(captioner.TOY, decoder="transformer", layers=2, heads=2)
CONFIGS = [captioner.TOY, replace(captioner.TOY, layers=2, cell="gru"), TRANSFORMER]


def made(config: captioner.Config) -> EncoderDecoder:
    model = captioner.build(config, captioner.vocabulary(0, V, shared=True, roles={})).double()
    for weight in model.parameters():
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.3)
    return model.eval()


def batch(captions: int = 2) -> Batch:
    """Two pictures, each with so many captions, the last of which is shorter."""
    target = torch.randint(1, V - 1, (2 * captions, 5))
    target[:, -1] = 0
    target[-1, 2:] = torch.tensor([0, V - 1, V - 1])
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    which = torch.arange(2).repeat_interleave(captions)
    return Batch(images, target, 2, int((target != V - 1).sum()), which)


def test_what_is_looked_at_once_costs_nothing_and_the_rest_its_square():
    weights = torch.tensor([[[0.5, 0.5], [0.5, 0.5], [0.9, 0.1]], [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
    counted = torch.tensor([[True, True, False], [True, True, False]])
    assert float(coverage_penalty(weights, counted)) == pytest.approx(0 + (1 - 2) ** 2 + (1 - 0) ** 2)


def test_what_layers_and_single_steps_record_is_put_together_alike():
    whole = torch.rand(2, 2, 3, 4)  # two layers of two captions: three words, four cells
    layers = [whole[:, :1], whole[:, 1:]]
    expected = whole.mean(1)
    torch.testing.assert_close(looked_at(layers, 3), expected)
    steps = [expected[:, None, word : word + 1] for word in range(3)]
    torch.testing.assert_close(looked_at(steps, 3), expected)


@pytest.mark.parametrize("config", CONFIGS, ids=["lstm", "gru", "transformer"])
def test_the_loss_has_lambda_times_the_penalty_on_top(config):
    model, given = made(config), batch()
    plain, even = (Captioning(0.1, coverage).losses(model, given) for coverage in (0.0, 0.7))
    seen = []
    for layer in model.attentions()["cross"]:
        layer.recorder = seen.append
    start = torch.full_like(given.target[:, :1], V - 1)
    model(given.source, torch.cat((start, given.target[:, :-1]), 1), given.which)
    heads = torch.stack([one.mean(1) for one in seen]) if config.decoder == "transformer" else torch.cat(seen, 2)[:, 0]
    weights = heads.mean(0) if config.decoder == "transformer" else heads
    over = torch.stack(
        [one[: int((row != V - 1).sum())].sum(0) for one, row in zip(weights, given.target, strict=True)]
    )
    expected = plain.smoothed.item() + 0.7 * (1 - over).square().sum().item()
    assert even.smoothed.item() == pytest.approx(expected, abs=1e-9)
    assert float(even.plain) == pytest.approx(float(plain.plain), abs=1e-9)


def test_the_penalty_is_learnt_from_and_leaves_no_recorder_behind():
    model = made(captioner.TOY)
    Captioning(0.0, 1.0).losses(model, batch()).smoothed.backward()
    (layer,) = model.attentions()["cross"]
    assert layer.recorder is None
    with_penalty = layer.query.weight.grad.clone()
    model.zero_grad()
    torch.manual_seed(0)
    Captioning().losses(model, batch()).smoothed.backward()
    assert not torch.allclose(with_penalty, layer.query.weight.grad)


@pytest.mark.parametrize("config", CONFIGS, ids=["lstm", "gru", "transformer"])
def test_a_picture_read_once_is_as_good_as_read_for_each_of_its_captions(config):
    model, given = made(config), batch(3)
    once = Captioning().losses(model, given)
    often = Captioning().losses(model, replace(given, source=given.source[given.which], which=None))
    assert float(once.plain) == pytest.approx(float(often.plain), abs=1e-9)


@pytest.mark.parametrize("config", CONFIGS, ids=["lstm", "gru", "transformer"])
def test_word_by_word_the_model_says_what_it_says_at_once(config):
    """Teacher forcing and decoding with a cache give the same logits."""
    model, given = made(config), batch(1)
    fed = torch.cat((torch.full_like(given.target[:, :1], V - 1), given.target[:, :-1]), 1)
    with torch.no_grad():
        expected = model.logits(model(given.source, fed))
        state = model.start_decoding(given.source)
        for place in range(fed.shape[1]):
            found = model.step(fed[:, place], state)
            torch.testing.assert_close(found[:, : V - 1], expected[:, place, : V - 1], rtol=0, atol=1e-9)


def test_the_first_word_by_hand():
    """Xu et al. 2015, equations 1–9, for the first step: the mean of the cells, e = v·tanh(W s + U a), and the rest."""
    model = made(captioner.TOY)
    image = torch.randn(1, 3, 16, 16, dtype=torch.float64)
    with torch.no_grad():
        cells = model.encoder.backbone(image).flatten(2)[0].T  # [P, C]
        decoder = model.decoder
        h, c = ((turn.weight @ cells.mean(0) + turn.bias).tanh() for turn in decoder.bridge.layers[0])
        align, layer = decoder.alignment, decoder.layers[0]
        keys = cells @ align.key.weight.T + align.key.bias
        e = (keys + align.query.weight @ h).tanh() @ align.similarity.weight.flatten()
        context = e.softmax(0) @ cells
        word = decoder.embed.tokens.weight[V - 1]
        gates = layer.input.weight @ word + layer.input.bias + decoder.context.weight @ context
        gates = gates + layer.recurrent.weight @ h
        if layer.recurrent.bias is not None:
            gates = gates + layer.recurrent.bias
        i, f, o, g = gates.chunk(4)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        read = decoder.read_out
        out = (read.weight @ torch.cat((h, context, word)) + read.bias).tanh()
        expected = model.output.weight @ out
        found = model.step(torch.tensor([V - 1]), model.start_decoding(image))[0]
    torch.testing.assert_close(found[: V - 1], expected[: V - 1], rtol=0, atol=1e-9)
