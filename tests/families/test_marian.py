"""Marian against transformers, with one vocabulary and with two, and its published size."""

from __future__ import annotations

import pytest
import torch
import transformers
from tests.families.parity import open_here, perturbed
from tests.families.seq2seq import SHAPES, V, config_of, count, same_greedy_tokens, same_states_and_logits

from regard.errors import SettingError
from regard.families import marian
from regard.models.vocabulary import joint_vocabulary

PAD = V - 1
IDS = {"pad": PAD, "eos": 0}
TWO = {"share_encoder_decoder_embeddings": False, "decoder_vocab_size": V + 5}


def settings(shape, **changes):
    usual = {"scale_embedding": True, "activation_function": "swish"}
    ids = {"pad_token_id": PAD, "decoder_start_token_id": PAD}
    return transformers.MarianConfig(vocab_size=V, max_position_embeddings=16, **{**usual, **ids, **shape, **changes})


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("architecture", ["MarianMTModel", "MarianModel"])
def test_transformers_computes_the_same(architecture, shape, tmp_path):
    never = PAD if architecture == "MarianMTModel" else None
    same_states_and_logits("marian", architecture, settings(shape), tmp_path, never=never, **IDS)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("architecture", ["MarianMTModel", "MarianModel"])
def test_two_vocabularies_are_read_and_written(architecture, tied, tmp_path):
    config = settings(SHAPES[1], tie_word_embeddings=tied, **TWO)
    never = PAD if architecture == "MarianMTModel" else None
    model = same_states_and_logits("marian", architecture, config, tmp_path, never=never, **IDS)
    assert model.encoder.embed.tokens.weight.shape == (V, 30)
    assert model.decoder.embed.tokens.weight.shape == (V + 5, 30)
    assert model.output is None or (model.output.weight is model.decoder.embed.tokens.weight) is tied


def test_padding_is_never_written(tmp_path):
    theirs = perturbed(transformers.MarianMTModel(settings(SHAPES[0])))
    theirs.save_pretrained(tmp_path)
    ours = open_here(tmp_path, marian)[0]
    logits = ours.logits(ours(torch.tensor([[5, 6, 0]]), torch.tensor([[PAD, 7]])))
    assert (logits[..., PAD] == -torch.inf).all()
    assert logits[..., :PAD].isfinite().all()


@pytest.mark.parametrize("changes", [{}, TWO], ids=["one vocabulary", "two"])
def test_greedy_tokens_are_the_same(changes, tmp_path):
    model = transformers.MarianMTModel(settings(SHAPES[0], **changes))
    same_greedy_tokens("marian", model, tmp_path, bad_words_ids=[[PAD]])


def test_the_published_size_has_its_parameters():
    """The usual count holds the two fixed tables of 512 places too."""
    assert count("marian", "base", joint_vocabulary(58_101)) + 2 * 512 * 512 == 74_410_496


def test_keys_of_2020_that_only_inform_change_nothing(tmp_path):
    transformers.MarianMTModel(settings(SHAPES[2])).save_pretrained(tmp_path)
    table = config_of(tmp_path)
    old = {"add_final_layer_norm": True, "normalize_before": True, "normalize_embedding": True}
    assert marian.read_public_config({**table, **old}) == marian.read_public_config(table)


def test_two_vocabularies_of_our_own_are_refused():
    message = r"tokenizer\.joint: got false; expected one vocabulary for both sides with marian"
    with pytest.raises(SettingError, match=message):
        marian.vocabulary(9, 8, shared=False, roles={})
