"""Attention as the model itself computed it: distributions, by the causal rule, without a trace left behind."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from regard.errors import RunError, SettingError
from regard.families import transformer
from regard.layers.multihead import MultiHeadAttention
from regard.looking.alignments import alignment_matrix, word_alignments
from regard.looking.look import Words
from regard.looking.recording import capture
from regard.looking.replay import attention_of
from regard.models.vocabulary import joint_vocabulary
from regard.tasks.text_to_text import shift_right

SOURCE, TARGET = [5, 9, 4, 11, 6, 0], [7, 8, 10, 0]  # 0 is </s>


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
    source, target = torch.tensor([SOURCE]), torch.tensor([TARGET])
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
    ids = torch.tensor([SOURCE])
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
        with capture(model) as trace:
            during = states(model)
        after = states(model)
    assert [len(calls) for layers in trace.calls.values() for calls in layers] == [1] * 6
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
        attention_of(model, [99, 0], TARGET)  # no such id
    assert recorders(model) == [None] * 6
    assert model.training
    with pytest.raises(ZeroDivisionError), capture(model):
        _ = 1 // 0
    assert recorders(model) == [None] * 6


def test_what_is_looked_at_does_not_depend_on_dropout(model):
    model.train()
    first, second = (attention_of(model, SOURCE, TARGET) for _ in range(2))
    assert torch.equal(first.cross, second.cross)


def test_only_what_is_chosen_is_recorded_and_the_rest_keeps_its_kernel(model):
    model.eval()
    with torch.inference_mode(), capture(model) as everything:
        states(model)
    with torch.inference_mode(), capture(model, layers=[1], heads=[2, 0], stacks=["cross"]) as trace:
        set_now = [module.recorder is not None for module in model.decoder.cross_attentions()]
        assert set_now == [False, True]
        assert sum(recorder is not None for recorder in recorders(model)) == 1
        states(model)
    torch.testing.assert_close(trace.cross, everything.cross[1:2, :, [2, 0]], rtol=1e-4, atol=1e-5)
    assert trace.encoder.numel() == trace.decoder.numel() == 0


def test_a_recorder_that_was_there_before_is_put_back(model):
    module = model.encoder.blocks[0].self_attention
    module.recorder = print
    with capture(model):
        assert module.recorder is not print
    assert module.recorder is print


def test_each_call_of_a_layer_is_kept_but_several_texts_are_no_trace(model):
    with capture(model, layers=[0]) as trace, torch.inference_mode():
        model.encode(torch.tensor([[*SOURCE[:5], 0]]))
        model.encode(torch.tensor([[5, 0], [6, 0]]))
    assert [tuple(weights.shape) for weights in trace.calls["encoder"][0]] == [(1, 4, 6, 6), (2, 4, 2, 2)]
    message = (
        r"^capture: got calls of the encoder's attention by different texts .* expected one text; capture one forw"
    )
    with pytest.raises(RunError, match=message):
        _ = trace.encoder
    with pytest.raises(RunError, match=r"^capture: got no call of the cross's attention; expected at least one; run "):
        _ = trace.cross


def test_the_steps_of_several_hypotheses_are_no_trace(model):
    """Their rows change places between steps, which no recorder sees."""
    with capture(model) as trace, torch.inference_mode():
        state = model.start_decoding(torch.tensor([SOURCE]), beams=2)
        for _ in range(2):
            model.step(state.first, state)
    for stack in ("cross", "decoder"):
        with pytest.raises(RunError, match="several hypotheses; expected one text"):
            trace.of(stack)


def test_layers_and_heads_that_there_are_not_are_refused(model):
    refused = pytest.raises(
        SettingError, match=r"^layers: got 2; expected numbers from 0 to 1; choose among those that there are"
    )
    with refused, capture(model, layers=[0, 2]):
        pass
    refused = pytest.raises(
        SettingError, match=r"^heads: got 4; expected numbers from 0 to 3; choose among those that there are"
    )
    with refused, capture(model, heads=[4]):
        states(model)
    assert recorders(model) == [None] * 6


def test_the_alignment_is_the_mean_over_the_heads_of_the_last_layer_but_one():
    cross = torch.rand(3, 2, 4, 5)
    for layers, chosen in ((3, 1), (2, 0), (1, 0)):
        found = alignment_matrix(cross[:layers])
        torch.testing.assert_close(found, (cross[chosen, 0] + cross[chosen, 1]) / 2)


def test_words_are_aligned_by_the_largest_weight(model):
    """Each piece a word: target word t goes with the source word that row t looks at most, </s> left out."""
    sides = [Words((*(f"▁{n}" for n in ids[:-1]), "</s>"), specials=(len(ids) - 1,)) for ids in (SOURCE, TARGET)]
    matrix = attention_of(model, SOURCE, TARGET).cross[0].mean(0)  # of two layers the last but one is the first
    expected = sorted((int(matrix[t, :5].argmax()), t) for t in range(3))
    [found] = word_alignments(model, [(sides[0], sides[1])], [(SOURCE, TARGET)])
    assert found == " ".join(f"{s}-{t}" for s, t in expected)


def test_the_end_is_never_aligned_even_where_it_is_looked_at_most(model):
    end = Words(("</s>",), specials=(0,))
    assert word_alignments(model, [(end, end)], [([0], [0])]) == [""]
