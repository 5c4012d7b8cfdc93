"""The laws of the encoder–decoder: what it may see, what must not matter, and that its cache changes nothing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from regard.families.transformer import POSITIONS, Config
from regard.models.vocabulary import own_vocabulary

pytestmark = pytest.mark.usefixtures("path")
EXACT = {"rtol": 0, "atol": 1e-12}


def states(model, source: Tensor, target: Tensor) -> Tensor:
    with torch.no_grad():
        return model(source, target)


def padded(ids: Tensor, pad: int, more: int) -> Tensor:
    return torch.nn.functional.pad(ids, (0, more), value=pad)


def test_no_position_sees_its_future(model, sentences):
    source, target = sentences(2, 5), sentences(2, 7)
    before = states(model, source, target)
    for t in range(1, 7):
        changed = target.clone()
        changed[:, t:] = (changed[:, t:] + 3) % (model.ids.target - 1)
        after = states(model, source, changed)
        torch.testing.assert_close(after[:, :t], before[:, :t], **EXACT)
        assert ((after[:, t:] - before[:, t:]).abs().amax(-1) > 1e-6).all(), "every later position does see the change"


def test_no_gradient_comes_from_the_future(model, sentences):
    """The same law for training: the state at t depends on the vectors of positions 0 … t, on each of them."""
    source, target = sentences(1, 4), sentences(1, 5)
    kept = []
    hook = model.decoder.embed.register_forward_hook(lambda module, given, found: kept.append(found) or found)
    hidden = model(source, target)
    hook.remove()
    for t in range(5):
        (gradient,) = torch.autograd.grad(hidden[0, t].sum() * hidden[0, t, 0], kept[0], retain_graph=True)
        reached = gradient[0].abs().amax(-1)
        assert (reached[: t + 1] > 1e-9).all()
        assert (reached[t + 1 :] == 0).all()


@pytest.mark.parametrize("more", [1, 2, 9])
def test_padding_of_the_source_is_invisible(model, sentences, more):
    source, target = sentences(3, 5), sentences(3, 4)
    found = states(model, padded(source, model.source_pad, more), target)
    torch.testing.assert_close(found, states(model, source, target), **EXACT)


@pytest.mark.parametrize("more", [1, 2, 9])
def test_padding_of_the_target_is_invisible(model, sentences, more):
    source, target = sentences(3, 5), sentences(3, 4)
    found = states(model, source, padded(target, model.pad, more))
    torch.testing.assert_close(found[:, :4], states(model, source, target), **EXACT)


def test_padding_leaves_the_memory_as_it_was(model, sentences):
    source = sentences(2, 5)
    with torch.no_grad():
        found = model.encode(padded(source, model.source_pad, 4))
        torch.testing.assert_close(found[:, :5], model.encode(source), **EXACT)


def test_padding_is_invisible_to_the_gradient(model, sentences):
    source, target = sentences(2, 5), sentences(2, 4)
    gradients = []
    for more in (0, 3):
        model.zero_grad()
        hidden = model(padded(source, model.source_pad, more), padded(target, model.pad, more))
        model.logits(hidden[:, :4]).log_softmax(-1)[..., :3].sum().backward()
        gradients.append([weight.grad.clone() for weight in model.parameters()])
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=1e-11)


def test_a_sentence_is_the_same_beside_longer_ones(model, sentences):
    short, long, target = sentences(1, 3), sentences(1, 8), sentences(2, 5)
    source = torch.cat([padded(short, model.source_pad, 5), long])
    together = states(model, source, target)
    torch.testing.assert_close(together[:1], states(model, short, target[:1]), **EXACT)
    torch.testing.assert_close(together[1:], states(model, long, target[1:]), **EXACT)


def test_the_order_of_a_batch_is_irrelevant(model, sentences):
    source, target, order = sentences(5, 6), sentences(5, 4), torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(
        states(model, source[order], target[order]), states(model, source, target)[order], **EXACT
    )


def test_without_positions_permuting_the_source_permutes_the_memory(make_model, sentences):
    source, order = sentences(2, 6), torch.tensor([3, 0, 5, 4, 1, 2])
    sizes = {"layers": 2, "d_model": 12, "d_ff": 20, "heads": 3}
    for positions in POSITIONS:
        model = make_model(Config(**sizes, positions=positions))
        with torch.no_grad():
            permuted, expected = model.encode(source[:, order]), model.encode(source)[:, order]
        alike = torch.allclose(permuted, expected, **EXACT)
        assert alike is (positions == "none")


def test_without_positions_the_decoder_does_not_see_the_order_of_the_source(make_model, sentences):
    model = make_model(Config(layers=2, d_model=12, d_ff=20, heads=3, positions="none"))
    source, target, order = sentences(2, 6), sentences(2, 4), torch.tensor([3, 0, 5, 4, 1, 2])
    torch.testing.assert_close(states(model, source[:, order], target), states(model, source, target), **EXACT)


def uncached(model, source: Tensor, histories: list[list[int]], beams: int) -> Tensor:
    """The logits after each history, all computed anew."""
    rows = [
        model.logits(model(source[row // beams][None], torch.tensor([history]))[:, -1])[0]
        for row, history in enumerate(histories)
    ]
    return torch.stack(rows)


def advance(model, state, histories: list[list[int]]) -> Tensor:
    """Feed a new random token to every row, and write it down."""
    tokens = torch.randint(0, model.ids.target - 1, (len(histories),))
    if state.position == 0:
        tokens = state.first
    for history, token in zip(histories, tokens.tolist(), strict=True):
        history.append(token)
    return model.step(tokens, state)


def test_a_step_gives_what_the_whole_target_gives(model, sentences):
    """Three sentences of unlike length, two beams: rows change places, a sentence leaves, two change places."""
    source = sentences(3, 6)
    source[1, 4:] = torch.tensor([0, model.source_pad])
    source[2, 1:] = torch.tensor([0, *[model.source_pad] * 4])
    beams, histories = 2, [[] for _ in range(6)]
    with torch.no_grad():
        state = model.start_decoding(source, beams)
        orders = [None, [1, 1, 2, 3, 5, 4], [1, 0, 3, 3, 4, 4], "keep", [0, 0, 3, 2], None, "last"]
        for order in orders:
            found = advance(model, state, histories)
            torch.testing.assert_close(found, uncached(model, source, histories, beams), **EXACT)
            if order == "keep":
                state.keep(torch.tensor([2, 0]))
                source, histories = source[[2, 0]], [histories[row] for row in (4, 5, 0, 1)]
            elif order is not None and order != "last":
                state.reorder(torch.tensor(order))
                histories = [list(histories[row]) for row in order]


def test_one_beam_is_a_row_a_sentence(model, sentences):
    source = sentences(4, 5)
    state, histories = model.start_decoding(source), [[] for _ in range(4)]
    for _ in range(3):
        found = advance(model, state, histories)
        torch.testing.assert_close(found, uncached(model, source, histories, 1), **EXACT)


def test_a_search_leaves_the_model_as_it_was(model, sentences):
    source, target = sentences(2, 5), sentences(2, 4)
    before = states(model, source, target)
    advance(model, model.start_decoding(source, 3), [[] for _ in range(6)])
    assert torch.equal(states(model, source, target), before)


def test_padding_is_the_last_id_and_the_start_and_never_predicted(model, sentences):
    assert (model.pad, model.source_pad, model.start, model.eos, model.ids.target) == (12, 12, 12, 0, 13)
    logits = model.logits(states(model, sentences(2, 5), sentences(2, 4)))
    assert (logits[..., model.pad] == -torch.inf).all()
    assert logits[..., : model.pad].isfinite().all()


def test_two_vocabularies_have_paddings_of_their_own(make_model):
    sizes = {"layers": 1, "d_model": 12, "d_ff": 20, "heads": 3}
    model = make_model(Config(**sizes), own_vocabulary(20, 9, shared=False))
    assert (model.source_pad, model.pad, model.start, model.ids.target) == (19, 8, 8, 9)
    source, target = torch.tensor([[7, 8, 15, 0]]), torch.tensor([[8, 3, 4]])
    found = states(model, padded(source, 19, 3), target)
    torch.testing.assert_close(found, states(model, source, target), **EXACT)
    assert model.logits(found).shape == (1, 3, 9)


def test_the_logits_are_those_of_the_shared_matrix(model, sentences):
    hidden = states(model, sentences(2, 5), sentences(2, 4))
    weight = model.encoder.embed.tokens.weight
    assert weight is model.decoder.embed.tokens.weight is model.output.weight
    expected = torch.einsum("btd,vd->btv", hidden, weight) + model.output.bias
    torch.testing.assert_close(model.logits(hidden)[..., : model.pad], expected[..., : model.pad], **EXACT)


def test_dropout_works_in_training_and_follows_the_seed(make_model, sentences):
    model = make_model(Config(layers=1, d_model=12, d_ff=20, heads=3, dropout=0.3)).train()
    source, target = sentences(2, 5), sentences(2, 4)
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(states(model, source, target))
    assert torch.equal(found[0], found[1])
    assert not torch.allclose(found[0], found[2])
    model.eval()
    assert torch.equal(states(model, source, target), states(model, source, target))
