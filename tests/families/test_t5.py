"""T5 1.0 and 1.1 against transformers, head by head, and their published sizes.

transformers computes norms and softmax in float32 whatever the type: hence 1e-4.
"""

from __future__ import annotations

import pytest
import torch
import transformers
from safetensors.torch import load_file
from tests.families.parity import open_here, perturbed
from tests.families.seq2seq import V, config_of, count, same_greedy_tokens, same_states_and_logits, seen, texts

from regard.errors import CheckpointError, SettingError
from regard.families import t5
from regard.models.encoder_model import EncoderModel
from regard.models.heads import Head
from regard.models.public import put_public_weights
from regard.models.vocabulary import Vocabulary

IDS = {"pad": 0, "eos": 1}
NEAR = {"rtol": 0, "atol": 1e-4}
SHAPES = [
    {"d_model": 16, "d_ff": 24, "num_layers": 2, "num_heads": 4, "d_kv": 4},
    {"d_model": 30, "d_ff": 50, "num_layers": 3, "num_decoder_layers": 1, "num_heads": 3, "d_kv": 7},
    {"d_model": 7, "d_ff": 10, "num_layers": 1, "num_heads": 1, "d_kv": 5, "relative_attention_num_buckets": 8}
    | {"relative_attention_max_distance": 20},
]


def settings(shape, **changes):
    return transformers.T5Config(vocab_size=V, decoder_start_token_id=0, **{**shape, **changes})


def version_1_1(shape, **changes):
    """A model of version 1.1, which transformers 5 makes only when it finds an output matrix in a file."""
    facts = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
    model = transformers.T5ForConditionalGeneration(settings(shape, **facts, **changes))
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    return model


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("architecture", ["T5ForConditionalGeneration", "T5ForSequenceClassification"])
def test_transformers_computes_the_same(architecture, shape, tmp_path):
    config = settings(shape, num_labels=3)
    same_states_and_logits("t5", architecture, config, tmp_path, tolerance=1e-4, **IDS)


@pytest.mark.parametrize("name", ["gated-gelu", "gated-silu", "gelu", "gelu_new"])
def test_every_feed_forward_network_is_the_same(name, tmp_path):
    config = settings(SHAPES[0], feed_forward_proj=name)
    same_states_and_logits("t5", "T5ForConditionalGeneration", config, tmp_path, tolerance=1e-4, **IDS)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("architecture", ["T5ForTokenClassification", "T5EncoderModel"])
def test_the_encoder_alone_is_the_same(architecture, shape, tmp_path):
    source = texts(**IDS)
    theirs = perturbed(getattr(transformers, architecture)(settings(shape, num_labels=3)))
    with torch.no_grad():
        found = theirs(input_ids=source, attention_mask=seen(source, 0))
    theirs.save_pretrained(tmp_path)
    ours = open_here(tmp_path, t5)[0]
    assert isinstance(ours, EncoderModel)
    if architecture == "T5EncoderModel":
        torch.testing.assert_close(ours(source), found.last_hidden_state, **NEAR)
    else:
        torch.testing.assert_close(ours.classify(source), found.logits, **NEAR)


def test_an_encoder_is_found_in_a_whole_model_s_file(tmp_path):
    theirs, source = perturbed(transformers.T5ForConditionalGeneration(settings(SHAPES[0]))), texts(**IDS)
    theirs.save_pretrained(tmp_path)
    config, ids, _ = t5.read_public_config(config_of(tmp_path))
    for head in (Head("none"), Head("tokens", ("I", "O"))):
        ours = t5.build(config, ids, head).double().eval()
        form = t5.public_form(config, ids, head)
        fit = put_public_weights(ours, form, load_file(tmp_path / "model.safetensors"), fresh=("head.",))
        assert all(name.startswith("head.") for name in fit.fresh)
        with torch.no_grad():
            wanted = theirs.encoder(input_ids=source, attention_mask=seen(source, 0)).last_hidden_state
            torch.testing.assert_close(ours(source), wanted, **NEAR)


@pytest.mark.parametrize("shape", SHAPES)
def test_version_1_1_is_the_same_whatever_its_settings_say_is_tied(shape, tmp_path):
    """transformers 5 writes ``tie_word_embeddings: true`` beside an output matrix of its own."""
    theirs, source, target = perturbed(version_1_1(shape)), texts(**IDS), torch.randint(3, V, (4, 7))
    theirs.save_pretrained(tmp_path)
    table = config_of(tmp_path)
    assert table["tie_word_embeddings"] is True
    assert table["scale_decoder_outputs"] is False
    ours, config, ids, head = open_here(tmp_path, t5)
    assert (config.tied, config.scaled, config.gated, config.activation) == (False, False, True, "gelu_tanh")
    with torch.no_grad():
        wanted = theirs(input_ids=source, attention_mask=seen(source, 0), decoder_input_ids=target).logits
        torch.testing.assert_close(ours.logits(ours(source, target)), wanted, **NEAR)
    written = t5.public_config(config, ids, head)
    assert (written["tie_word_embeddings"], written["scale_decoder_outputs"]) == (False, False)


TRAPS = [
    # what a file says, whether it holds an output matrix, and what it means: tied, scaled
    ({}, False, (True, True)),  # version 1.0
    ({"tie_word_embeddings": False}, True, (False, False)),  # version 1.1, by transformers 4
    ({"tie_word_embeddings": True, "scale_decoder_outputs": False}, True, (False, False)),  # 1.1, by transformers 5
    ({"tie_word_embeddings": True, "scale_decoder_outputs": False}, False, (True, False)),
    ({"tie_word_embeddings": True}, True, (False, True)),
    ({"model_type": "mt5", "tie_word_embeddings": True}, True, (False, False)),  # never scaled
]


@pytest.mark.parametrize(("said", "held", "found"), TRAPS)
def test_what_is_tied_and_scaled_is_found_out(said, held, found):
    table = {"model_type": "t5", "vocab_size": V, **said}
    names = ["shared.weight", *(["lm_head.weight"] if held else [])]
    config = t5.read_public_config(table, names)[0]
    assert (config.tied, config.scaled) == found


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_greedy_tokens_are_the_same(version, tmp_path):
    plain = transformers.T5ForConditionalGeneration(settings(SHAPES[1]))
    same_greedy_tokens("t5", plain if version == "1.0" else version_1_1(SHAPES[1]), tmp_path)


def test_mt5_is_read_as_version_1_1(tmp_path):
    config = transformers.MT5Config(vocab_size=V, **SHAPES[1])
    theirs = perturbed(transformers.MT5ForConditionalGeneration(config))
    theirs.save_pretrained(tmp_path)
    ours, source, target = open_here(tmp_path, t5)[0], texts(**IDS), torch.randint(3, V, (4, 7))
    with torch.no_grad():
        wanted = theirs(input_ids=source, attention_mask=seen(source, 0), decoder_input_ids=target).logits
        torch.testing.assert_close(ours.logits(ours(source, target)), wanted, **NEAR)


def test_texts_longer_than_the_farthest_distance_are_the_same(tmp_path):
    theirs = perturbed(transformers.T5ForConditionalGeneration(settings(SHAPES[0])))
    theirs.save_pretrained(tmp_path)
    ours = open_here(tmp_path, t5)[0]
    source, target = torch.randint(3, V, (1, 200)), torch.randint(3, V, (1, 180))
    with torch.no_grad():
        wanted = theirs(input_ids=source, decoder_input_ids=target).logits
        torch.testing.assert_close(ours.logits(ours(source, target)), wanted, **NEAR)


@pytest.mark.parametrize(
    ("size", "expected"),
    [("small", 60_506_624), ("base", 222_903_552), ("v1.1-small", 76_961_152)],
)
def test_the_published_sizes_have_their_parameters(size, expected):
    assert count("t5", size, Vocabulary.of_texts(32_128, IDS, start=0)) == expected


def test_fresh_weights_are_as_wide_as_their_places_want():
    """Queries (d·d_k)^−½, other maps fan-in^−½, embeddings 1, distances d^−½ (Mesh TensorFlow's T5)."""
    config = t5.Config(layers=1, d_model=64, d_ff=512, heads=8, d_k=32, tied=False, scaled=False)
    model = t5.build(config, Vocabulary.of_texts(500, IDS, start=0))
    block = model.decoder.blocks[0]
    for weight, deviation in (
        (model.encoder.embed.tokens.weight, 1.0),
        (block.self_attention.query.weight, (64 * 32) ** -0.5),
        (block.cross_attention.query.weight, (64 * 32) ** -0.5),
        (block.self_attention.value.weight, 64**-0.5),
        (block.self_attention.output.weight, 256**-0.5),
        (block.feed_forward.outer.weight, 512**-0.5),
        (model.decoder.bias.weight, 64**-0.5),
        (model.output.weight, 64**-0.5),
    ):
        assert weight.std().item() == pytest.approx(deviation, rel=0.15)


def test_dropout_is_everywhere_and_after_the_last_norm():
    model = t5.build(t5.TOY, Vocabulary.of_texts(V, IDS, start=0))
    block = model.decoder.blocks[0]
    places = [model.encoder.embed.dropout, model.encoder.final_norm.dropout, model.decoder.final_norm.dropout]
    places += [block.around_self_attention.dropout, block.feed_forward.dropout]
    assert {place.rate for place in places} | {block.cross_attention.dropout_rate} == {0.1}


def test_a_network_that_is_not_here_is_named():
    message = r"feed_forward_proj: got 'gated-mish'; expected one of relu, .*; open a model with one of these\."
    with pytest.raises(CheckpointError, match=message):
        t5.read_public_config({"model_type": "t5", "vocab_size": V, "feed_forward_proj": "gated-mish"})


def test_buckets_need_room():
    message = r"farthest: got 16; expected more than half of the 32 buckets; use 128\."
    with pytest.raises(SettingError, match=message):
        t5.Config(farthest=16)


def test_two_vocabularies_are_refused():
    message = r"tokenizer\.joint: got false; expected one vocabulary for both sides with t5"
    with pytest.raises(SettingError, match=message):
        t5.vocabulary(9, 8, shared=False, roles=IDS)
