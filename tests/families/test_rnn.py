"""The recurrent family: its sizes, counted by hand, its settings, and how it stands on disk."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from regard.errors import SettingError
from regard.families import rnn
from regard.families.rnn import SIZES, TOY, Config
from regard.layers.recurrent import Recurrence
from regard.models.public import public_weights, put_public_weights
from regard.models.vocabulary import joint_vocabulary, own_vocabulary

JOINT = joint_vocabulary(11)


# Sizes ---------------------------------------------------------------------------------------------------------------


def weights_of(config: Config, vocabulary: int) -> int:
    with torch.device("meta"):
        model = rnn.build(config, joint_vocabulary(vocabulary))
    return sum(weight.numel() for weight in model.parameters())


def gru(d_input: int, d: int) -> int:
    """W, U, and a bias of each, for three gates."""
    return 3 * (d_input * d + d * d + 2 * d)


def lstm(d_input: int, d: int) -> int:
    """W, U and one bias, for four gates."""
    return 4 * (d_input * d + d * d + d)


def bahdanau(V: int, m: int, n: int) -> int:
    """Bahdanau et al. 2015, A.2: embeddings of width m, states of width n, alignment of width n, the output of m."""
    alignment = n * n + (2 * n * n + n) + n  # W_a, U_a with a bias, v
    decoder = gru(m, n) + 3 * 2 * n * n + (2 * n * n + n)  # with C c of each gate, and the map to the first state
    return V * m + 2 * gru(m, n) + alignment + decoder + (n + 2 * n + m) * m + m


def test_bahdanau_s_sizes_have_as_many_weights_as_counted_by_hand():
    assert weights_of(SIZES["gru-attention"], 8000) == bahdanau(8000, 256, 256)
    assert weights_of(SIZES["bahdanau"], 30000) == bahdanau(30000, 620, 1000)


def test_the_tutorial_s_size_has_as_many_weights_as_counted_by_hand():
    """Its encoder and decoder are two-layer LSTMs of 512; here one matrix of width 256 is tied to the output."""
    halves = 2 * (lstm(256, 512) + lstm(512, 512))
    assert weights_of(SIZES["seq2seq"], 8000) == 8000 * 256 + halves + (512 * 256 + 256)


def test_luong_s_size_has_as_many_weights_as_counted_by_hand():
    halves = 2 * 4 * lstm(1000, 1000)
    assert weights_of(SIZES["luong"], 50000) == 50000 * 1000 + halves + 1000**2 + (2000 * 1000 + 1000)


def test_a_run_takes_the_gru_with_attention_where_no_size_is_named():
    assert next(iter(SIZES)) == "gru-attention"
    assert SIZES["gru-attention"] == Config()


# Settings ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"attention": "dot", "d_model": 64},
            r"d_encoder: got 64 in 2 direction\(s\) with d_model 64; expected a memory as wide as d_model with "
            r"attention=dot; use 32, or attention=general\.",
        ),
        ({"attention": "dot", "d_model": 63}, r"use an even d_model, or attention=general\."),
        (
            {"attention": "dot", "d_model": 64, "d_encoder": 32, "bidirectional": False},
            r"d_encoder: got 32 in 1 direction\(s\) with d_model 64; .*; use 64, or",
        ),
        (
            {"reverse": True},
            r"reverse: got true; expected false where bidirectional is true: both directions are read anyhow; "
            r"use bidirectional=false, or leave reverse out\.",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, text):
    with pytest.raises(SettingError, match=text):
        Config(**settings)


def test_what_a_refused_setting_advises_is_accepted():
    assert Config(attention="dot", d_model=64, d_encoder=32).d_memory == 64
    assert Config(attention="dot", d_model=64, bidirectional=False).d_memory == 64
    assert Config(reverse=True, bidirectional=False).directions == 1


@pytest.mark.parametrize("attention", ["none", "additive", "dot", "general"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("directions", [1, 2])
def test_every_choice_of_parts_learns(cell, attention, directions):
    """A gradient reaches every weight, and the states are as wide as the embeddings."""
    config = Config(
        cell,
        attention,
        layers=2,
        d_embedding=6,
        d_model=8,
        d_encoder=8 // directions,
        bidirectional=directions == 2,
        dropout=0.0,
    )
    model = rnn.build(config, JOINT)
    source, target = torch.tensor([[3, 4, 5, 0], [6, 0, 10, 10]]), torch.tensor([[10, 4, 2], [10, 7, 10]])
    hidden = model(source, target)
    assert hidden.shape == (2, 3, 6)
    model.logits(hidden).log_softmax(-1)[..., 1].sum().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in model.parameters())


def test_the_last_states_are_handed_on_as_they_are_only_where_they_fit():
    fitting = Config("lstm", "none", d_model=8, bidirectional=False)
    assert rnn.build(fitting, JOINT).decoder.bridge is None
    for config in (
        Config("lstm", "none", d_model=8, d_encoder=6, bidirectional=False),
        Config("lstm", "none", d_model=8, d_encoder=4),
    ):
        assert rnn.build(config, JOINT).decoder.bridge is not None


def test_fresh_weights_are_drawn_as_said():
    """Glorot uniform, recurrent ones orthogonal, embeddings N(0, 1/d_embedding) but for padding."""
    torch.manual_seed(0)
    model = rnn.build(Config("gru", d_embedding=64, d_model=32), joint_vocabulary(500))
    table = model.encoder.embed.tokens
    assert table.scale == 1.0
    assert table.weight[:-1].std().item() == pytest.approx(1 / 8, rel=0.03)
    assert not table.weight[-1].any()
    within = {id(part) for layer in model.modules() if isinstance(layer, Recurrence) for part in layer.modules()}
    others = [part for part in model.modules() if isinstance(part, nn.Linear) and id(part) not in within]
    assert len(others) == 5  # two of the alignment, the bridge, the context and the read-out
    for part in others:
        bound = (6 / (part.in_features + part.out_features)) ** 0.5
        assert 0.9 * bound < part.weight.abs().max() <= bound
        assert part.bias is None or not part.bias.any()


# On disk -------------------------------------------------------------------------------------------------------------


def test_no_public_architecture_is_recurrent():
    assert rnn.obstacle(TOY, JOINT) == "family = rnn"
    assert rnn.MODEL_TYPES == ()


@pytest.mark.parametrize("name", SIZES)
def test_its_settings_come_back_from_a_file(name):
    vocabulary = own_vocabulary(20, 30, shared=False)
    table = json.loads(json.dumps(rnn.public_config(SIZES[name], vocabulary)))
    assert (table["model_type"], table["family"]) == ("regard", "rnn")
    assert rnn.read_public_config(table)[:2] == (SIZES[name], vocabulary)


def test_a_saved_model_says_the_same_as_before():
    before, again = rnn.build(TOY, JOINT).eval(), rnn.build(TOY, JOINT).eval()
    source, target = torch.tensor([[3, 4, 5, 0]]), torch.tensor([[10, 4, 2]])
    form = rnn.public_form(TOY, JOINT)
    put_public_weights(again, form, public_weights(before, form, rnn.LANGUAGE))
    assert torch.equal(again(source, target), before(source, target))


def test_a_setting_in_a_file_that_is_none_is_refused():
    table = rnn.public_config(TOY, JOINT)
    table["model"] = {**table["model"], "heads": 4}
    with pytest.raises(SettingError, match="heads"):
        rnn.read_public_config(table)
