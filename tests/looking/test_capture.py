"""Attention as the model itself computed it: distributions, by the causal rule, without a trace left behind."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from regard.families import transformer
from regard.layers.multihead import MultiHeadAttention
from regard.looking.capture import Attention, alignment_matrix, attention_of, capture, word_alignment
from regard.models.vocabulary import joint_vocabulary
from regard.tasks.text_to_text import shift_right

SOURCE, TARGET = [5, 9, 4, 11, 6], [7, 8, 10]


@pytest.fixture
def model() -> transformer.EncoderDecoder:
    """Two layers of four heads, with weights large enough to look at some positions more than at others."""
    torch.manual_seed(2)
    built = transformer.build(replace(transformer.TOY, dropout=0.4, attention_dropout=0.4), joint_vocabulary(15))
    with torch.no_grad():
        for weight in built.parameters():
            weight.add_(torch.randn_like(weight) * 0.3)
    return built


def recorders(model: transformer.EncoderDecoder) -> list[object]:
    return [module.recorder for module in model.modules() if isinstance(module, MultiHeadAttention)]


def states(model: transformer.EncoderDecoder) -> torch.Tensor:
    source, target = torch.tensor([[*SOURCE, model.eos]]), torch.tensor([[*TARGET, model.eos]])
    return model.logits(model(source, shift_right(target, model.start)))


def test_every_row_is_a_distribution_of_the_shape_of_the_sentences(model):
    found = attention_of(model, SOURCE, TARGET)
    assert tuple(found.encoder.shape) == (2, 4, 6, 6)
    assert tuple(found.decoder.shape) == (2, 4, 4, 4)
    assert tuple(found.cross.shape) == (2, 4, 4, 6)
    for weights in (found.encoder, found.decoder, found.cross):
        assert bool((weights >= 0).all())
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
        assert float(weights.std()) > 0.01, "all alike tells nothing"


def test_the_decoder_does_not_look_ahead(model):
    found = attention_of(model, SOURCE, TARGET)
    assert not found.decoder.triu(1).any()
    assert bool((found.encoder > 0).all())
    assert bool((found.cross > 0).all())


def test_the_weights_are_softmax_of_q_k_by_hand(model):
    """Of the first encoder layer: softmax(q kᵀ / √d_k), a head at a time, written out."""
    model.eval()
    ids = torch.tensor([[*SOURCE, model.eos]])
    x = model.encoder.embed(ids)[0]
    module = model.encoder.blocks[0].self_attention
    d_k = 16 // 4
    found = attention_of(model, SOURCE, TARGET).encoder[0]
    for head in range(4):
        rows = slice(head * d_k, (head + 1) * d_k)
        query = x @ module.query.weight[rows].T + module.query.bias[rows]
        key = x @ module.key.weight[rows].T + module.key.bias[rows]
        for t in range(6):
            scores = [float(query[t].detach() @ key[s].detach()) / math.sqrt(d_k) for s in range(6)]
            total = sum(map(math.exp, scores))
            expected = torch.tensor([math.exp(score) / total for score in scores])
            torch.testing.assert_close(found[head, t], expected, rtol=1e-4, atol=1e-6)


def test_looking_changes_no_logit_and_leaves_nothing_behind(model):
    model.eval()
    with torch.inference_mode():
        before = states(model)
        modules = [module for module in model.modules() if isinstance(module, MultiHeadAttention)]
        with capture(modules) as records:
            during = states(model)
        after = states(model)
    assert [len(record) for record in records] == [1] * 6
    assert torch.equal(before, after)
    torch.testing.assert_close(before, during, rtol=1e-4, atol=1e-5)  # the fused kernel adds up in another order
    assert recorders(model) == [None] * 6


def test_the_model_goes_on_in_the_mode_that_it_was_in(model):
    for mode in (True, False):
        model.train(mode)
        attention_of(model, SOURCE, TARGET)
        assert {module.training for module in model.modules()} == {mode}


def test_after_an_exception_nothing_is_left_behind(model):
    model.train()
    with pytest.raises(IndexError):
        attention_of(model, [99], TARGET)  # no such id
    assert recorders(model) == [None] * 6
    assert model.training
    with pytest.raises(ZeroDivisionError), capture(list(model.encoder.blocks[0].modules())[1:2]):
        _ = 1 // 0
    assert recorders(model) == [None] * 6


def test_what_is_looked_at_does_not_depend_on_dropout(model):
    model.train()
    first, second = (attention_of(model, SOURCE, TARGET) for _ in range(2))
    assert torch.equal(first.cross, second.cross)


def test_each_call_of_a_module_is_recorded(model):
    module = model.encoder.blocks[0].self_attention
    with capture([module]) as (record,), torch.inference_mode():
        model.encode(torch.tensor([[*SOURCE, 0]]))
        model.encode(torch.tensor([[5, 0], [6, 0]]))
    assert [tuple(weights.shape) for weights in record] == [(1, 4, 6, 6), (2, 4, 2, 2)]


def test_the_alignment_is_the_mean_over_the_heads_of_the_last_layer_but_one():
    cross = torch.rand(3, 2, 4, 5)
    nothing = torch.zeros(1)
    for layers, chosen in ((3, 1), (2, 0), (1, 0)):
        found = alignment_matrix(Attention(nothing, nothing, cross[:layers]))
        torch.testing.assert_close(found, (cross[chosen, 0] + cross[chosen, 1]) / 2)


def test_words_are_aligned_by_the_largest_weight(model):
    """Each piece a word: target word t goes with the source word that row t looks at most, </s> left out."""
    pieces = [f"▁s{n}" for n in SOURCE], [f"▁t{n}" for n in TARGET]
    matrix = alignment_matrix(attention_of(model, SOURCE, TARGET))
    expected = sorted((int(matrix[t, : len(SOURCE)].argmax()), t) for t in range(len(TARGET)))
    assert word_alignment(model, SOURCE, TARGET, pieces) == " ".join(f"{s}-{t}" for s, t in expected)
