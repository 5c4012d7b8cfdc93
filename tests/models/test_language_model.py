"""A decoder by itself, by its laws, whatever tells it of order: learned places, rotations, or what distances add."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from regard.families import gpt2, llama
from regard.layers.norm import LayerNorm
from regard.layers.position import NoPositions
from regard.layers.relative import BucketBias, LinearBias
from regard.layers.residual import PreNorm
from regard.models.embedder import Embedder
from regard.models.heads import Head
from regard.models.language_model import LanguageModel, places_in_texts, real_tokens
from regard.models.parts import Parts
from regard.models.stack import Encoder
from regard.models.vocabulary import Vocabulary

V, PAD = 23, 0
IDS = Vocabulary.of_texts(V, {"bos": 1, "eos": 2, "pad": PAD})
CLASSES, TAGS = Head("classification", ("a", "b", "c")), Head("tokens", ("x", "y"))

pytestmark = pytest.mark.usefixtures("path")


def drawn_anew(model: LanguageModel) -> LanguageModel:
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = 0.3 * torch.randn_like(weight)
            weight.copy_(1 + noise if "norm.weight" in name else noise)
    return model.double().eval()


def with_bias(bias: nn.Module) -> LanguageModel:
    """A family's model whose learned places give way to a bias."""
    model = gpt2.build(gpt2.TOY, IDS)
    parts = Parts(d_model=16, heads=4, d_ff=24, norm=lambda: LayerNorm(16), placement=PreNorm)
    embed = Embedder(model.stack.embed.tokens, NoPositions(), 0.0)
    stack = Encoder(embed, [parts.encoder_block() for _ in range(2)], LayerNorm(16), bias)
    return LanguageModel(stack, IDS, output=model.output)


MODELS = {
    "learned": lambda: gpt2.build(gpt2.TOY, IDS),
    "rotary": lambda: llama.build(llama.TOY, IDS),
    "linear": lambda: with_bias(LinearBias(4)),
    "buckets": lambda: with_bias(BucketBias(4, two_sided=False, buckets=8, farthest=16)),
}


@pytest.fixture(params=MODELS)
def model(request) -> Iterator[LanguageModel]:
    with torch.no_grad():
        yield drawn_anew(MODELS[request.param]())


def drawn(rows: int, length: int) -> Tensor:
    return torch.randint(3, V, (rows, length))


def close(found: Tensor, expected: Tensor) -> None:
    """Exactly but for the order of sums: the places of a text's tokens are the same wherever it stands."""
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


def test_no_position_sees_its_future(model):
    ids = drawn(2, 8)
    other = ids.clone()
    other[:, 5:] = drawn(2, 3)
    assert not torch.equal(other, ids)
    here, there = model(ids), model(other)
    close(there[:, :5], here[:, :5])
    assert not torch.allclose(there[:, 5], here[:, 5])


def test_order_matters(model):
    ids = torch.tensor([[4, 5, 6, 7], [5, 6, 4, 7]])
    states = model(ids)[:, -1]
    assert not torch.allclose(states[0], states[1], atol=1e-3)


def test_texts_have_the_same_states_alone_and_packed_into_one_row(model):
    first, second, third = drawn(1, 4), drawn(1, 1), drawn(1, 3)
    packed = torch.cat((first, second, third, torch.full((1, 2), PAD)), 1)
    states = model(packed, torch.tensor([[1] * 4 + [2] + [3] * 3 + [0] * 2]))
    close(states[:, :4], model(first))
    close(states[:, 4:5], model(second))
    close(states[:, 5:8], model(third))
    assert not torch.allclose(model(packed)[:, 5:8], states[:, 5:8])


def test_padding_before_or_after_a_text_is_invisible(model):
    text, pads = drawn(1, 5), torch.full((1, 2), PAD)
    before, after = torch.cat((pads, text), 1), torch.cat((text, pads), 1)
    close(model(before, (before != PAD).long())[:, 2:], model(text))
    close(model(after, (after != PAD).long())[:, :5], model(text))
    close(model(after)[:, :5], model(text))


def test_step_by_step_the_logits_are_those_of_the_whole_text(model):
    ids, lengths = drawn(3, 9), (5, 2, 1)
    prompts = ids[:, :5].clone()
    for row, length in enumerate(lengths):
        prompts[row, length:] = PAD
    state = model.start_decoding(prompts)
    assert state.first.tolist() == [ids[row, length - 1].item() for row, length in enumerate(lengths)]
    whole = model.logits(model(ids))
    tokens = state.first
    for step in range(4):
        logits = model.step(tokens, state)
        for row, length in enumerate(lengths):
            close(logits[row], whole[row, length - 1 + step])
        tokens = torch.stack([ids[row, length + step] for row, length in enumerate(lengths)])


def test_rows_go_on_from_where_others_were(model):
    """Two prompts with two beams each: after the exchange a row continues the other's text."""
    prompts = drawn(2, 3)
    prompts[1, 2] = PAD
    state = model.start_decoding(prompts, beams=2)
    model.step(state.first, state)
    model.step(torch.tensor([7, 8, 9, 10]), state)
    state.reorder(torch.tensor([1, 1, 3, 2]))
    found = model.step(torch.tensor([11, 12, 13, 14]), state)
    texts = [[*prompts[0].tolist(), 8, last] for last in (11, 12)]
    texts += [[*prompts[1, :2].tolist(), 10, 13], [*prompts[1, :2].tolist(), 9, 14]]
    for row, text in enumerate(texts):
        close(found[row], model.logits(model(torch.tensor([text])))[0, -1])


def test_only_the_prompts_that_are_kept_go_on(model):
    prompts = drawn(3, 3)
    prompts[1, 1:] = PAD
    state = model.start_decoding(prompts, beams=2)
    model.step(state.first, state)
    state.keep(torch.tensor([2, 1]))
    found = model.step(torch.tensor([7, 8, 9, 10]), state)
    texts = [[*prompts[2].tolist(), last] for last in (7, 8)] + [[prompts[1, 0].item(), last] for last in (9, 10)]
    for row, text in enumerate(texts):
        close(found[row], model.logits(model(torch.tensor([text])))[0, -1])


def test_before_the_first_step_rows_and_prompts_can_be_chosen_too(model):
    prompts = drawn(3, 3)
    state = model.start_decoding(prompts, beams=2)
    state.keep(torch.tensor([2]))
    assert state.first.tolist() == [prompts[2, -1].item()] * 2
    close(model.step(state.first, state)[0], model.logits(model(prompts[2:]))[0, -1])


@pytest.mark.parametrize("family", [gpt2, llama])
def test_classes_are_read_off_the_last_token_whatever_pads_the_text(family):
    text, pads = drawn(1, 5), torch.full((1, 2), PAD)
    before, after = torch.cat((pads, text), 1), torch.cat((text, pads), 1)
    with torch.no_grad():
        whole, each = (drawn_anew(family.build(family.TOY, IDS, head)) for head in (CLASSES, TAGS))
        close(whole.classify(text), whole(text)[:, -1] @ whole.head.output.weight.T)
        for padded in (before, after):
            close(whole.classify(padded), whole.classify(text))
        close(each.classify(before)[:, 2:], each.classify(text))
        close(each.classify(after)[:, :5], each.classify(text))
        close(each.classify(text), each.head.output(each(text)))


def test_places_begin_anew_with_every_text():
    texts = torch.tensor([[1, 1, 1, 2, 2, 0, 0], [0, 0, 4, 4, 9, 9, 9]])
    assert places_in_texts(texts).tolist() == [[0, 1, 2, 0, 1, 0, 1], [0, 1, 0, 1, 0, 1, 2]]


def test_padding_is_what_stands_before_or_after_a_text():
    ids = torch.tensor([[5, 6, 0, 0], [0, 5, 6, 0], [0, 0, 0, 0]])
    expected = [[1, 1, 0, 0], [0, 1, 1, 0], [1, 0, 0, 0]]
    assert real_tokens(ids, IDS).long().tolist() == expected


def test_where_the_end_of_a_text_also_pads_a_text_may_begin_with_it():
    """<|endoftext|> is all that GPT-2's files have: it separates texts, and stands where there is none."""
    ids = torch.tensor([[5, 6, 0, 0], [0, 5, 0, 6], [0, 0, 0, 0]])
    expected = [[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]]
    for roles in ({"bos": 0, "eos": 0, "pad": 0}, {"eos": 0, "pad": 0}):
        assert real_tokens(ids, Vocabulary.of_texts(V, roles)).long().tolist() == expected


def test_without_padding_every_token_counts():
    ids = torch.tensor([[0, 5], [5, 0]])
    assert real_tokens(ids, Vocabulary.of_texts(V, {"eos": 2})).all()
    model = drawn_anew(llama.build(llama.TOY, replace(IDS, pad=None, source_pad=None), CLASSES))
    with torch.no_grad():
        close(model.classify(ids), model(ids)[:, -1] @ model.head.output.weight.T)


def test_it_tells_which_ids_are_special_and_how_long_a_text_may_be():
    model = gpt2.build(gpt2.TOY, IDS)
    assert (model.eos, model.pad, model.source_pad, model.most_tokens) == (2, PAD, PAD, 64)


def test_a_model_does_only_what_it_was_built_for():
    model = gpt2.build(gpt2.TOY, IDS, Head("none"))
    with pytest.raises(AssertionError, match="without an output layer"):
        model.logits(torch.zeros(1, 2, 16))
    with pytest.raises(AssertionError, match="without a head"):
        model.classify(drawn(1, 3))
