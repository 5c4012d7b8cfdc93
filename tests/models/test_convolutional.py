"""The convolutional encoder–decoder: the paper's equations position by position, and what must not matter."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from regard.families import convs2s
from regard.families.convs2s import Config
from regard.layers.convolution import Convolution
from regard.looking.replay import attention_of
from regard.models.embedder import Embedder
from regard.models.transformer import EncoderDecoder
from regard.models.vocabulary import Vocabulary, joint_vocabulary, own_vocabulary

pytestmark = pytest.mark.usefixtures("path")
EXACT = {"rtol": 0, "atol": 1e-12}
V = 13
SMALL = Config(layers=2, d_embedding=6, d_model=10, longest=40)
CONFIGS = {
    "small": SMALL,
    "unequal depths, wide windows, wide embeddings": replace(
        SMALL, layers=1, decoder_layers=3, width=5, d_embedding=12
    ),
    "windows of one": replace(SMALL, width=1),
}
HALF = math.sqrt(0.5)


def make(config: Config, vocabulary: Vocabulary | None = None, std: float = 0.3) -> EncoderDecoder:
    """A model in float64, whose weights and biases are all random."""
    model = convs2s.build(config, vocabulary or joint_vocabulary(V)).double().eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(std=std)
        model.encoder.embed.tokens.weight[model.source_pad].zero_()
        model.decoder.embed.tokens.weight[model.pad].zero_()
    return model


@pytest.fixture(params=CONFIGS)
def model(request) -> EncoderDecoder:
    return make(CONFIGS[request.param])


def states(model: EncoderDecoder, source: Tensor, target: Tensor) -> Tensor:
    with torch.no_grad():
        return model(source, target)


def padded(ids: Tensor, pad: int, more: int) -> Tensor:
    return torch.nn.functional.pad(ids, (0, more), value=pad)


# The paper's equations, a position at a time -------------------------------------------------------------------------


def affine(layer: torch.nn.Linear, x: Tensor) -> Tensor:
    return layer.weight @ x + layer.bias


def gated(block, window: list[Tensor]) -> Tensor:
    """v(W [window] + b), v([A B]) = A ⊗ σ(B), section 3.2."""
    a, b = affine(block.convolution.product, torch.cat(window)).chunk(2)
    return a / (1 + torch.exp(-b))


def embedded(half, ids: list[int]) -> list[Tensor]:
    """w + p, section 3.1."""
    return [half.embed.tokens.weight[token] + half.embed.positions.weight[j] for j, token in enumerate(ids)]


def at(h: list[Tensor], j: int) -> Tensor:
    return h[j] if 0 <= j < len(h) else torch.zeros_like(h[0])


def read(encoder, source: list[int], k: int) -> tuple[list[Tensor], list[Tensor]]:
    """z and e."""
    e = embedded(encoder, source)
    h = [affine(encoder.wide, x) for x in e]
    for block in encoder.blocks:
        h = [(gated(block, [at(h, i + o) for o in range(-(k // 2), k // 2 + 1)]) + h[i]) * HALF for i in range(len(h))]
    return [affine(encoder.narrow, x) for x in h], e


def write(decoder, target: list[int], z: list[Tensor], e: list[Tensor], k: int) -> Tensor:
    """Equations 1 and 2, with the sums of section 3.4."""
    g, m = embedded(decoder, target), len(z)
    h = [affine(decoder.wide, x) for x in g]
    for block in decoder.blocks:
        new = []
        for i, before in enumerate(h):
            y = gated(block.block, [at(h, i - o) for o in reversed(range(k))])
            d = (affine(block.cross_attention.query, y) + g[i]) * HALF
            a = torch.stack([d @ key for key in z]).exp()
            a = a / a.sum()
            c = sum(a[j] * (z[j] + e[j]) * HALF for j in range(m)) * m * math.sqrt(1 / m)
            new.append(((y + affine(block.cross_attention.output, c)) * HALF + before) * HALF)
        h = new
    return torch.stack([affine(decoder.narrow, x) for x in h])


@pytest.mark.parametrize("name", CONFIGS)
def test_the_states_are_the_paper_s_equations_position_by_position(name):
    config = CONFIGS[name]
    model = make(config, own_vocabulary(V, 9, shared=False))
    sources, targets = [[5, 1, 7, 7, 0], [3, 0]], [[8, 3, 4, 1], [8, 2, 2, 6]]
    source = torch.tensor([sources[0], [*sources[1], *[model.source_pad] * 3]])
    found = states(model, source, torch.tensor(targets))
    with torch.no_grad():
        for row in (0, 1):
            expected = write(
                model.decoder, targets[row], *read(model.encoder, sources[row], config.width), config.width
            )
            torch.testing.assert_close(found[row], expected, **EXACT)


# What a position sees ------------------------------------------------------------------------------------------------


def test_no_position_sees_its_future(model, sentences):
    source, target = sentences(2, 5), sentences(2, 7)
    before = states(model, source, target)
    for t in range(1, 7):
        changed = target.clone()
        changed[:, t:] = (changed[:, t:] + 3) % (model.ids.target - 1)
        after = states(model, source, changed)
        assert torch.equal(after[:, :t], before[:, :t])
        assert ((after[:, t:] - before[:, t:]).abs().amax(-1) > 1e-6).all(), "every later position does see the change"


@pytest.mark.parametrize("name", CONFIGS)
def test_n_windows_of_k_reach_n_times_k_less_one_tokens_back(name, sentences):
    config = CONFIGS[name]
    model, source, target = make(config), sentences(1, 4), sentences(1, 20)
    changed = target.clone()
    changed[:, 2] = (changed[:, 2] + 3) % (V - 1)
    reached = (states(model, source, changed) - states(model, source, target))[0].abs().amax(-1) > 1e-12
    last = 2 + config.blocks_of_decoder * (config.width - 1)
    assert reached.nonzero().flatten().tolist() == list(range(2, last + 1))


@pytest.mark.parametrize("name", CONFIGS)
def test_the_encoder_reaches_as_far_to_either_side(name, sentences):
    config = CONFIGS[name]
    model, source = make(config), sentences(1, 20)
    changed = source.clone()
    changed[:, 9] = (changed[:, 9] + 3) % (V - 1)
    with torch.no_grad():
        reached = (model.encode(changed) - model.encode(source))[0].abs().amax(-1) > 1e-12
    side = config.layers * (config.width - 1) // 2
    assert reached.nonzero().flatten().tolist() == list(range(9 - side, 9 + side + 1))


# What must not matter ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [1, 2, 9])
def test_padding_is_invisible(model, sentences, more):
    source, target = sentences(3, 5), sentences(3, 4)
    expected = states(model, source, target)
    found = states(model, padded(source, model.source_pad, more), padded(target, model.pad, more))
    torch.testing.assert_close(found[:, :4], expected, **EXACT)
    with torch.no_grad():
        memory = model.encode(padded(source, model.source_pad, more))
        torch.testing.assert_close(memory[:, :5], model.encode(source), **EXACT)


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


def test_without_padding_no_mask_is_needed(model, sentences):
    source = sentences(2, 5)
    everywhere = torch.ones(2, 1, 1, 5, dtype=torch.bool)
    with torch.no_grad():
        torch.testing.assert_close(model.encoder(source, None), model.encoder(source, everywhere), **EXACT)


# Step by step --------------------------------------------------------------------------------------------------------


def uncached(model, source: Tensor, histories: list[list[int]], beams: int) -> Tensor:
    """The logits after each history, all computed anew."""
    rows = [
        model.logits(model(source[row // beams][None], torch.tensor([history]))[:, -1])[0]
        for row, history in enumerate(histories)
    ]
    return torch.stack(rows)


def advance(model, state, histories: list[list[int]]) -> Tensor:
    """Feed a new random token to every row, and write it down."""
    tokens = torch.randint(0, V - 1, (len(histories),)) if state.position else state.first
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
        for order in [None, [1, 1, 2, 3, 5, 4], [1, 0, 3, 3, 4, 4], "keep", [0, 0, 3, 2], None, None, None]:
            found = advance(model, state, histories)
            torch.testing.assert_close(found, uncached(model, source, histories, beams), **EXACT)
            if order == "keep":
                state.keep(torch.tensor([2, 0]))
                source, histories = source[[2, 0]], [histories[row] for row in (4, 5, 0, 1)]
            elif order is not None:
                state.reorder(torch.tensor(order))
                histories = [list(histories[row]) for row in order]


# Looking and learning ------------------------------------------------------------------------------------------------


def test_every_layer_shows_where_it_looked(model):
    found = attention_of(model.float(), [5, 9, 4, 11, 6, 0], [7, 8, 10, 0])
    assert found.cross.shape == (len(model.decoder.blocks), 1, 4, 6)
    torch.testing.assert_close(found.cross.sum(-1), torch.ones(found.cross.shape[:3]))
    assert found.encoder.shape == found.decoder.shape == (0, 0, 0, 0)
    assert all(layer.recorder is None for layer in model.decoder.cross_attentions())


def gradient(model, readers: float, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Of the encoder's last matrix, which only z leads to, and of its positions, which e leads to as well."""
    model.encoder.readers = readers
    weights = model.encoder.narrow.weight, model.encoder.embed.positions.weight
    return torch.autograd.grad(model(source, target).square().sum(), weights)


def test_the_gradient_of_the_encoder_is_divided_by_its_readers_and_that_of_the_embedding_is_not(sentences):
    model = make(replace(SMALL, decoder_layers=3, dropout=0.0)).train()
    source, target = sentences(2, 5), sentences(2, 4)
    assert model.encoder.readers == 3
    (one, whole), (three, third), (none, own) = (gradient(model, n, source, target) for n in (1, 3, math.inf))
    torch.testing.assert_close(three, one / 3, **EXACT)
    assert none.abs().max() == 0
    assert own.abs().max() > 1e-3
    torch.testing.assert_close(third - own, (whole - own) / 3, **EXACT)
    read, _ = gradient(model.eval(), 3, source, target)
    torch.testing.assert_close(read, one, **EXACT)  # who looks inside wants the gradient as it is


def test_all_weights_learn_in_bfloat16(sentences):
    model = make(SMALL).to(torch.bfloat16).train()
    source = padded(sentences(3, 5), 12, 2)
    model.logits(model(source, sentences(3, 6))).float()[..., : V - 1].log_softmax(-1).square().mean().backward()
    for name, weight in model.named_parameters():
        assert weight.grad.dtype == torch.bfloat16, name
        assert weight.grad.isfinite().all(), name
        assert weight.grad.abs().max() > 0, name


def test_dropout_stands_on_embeddings_on_each_convolution_s_input_and_on_the_output(sentences):
    """Of that many values, as many are zero as ``dropout`` says; there are zeros nowhere else."""
    model, shares = make(replace(SMALL, layers=3, dropout=0.4)).train(), []

    def note(values: Tensor) -> None:
        shares.append(values.eq(0).double().mean().item())

    for module in model.modules():
        if isinstance(module, Embedder):
            module.register_forward_hook(lambda module, given, found: note(found))
        if isinstance(module, Convolution):
            module.register_forward_pre_hook(lambda module, given: note(given[0]))
    source, target = sentences(40, 20), sentences(40, 20)
    note(model(source, target))
    assert shares == pytest.approx([0.4] * (2 + 3 + 3 + 1), abs=0.03)
    shares.clear()
    note(model.eval()(source, target))
    assert shares == [0.0] * 9
