"""What holds of recorded attention in every family: it is the model's own, and looking changes nothing."""

from __future__ import annotations

import pytest
import torch
from tests.families.test_families import OF_TEXT, heads_of, vocabulary_of
from torch import Tensor

from regard import families
from regard.decoding.beam import beam_search
from regard.decoding.settings import DecodingSettings
from regard.layers.multihead import KeyValues, MultiHeadAttention
from regard.looking.look import CROSS, DECODER, ENCODER, STACKS, FeedForwardStep
from regard.looking.recording import capture
from regard.looking.replay import attention_of, attentions_of, run, writes
from regard.looking.way import notebooks
from regard.models.convolutional import MultiStepAttention
from regard.models.heads import LANGUAGE

READ = [[7, 9, 30, 41, 12, 8, 60], [50, 11, 7, 8], [33, 21, 90, 17, 18]]
TRANSLATORS = [name for name in families.names() if "translation" in families.get(name).TASKS]
WRITTEN = [[20, 31, 9, 14], [44, 10, 10, 10, 71, 28], [9, 9]]


def built(family, head, kind: torch.dtype = torch.float64):
    """A toy whose weights make heads look at some positions more than at others."""
    torch.manual_seed(5)
    model = family.build(family.TOY, vocabulary_of(family), head).to(kind).eval().requires_grad_(False)
    for name, weight in model.named_parameters():
        if weight.dim() > 1 and "embed" not in name:
            weight.copy_(torch.randn_like(weight) * 0.6)
    return model


def texts_of(model) -> list[tuple[list[int], list[int]]]:
    end = [model.ids.eos] if model.ids.eos >= 0 else []
    written = [[*ids, *end] for ids in WRITTEN] if writes(model) else [[]] * 3
    return [([*read, *end], ids) for read, ids in zip(READ, written, strict=True)]


@pytest.fixture(params=OF_TEXT)
def family(request):
    return families.get(request.param)


@pytest.fixture
def model(family):
    return built(family, heads_of(family)[0])


def test_every_row_sums_to_one_and_what_is_hidden_gets_exactly_nothing(model):
    texts = texts_of(model)
    for number, found in attentions_of(model, texts):
        read, written = map(len, texts[number])
        sizes = {ENCODER: (read, read), DECODER: (written or read, written or read), CROSS: (written, read)}
        for stack in STACKS:
            weights = found.of(stack)
            layers = model.attentions().get(stack, ())
            assert len(weights) == len(layers)
            if not len(weights):
                continue
            assert tuple(weights.shape[2:]) == sizes[stack]
            torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]).double(), rtol=0, atol=1e-12)
            assert float(weights[..., 1:, :].std(-1).mean()) > 1e-3, "all alike tells nothing"
        assert not found.decoder.triu(1).any()


def test_padding_gets_exactly_nothing(model):
    """In one batch of three lengths, with the columns beyond each text's own still there."""
    texts = texts_of(model)
    with torch.inference_mode(), capture(model) as trace:
        run(model, texts, torch.device("cpu"))
    for stack in set(model.attentions()) & {ENCODER, CROSS}:
        for row, (read, written) in enumerate(texts):
            rows = len(read) if stack == ENCODER else len(written)
            if len(trace.calls[stack]):
                assert not trace.of(stack)[:, row, :, :rows, len(read) :].any()


def test_the_batch_does_not_matter(model):
    texts = texts_of(model)
    for number, found in attentions_of(model, texts):
        alone = attention_of(model, *texts[number])
        for stack in STACKS:
            torch.testing.assert_close(found.of(stack), alone.of(stack), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("kind", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_looking_changes_no_number(family, kind, tolerance):
    model = built(family, heads_of(family)[0], kind)
    texts = texts_of(model)
    with torch.inference_mode():
        before = run(model, texts, torch.device("cpu"))
        with capture(model):
            during = run(model, texts, torch.device("cpu"))
        after = run(model, texts, torch.device("cpu"))
    assert torch.equal(before, after)
    torch.testing.assert_close(before, during, rtol=0, atol=tolerance * float(before.abs().max()))


def test_weights_times_values_projected_are_the_layer_s_own_output(model):
    """Σ_s α_ts v_s of every head, through the output projection where there is one (and ConvS2S's own residual)."""
    modules = dict.fromkeys(module for stack in model.attentions().values() for module in stack)
    for module in modules:
        given: list[tuple] = []
        hook = module.register_forward_hook(
            lambda _, taken, options, found, given=given: given.append((taken, options, found)), with_kwargs=True
        )
        weights: list[Tensor] = []
        module.recorder = weights.append
        with torch.inference_mode():
            run(model, texts_of(model), torch.device("cpu"))
        hook.remove()
        module.recorder = None
        assert given
        for (taken, options, found), weight in zip(given, weights, strict=True):
            remembered = next(part for part in (*taken, *options.values()) if isinstance(part, KeyValues))
            value = remembered.value.repeat_interleave(weight.shape[1] // remembered.value.shape[1], dim=1)
            summed = torch.einsum("bhts,bhsw->bthw", weight, value).flatten(2)
            if isinstance(module, MultiHeadAttention):
                summed = module.output(summed)
            elif isinstance(module, MultiStepAttention):
                summed = (taken[0] + module.output(summed)) * 0.5**0.5
            torch.testing.assert_close(summed, found, rtol=0, atol=1e-12 * float(found.abs().max()))


@pytest.mark.parametrize("name", TRANSLATORS)
def test_the_weights_of_a_beam_search_are_those_of_its_winner_read_again(name):
    """Followed backwards through the search's own steps, whatever its cache did."""
    model = built(families.get(name), LANGUAGE)
    read, _ = texts_of(model)[0]
    settings = DecodingSettings(beam=3, max_extra=4)
    steps = []
    source = torch.tensor([read])
    with capture(model, stacks=[CROSS]) as trace:
        [hypotheses] = beam_search(model, source, torch.tensor([len(read) + 4]), settings, record=steps.append)
    best = hypotheses[0]
    written = [*best.ids, model.eos] if best.ended else list(best.ids)
    again = attention_of(model, read, written).cross
    rank = None
    for step in reversed(range(len(written))):
        candidates = steps[step]
        if rank is None:
            rank = next(c for c, total in enumerate(candidates.totals[0]) if float(total) == best.log_probability)
            parent = int(candidates.parents[0, rank])
        else:
            parent = int(candidates.parents[0, candidates.survivors[0, rank]])
        for layer, calls in enumerate(trace.calls[CROSS]):
            seen = calls[step][0, :, parent if calls[step].shape[2] > 1 else 0]
            torch.testing.assert_close(seen, again[layer, :, step], rtol=0, atol=1e-10)
        rank = parent


@pytest.mark.parametrize("name", TRANSLATORS)
def test_the_shapes_of_a_text_written_token_by_token_are_those_of_one_pass(name):
    model = built(families.get(name), LANGUAGE)
    read, written = texts_of(model)[0]
    with torch.inference_mode(), capture(model) as whole:
        run(model, [(read, written)], torch.device("cpu"))
    with torch.inference_mode(), capture(model) as steps:
        state = model.start_decoding(torch.tensor([read]))
        for token in [int(state.first), *written[:-1]]:
            model.step(torch.tensor([token]), state)
    for stack in STACKS:
        torch.testing.assert_close(steps.of(stack), whole.of(stack), rtol=0, atol=1e-10)


def test_the_way_of_a_token_is_what_the_model_computes(model):
    """Its weights are the recorded ones, and its end is the model's last state."""
    read, written = texts_of(model)[0]
    with torch.inference_mode(), notebooks(model) as books:
        states = run(model, [(read, written)], torch.device("cpu"))
    found = attention_of(model, read, written)
    layers = {"source": found.encoder if len(found.encoder) else found.decoder, "target": found.decoder}
    assert [book.side for book in books] == ["source", "target"][: len(books)]
    assert bool(books) == ((ENCODER in model.attentions() and len(found.encoder) > 0) or not writes(model))
    for book in books:
        way = book.way(2)
        assert len(way.layers) == len(layers[book.side])
        for number, layer in enumerate(way.layers):
            *looks, fed = layer
            assert isinstance(fed, FeedForwardStep)
            for step in looks:
                torch.testing.assert_close(step.weights, found.of(step.stack)[number, :, 2], rtol=0, atol=1e-12)
    for book in books[-1:]:
        assert torch.equal(book.end, states[0])


def test_q_k_scores_weights_and_sums_of_a_way_belong_together():
    """Of the paper's model, whose scores are q · k / √d_k: softmax of the scores are the weights, and so on up."""
    model = built(families.get("transformer"), LANGUAGE)
    read, written = texts_of(model)[0]
    with torch.inference_mode(), notebooks(model) as books:
        run(model, [(read, written)], torch.device("cpu"))
    for book, block in zip(books, (model.encoder.blocks[1], model.decoder.blocks[1]), strict=True):
        way = book.way(3)
        looks, fed = way.layers[1][:-1], way.layers[1][-1]
        for step, module in zip(looks, [block.self_attention, getattr(block, "cross_attention", None)], strict=False):
            scores = step.scores.nan_to_num(nan=-torch.inf)
            torch.testing.assert_close(scores.softmax(-1), step.weights, rtol=0, atol=1e-12)
            torch.testing.assert_close(module.output(step.gathered.flatten()), step.output, rtol=0, atol=1e-12)
        before = looks[-1].after
        summed = block.around_feed_forward.norm(before + fed.output)
        torch.testing.assert_close(summed, fed.after, rtol=0, atol=1e-12)
        torch.testing.assert_close(block.feed_forward.outer(fed.inner), fed.output, rtol=0, atol=1e-12)
        torch.testing.assert_close(way.token + way.position, way.start, rtol=0, atol=1e-12)
    assert books[1].way(0).layers[0][0].scores[:, 1:].isnan().all(), "the future is hidden"
