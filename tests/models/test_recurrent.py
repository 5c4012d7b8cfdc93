"""The recurrent encoder–decoder: its papers' formulas, the laws of every encoder–decoder, equal bits in a search."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import Tensor, nn

from regard.decoding.beam import beam_search
from regard.decoding.greedy import greedy_search
from regard.decoding.settings import DecodingSettings
from regard.families import rnn
from regard.families.rnn import Config
from regard.looking.replay import attention_of
from regard.models.transformer import EncoderDecoder
from regard.models.vocabulary import Vocabulary, joint_vocabulary, own_vocabulary

V = 13
EXACT = {"rtol": 0, "atol": 1e-12}
CONFIGS = {
    "LSTM, states handed on": Config("lstm", "none", layers=2, d_embedding=10, d_model=8, bidirectional=False),
    "RNN from the end, as wide as the embeddings": Config(
        "rnn", "none", d_embedding=8, d_model=8, bidirectional=False, reverse=True
    ),
    "GRU, two directions, additive": Config("gru", "additive", layers=1, d_embedding=10, d_model=8),
    "LSTM, two layers, additive": Config("lstm", "additive", layers=2, d_embedding=6, d_model=8, d_encoder=5),
    "GRU, two directions of half, dot": Config("gru", "dot", layers=2, d_embedding=10, d_model=8, d_encoder=4),
    "LSTM, general, unequal widths": Config(
        "lstm", "general", layers=2, d_embedding=10, d_model=8, d_encoder=7, bidirectional=False
    ),
}


def make(config: Config, vocabulary: Vocabulary | None = None) -> EncoderDecoder:
    """In float64, with every weight from N(0, 0.4²)."""
    model = rnn.build(config, vocabulary or joint_vocabulary(V)).double().eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(std=0.4)
        model.encoder.embed.tokens.weight[model.source_pad].zero_()
        model.decoder.embed.tokens.weight[model.pad].zero_()
    return model


@pytest.fixture(params=CONFIGS)
def model(request) -> EncoderDecoder:
    return make(CONFIGS[request.param])


def states(model, source: Tensor, target: Tensor) -> Tensor:
    with torch.no_grad():
        return model(source, target)


def padded(ids: Tensor, pad: int, more: int) -> Tensor:
    return nn.functional.pad(ids, (0, more), value=pad)


def linear(x: Tensor, map_: nn.Linear) -> Tensor:
    return x @ map_.weight.T + (0 if map_.bias is None else map_.bias)


def gru(x: Tensor, h: Tensor, layer) -> Tensor:
    """Equations of a GRU, gate by gate."""
    x_r, x_z, x_n = linear(x, layer.input).chunk(3, -1)
    h_r, h_z, h_n = linear(h, layer.recurrent).chunk(3, -1)
    r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
    return (1 - z) * torch.tanh(x_n + r * h_n) + z * h


# The papers' models, written out --------------------------------------------------------------------------------------


def test_bahdanau_s_model_is_its_formulas(sentences):
    """Bahdanau et al. 2015, A.1.2 and A.2, for one sentence, with [y; c] as one vector and W as one matrix."""
    model = make(CONFIGS["GRU, two directions, additive"])
    source, target = sentences(1, 5), sentences(1, 4)
    table, decoder = model.encoder.embed.tokens.weight, model.decoder
    with torch.no_grad():
        forwards, backwards = [torch.zeros(8).double()], [torch.zeros(8).double()]
        for token in source[0]:
            forwards.append(gru(table[token], forwards[-1], model.encoder.layers[0][0]))
        for token in source[0].flip(0):
            backwards.append(gru(table[token], backwards[-1], model.encoder.layers[0][1]))
        memory = torch.cat((torch.stack(forwards[1:]), torch.stack(backwards[1:]).flip(0)), 1)
        s = torch.tanh(linear(torch.cat((forwards[-1], backwards[-1])), decoder.bridge.layers[0][0]))
        (layer,) = decoder.layers
        whole = nn.Linear(10 + 16, 24).double()
        whole.weight.copy_(torch.cat((layer.input.weight, decoder.context.weight), 1))
        whole.bias.copy_(layer.input.bias)
        expected = []
        for token in target[0]:
            y, looking = table[token], decoder.alignment
            energies = torch.tanh(linear(s, looking.query) + linear(memory, looking.key)) @ looking.similarity.weight[0]
            c = energies.softmax(0) @ memory
            step = nn.Module()
            step.input, step.recurrent = whole, layer.recurrent
            s = gru(torch.cat((y, c)), s, step)
            expected.append(torch.tanh(linear(torch.cat((s, c, y)), decoder.read_out)))
        torch.testing.assert_close(model(source, target)[0], torch.stack(expected), **EXACT)


def test_luong_s_model_is_its_formulas(sentences):
    """Luong et al. 2015, equations 5 to 8 with "general", on top of PyTorch's LSTM."""
    model = make(CONFIGS["LSTM, general, unequal widths"])
    source, target = sentences(2, 5), sentences(2, 4)
    with torch.no_grad():
        memory, decoder = model.encoder(source, None), model.decoder
        first = [torch.tanh(linear(tensor, turn)) for turn, tensor in bridged(decoder, memory)]
        h = of_torch(decoder.layers, 10, 8)(
            decoder.embed.tokens.weight[target], (torch.stack(first[::2]), torch.stack(first[1::2]))
        )[0]
        weights = (h @ linear(memory.states, decoder.alignment.key).mT).softmax(-1)
        expected = torch.tanh(linear(torch.cat((weights @ memory.states, h), -1), decoder.read_out))
        torch.testing.assert_close(model(source, target), expected, **EXACT)


def bridged(decoder, memory) -> list[tuple[nn.Linear, Tensor]]:
    """Each map of the bridge with the tensor that it turns: h and c of the first layer, then of the second."""
    maps = [turn for turns in decoder.bridge.layers for turn in turns]
    return list(zip(maps, [tensor for state in memory.last for tensor in state], strict=True))


def test_the_top_layer_s_state_is_what_looks(sentences):
    """At first it is the bridge's, so that the first weights follow from the memory alone."""
    model = make(CONFIGS["LSTM, two layers, additive"])
    source = sentences(1, 5)
    weights = attention_of(model, source[0].tolist(), [3, model.eos]).cross[0, 0]
    with torch.no_grad():
        memory, looking = model.encoder(source, None), model.decoder.alignment
        top = model.decoder.bridge(memory.last)[-1][0]
        energies = torch.tanh(linear(top, looking.query)[:, None] + linear(memory.states, looking.key))
        expected = (energies @ looking.similarity.weight[0]).softmax(-1)
    torch.testing.assert_close(weights[:1], expected, **EXACT)


def of_torch(layers, d_input: int, d_model: int) -> nn.LSTM:
    theirs = nn.LSTM(d_input, d_model, len(layers), batch_first=True).double()
    for number, layer in enumerate(layers):
        for name, tensor in (
            ("weight_ih", layer.input.weight),
            ("weight_hh", layer.recurrent.weight),
            ("bias_ih", layer.input.bias),
        ):
            i, f, o, g = tensor.chunk(4)
            getattr(theirs, f"{name}_l{number}").data.copy_(torch.cat((i, f, g, o)))
        getattr(theirs, f"bias_hh_l{number}").data.zero_()
    return theirs


def test_sutskever_s_model_is_two_of_pytorch_s_lstms(sentences):
    """Sutskever et al. 2014: the encoder's last states are the decoder's first, all that it learns of the source."""
    model = make(CONFIGS["LSTM, states handed on"])
    source, target = sentences(3, 6), sentences(3, 4)
    with torch.no_grad():
        table = model.encoder.embed.tokens.weight
        _, last = of_torch([directions[0] for directions in model.encoder.layers], 10, 8)(table[source])
        found, _ = of_torch(model.decoder.layers, 10, 8)(table[target], last)
        torch.testing.assert_close(model(source, target), linear(found, model.decoder.read_out), **EXACT)


# The laws of an encoder–decoder ---------------------------------------------------------------------------------------


def test_no_position_sees_its_future(model, sentences):
    source, target = sentences(2, 5), sentences(2, 6)
    before = states(model, source, target)
    for t in range(1, 6):
        changed = target.clone()
        changed[:, t:] = (changed[:, t:] + 3) % (V - 1)
        after = states(model, source, changed)
        torch.testing.assert_close(after[:, :t], before[:, :t], **EXACT)
        assert ((after[:, t:] - before[:, t:]).abs().amax(-1) > 1e-6).all(), "every later position does see the change"


def test_every_token_of_the_source_counts(model, sentences):
    source, target = sentences(1, 5), sentences(1, 4)
    before = states(model, source, target)
    for s in range(5):
        changed = source.clone()
        changed[:, s] = (changed[:, s] + 3) % (V - 1)
        assert ((states(model, changed, target) - before).abs().amax(-1) > 1e-7).all()


@pytest.mark.parametrize("more", [1, 9])
def test_padding_is_invisible(model, sentences, more):
    """To the states, the memory, and the gradient."""
    source, target = sentences(3, 5), sentences(3, 4)
    wide = padded(source, model.source_pad, more), padded(target, model.pad, more)
    torch.testing.assert_close(states(model, *wide)[:, :4], states(model, source, target), **EXACT)
    torch.testing.assert_close(model.encode(wide[0])[:, :5], model.encode(source), **EXACT)
    gradients = []
    for pair in ((source, target), wide):
        model.zero_grad()
        model.logits(model(*pair)[:, :4]).log_softmax(-1)[..., :3].sum().backward()
        gradients.append([weight.grad.clone() for weight in model.parameters()])
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=1e-10)


def test_a_sentence_is_the_same_beside_longer_ones(model, sentences):
    short, long, target = sentences(1, 3), sentences(1, 8), sentences(2, 5)
    together = states(model, torch.cat([padded(short, model.source_pad, 5), long]), target)
    torch.testing.assert_close(together[:1], states(model, short, target[:1]), **EXACT)
    torch.testing.assert_close(together[1:], states(model, long, target[1:]), **EXACT)


def test_the_order_of_the_source_counts(model, sentences):
    source, target, order = sentences(2, 6), sentences(2, 4), torch.tensor([3, 0, 5, 4, 1, 2])
    assert ((states(model, source[:, order], target) - states(model, source, target)).abs().amax(-1) > 1e-6).all()


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
        for order in [None, [1, 1, 2, 3, 5, 4], [1, 0, 3, 3, 4, 4], "keep", [0, 0, 3, 2], None, "last"]:
            found = advance(model, state, histories)
            torch.testing.assert_close(found, uncached(model, source, histories, beams), **EXACT)
            if order == "keep":
                state.keep(torch.tensor([2, 0]))
                source, histories = source[[2, 0]], [histories[row] for row in (4, 5, 0, 1)]
            elif order is not None and order != "last":
                state.reorder(torch.tensor(order))
                histories = [list(histories[row]) for row in order]


def test_dropout_works_in_training_and_follows_the_seed(model, sentences):
    source, target = sentences(2, 5), sentences(2, 4)
    model.train()
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(states(model, source, target))
    assert torch.equal(found[0], found[1])
    assert not torch.allclose(found[0], found[2])
    model.eval()
    assert torch.equal(states(model, source, target), states(model, source, target))


@pytest.mark.parametrize("half", ["encoder", "decoder"])
@pytest.mark.parametrize("name", ["LSTM, states handed on", "LSTM, two layers, additive"])
def test_dropout_stands_between_the_layers(sentences, name, half):
    """What the second layer reads has zeros, with rate 0.3, and what the first hands to its next token has none."""
    model = make(CONFIGS[name]).train()
    layer = getattr(model, half).layers[1]
    second = layer[0] if half == "encoder" else layer
    read, passed_on = [], []
    second.input.register_forward_hook(lambda module, given, found: read.append(given[0]))
    step = second.step

    def watched(gates: Tensor, state):
        passed_on.append(state[0])
        return step(gates, state)

    second.step = watched
    model(sentences(50, 6), sentences(50, 6))
    assert (torch.cat([x.flatten() for x in read]) == 0).double().mean().item() == pytest.approx(0.3, abs=0.05)
    assert (torch.stack(passed_on[1:]) != 0).all()


def test_one_matrix_is_both_embeddings_and_the_output_layer(model, sentences):
    assert model.encoder.embed.tokens.weight is model.decoder.embed.tokens.weight is model.output.weight
    hidden = states(model, sentences(2, 5), sentences(2, 4))
    expected = hidden @ model.output.weight.T
    torch.testing.assert_close(model.logits(hidden)[..., : V - 1], expected[..., : V - 1], **EXACT)
    assert (model.logits(hidden)[..., V - 1] == -torch.inf).all()


def test_two_vocabularies_have_paddings_of_their_own():
    model = make(CONFIGS["GRU, two directions, additive"], own_vocabulary(20, 9, shared=False))
    source, target = torch.tensor([[7, 8, 15, 0]]), torch.tensor([[8, 3, 4]])
    found = states(model, padded(source, 19, 3), target)
    torch.testing.assert_close(found, states(model, source, target), **EXACT)
    assert model.logits(found).shape == (1, 3, 9)


def test_it_learns_in_bfloat16(model, sentences):
    """As training has it: the whole module is rounded."""
    source, target = padded(sentences(3, 5), V - 1, 2), sentences(3, 4)
    expected = states(model, source, target)
    model.bfloat16().train()
    model.logits(model(source, target)).float().log_softmax(-1)[..., :3].sum().backward()
    assert all(weight.grad.isfinite().all() and weight.grad.any() for weight in model.parameters())
    torch.testing.assert_close(states(model.eval(), source, target).double(), expected, rtol=0.1, atol=0.2)


# Looking --------------------------------------------------------------------------------------------------------------


def test_its_attention_can_be_looked_at(model):
    """One layer with one head, a row for every position, whether it looks once or step by step; or none at all."""
    found = attention_of(model, [3, 4, 5, 0], [6, 7, 0])
    assert found.encoder.numel() == found.decoder.numel() == 0
    if model.decoder.alignment is None:
        assert found.cross.numel() == 0
        return
    assert found.cross.shape == (1, 1, 3, 4)
    torch.testing.assert_close(found.cross.sum(-1), torch.ones(1, 1, 3).double(), **EXACT)
    memory = model.encode(torch.tensor([[3, 4, 5, 0]]))
    contexts = []
    model.decoder.alignment.register_forward_hook(lambda module, given, context: contexts.append(context))
    states(model, torch.tensor([[3, 4, 5, 0]]), torch.tensor([[model.start, 6, 7]]))
    torch.testing.assert_close(found.cross[:, 0] @ memory, torch.cat(contexts, 1), **EXACT)


# Search ---------------------------------------------------------------------------------------------------------------

WIDE = {"layers": 2, "d_embedding": 64, "d_model": 64}
SEARCHED = {
    "LSTM without attention": Config("lstm", "none", bidirectional=False, **WIDE),
    "GRU, additive": Config("gru", "additive", **WIDE),
    "LSTM, general": Config("lstm", "general", bidirectional=False, **WIDE),
}
WORDS = 200


@cache
def lively(name: str) -> EncoderDecoder:
    """In float32; outputs differ from source to source and end now and then."""
    torch.manual_seed(3)
    model = rnn.build(SEARCHED[name], joint_vocabulary(WORDS)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(std=0.4)
        model.encoder.embed.tokens.weight.mul_(2.0)[model.pad].zero_()
        model.output.bias[model.eos] = 1.5
    return model


def searched(model: EncoderDecoder, source: Tensor, beam: int) -> list[list[tuple]]:
    limits = torch.full((len(source),), 14)
    found = (greedy_search if beam == 1 else beam_search)(model, source, limits, DecodingSettings(beam=beam))
    return [[(tuple(one.ids), one.score) for one in hypotheses] for hypotheses in found]


@pytest.mark.parametrize("beam", [1, 2, 4])
@pytest.mark.parametrize("name", SEARCHED)
def test_a_search_gives_the_same_bits_alone_and_in_any_batch(name, beam):
    """Identical ids and identical scores in float32: a recurrence multiplies as many rows as there are sentences."""
    model = lively(name)
    source = torch.full((5, 11), WORDS - 1)
    for row, length in zip(source, (3, 11, 6, 9, 7), strict=True):
        row[:length] = torch.randint(1, WORDS - 1, (length,))
        row[length - 1] = 0
    alone = [searched(model, source[row : row + 1], beam)[0] for row in range(5)]
    assert len({hypotheses[0][0] for hypotheses in alone}) > 2, "the sentences are translated differently"
    for size in (2, 3, 5):
        assert searched(model, source[:size], beam) == alone[:size]


@pytest.mark.parametrize("name", SEARCHED)
def test_a_beam_of_one_is_greedy(name):
    model = lively(name)
    source = torch.randint(1, WORDS - 1, (4, 6))
    limits = torch.full((4,), 14)
    greedy = greedy_search(model, source, limits, DecodingSettings())
    beamed = beam_search(model, source, limits, DecodingSettings(beam=1))
    assert [one[0].ids for one in greedy] == [one[0].ids for one in beamed]
