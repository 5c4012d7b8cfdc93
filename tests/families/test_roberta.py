"""RoBERTa against transformers, head by head, its published sizes, and the law that its places are for."""

from __future__ import annotations

import json

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tests.families.parity import compare_readers, on_meta, open_here, padded_texts, perturbed, weights_in
from torch.nn.functional import pad as filled

from regard.errors import CheckpointError, SettingError
from regard.families import roberta
from regard.models.heads import Head

SHAPES = [
    {"hidden_size": 16, "num_attention_heads": 4, "intermediate_size": 24, "num_hidden_layers": 2},
    {"hidden_size": 30, "num_attention_heads": 3, "intermediate_size": 50, "num_hidden_layers": 3},
    {"hidden_size": 9, "num_attention_heads": 1, "intermediate_size": 10, "num_hidden_layers": 1},
]
HEADS = ["RobertaForMaskedLM", "RobertaForSequenceClassification", "RobertaForTokenClassification", "RobertaModel"]
EXACT = {"rtol": 0, "atol": 1e-12}
ROLES = {"bos": 0, "pad": 1, "eos": 2, "sep": 2}


def theirs(architecture: str, **settings) -> torch.nn.Module:
    facts = {"vocab_size": 40, "max_position_embeddings": 14, "num_labels": 3, "type_vocab_size": 1, **SHAPES[0]}
    return getattr(transformers, architecture)(transformers.RobertaConfig(**facts | settings))


def vocabulary(size: int = 40, **roles):
    return roberta.vocabulary(size, size, shared=True, roles=ROLES | roles)


@pytest.fixture
def model():
    return perturbed(roberta.build(roberta.TOY, vocabulary()))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("architecture", HEADS)
def test_transformers_computes_the_same(architecture, shape, tmp_path):
    compare_readers("roberta", theirs(architecture, **shape), tmp_path, pad=1, types=False)


def test_padding_may_have_another_id_and_tokens_two_types(tmp_path):
    settings = {"pad_token_id": 3, "type_vocab_size": 2, "max_position_embeddings": 16, "layer_norm_eps": 1e-5}
    compare_readers("roberta", theirs("RobertaForMaskedLM", **settings), tmp_path, pad=3)


def test_what_comes_before_the_logits_is_gelu_whatever_the_blocks_have(tmp_path):
    compare_readers("roberta", theirs("RobertaForMaskedLM", hidden_act="relu"), tmp_path, pad=1, types=False)


def test_the_published_sizes_have_their_numbers_of_weights():
    """Recounted from the public files; the large one is Liu et al.'s 355 million."""
    base, large = roberta.SIZES["base"], roberta.SIZES["large"]
    assert weights_in(on_meta("roberta", base, 50265, Head("none"), **ROLES)) == 124_645_632
    assert weights_in(on_meta("roberta", base, 50265, Head(), **ROLES)) == 124_697_433
    assert weights_in(on_meta("roberta", large, 50265, Head(), **ROLES)) / 1e6 == pytest.approx(355, abs=1)


@pytest.mark.parametrize("size", roberta.SIZES)
def test_a_size_has_as_many_weights_as_the_class_that_its_configuration_names(size):
    model = on_meta("roberta", roberta.SIZES[size], 50265, Head(), **ROLES)
    table = roberta.public_config(roberta.SIZES[size], model.ids)
    assert table["max_position_embeddings"] == 514
    with torch.device("meta"):
        expected = transformers.RobertaForMaskedLM(transformers.RobertaConfig.from_dict(table))
    assert weights_in(model) == weights_in(expected)


def test_a_file_with_a_pooler_and_copies_that_nobody_reads_opens(tmp_path):
    perturbed(theirs("RobertaForMaskedLM")).save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["roberta.embeddings.position_ids"] = torch.arange(14)[None]
    tensors["roberta.pooler.dense.weight"] = torch.zeros(16, 16)
    tensors["roberta.pooler.dense.bias"] = torch.zeros(16)
    tensors["lm_head.decoder.weight"] = tensors["roberta.embeddings.word_embeddings.weight"].clone()
    tensors["lm_head.decoder.bias"] = tensors["lm_head.bias"].clone()
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert open_here(tmp_path, roberta)[3] == Head("language")


def test_epsilon_is_what_the_file_says_and_else_what_transformers_takes_it_for():
    table = roberta.public_config(roberta.TOY, vocabulary())
    assert table["layer_norm_eps"] == 1e-5
    assert roberta.read_public_config(table)[0].epsilon == 1e-5
    silent = {
        key: value for key, value in table.items() if key not in ("layer_norm_eps", "type_vocab_size", "pad_token_id")
    }
    config, ids, _ = roberta.read_public_config(silent)
    usual = transformers.RobertaConfig()
    assert (config.epsilon, config.types, ids.pad) == (usual.layer_norm_eps, usual.type_vocab_size, usual.pad_token_id)


def test_what_a_file_says_comes_back():
    facts = {
        "classifier_dropout": 0.25,
        "dropout": 0.3,
        "attention_dropout": 0.2,
        "activation": "gelu_tanh",
        "types": 5,
    }
    config = roberta.Config(layers=1, d_model=6, d_ff=7, heads=2, longest=9, epsilon=1e-7, **facts)
    head = Head("tokens", ("no", "yes", "perhaps"))
    table = json.loads(json.dumps(roberta.public_config(config, vocabulary(), head)))
    assert table["max_position_embeddings"] == 11
    assert roberta.read_public_config(table) == (config, vocabulary(), head)


def test_a_variation_that_is_not_here_is_named():
    table = roberta.public_config(roberta.TOY, vocabulary()) | {"is_decoder": True}
    with pytest.raises(CheckpointError, match="is_decoder: got True; expected False, the only kind there is here"):
        roberta.read_public_config(table)


def test_a_table_of_positions_with_none_for_tokens_is_refused():
    table = roberta.public_config(roberta.TOY, vocabulary()) | {"max_position_embeddings": 2}
    with pytest.raises(SettingError, match=r"model\.longest"):
        roberta.read_public_config(table)


def test_without_padding_tokens_are_counted_from_0_and_no_public_model_is_like_it():
    ids = vocabulary(pad=None)
    model = perturbed(roberta.build(roberta.TOY, ids))
    assert len(model.encoder.embed.positions.weight) == roberta.TOY.longest
    assert roberta.obstacle(roberta.TOY, ids) == "a vocabulary without padding"
    assert roberta.obstacle(roberta.TOY, vocabulary()) is None
    assert model(torch.randint(5, 40, (2, 6))).isfinite().all()


@pytest.mark.parametrize("sides", [(0, 4), (4, 0), (3, 2)], ids=["behind", "before", "around"])
def test_padding_is_invisible_on_either_side(model, sides):
    ids = torch.randint(5, 40, (3, 6))
    padded = filled(ids, sides, value=1)
    found = model(padded)[:, sides[0] : sides[0] + 6]
    torch.testing.assert_close(found, model(ids), **EXACT)
    torch.testing.assert_close(model.logits(found), model.logits(model(ids)), **EXACT)


def test_a_text_may_be_as_long_as_the_table_says_and_padding_does_not_count(model):
    ids = torch.randint(5, 40, (1, roberta.TOY.longest))
    assert model(filled(ids, (7, 0), value=1)).isfinite().all()
    with pytest.raises(SettingError, match="positions: got 65; expected at most 64, the learned ones"):
        model(filled(ids, (0, 1), value=7))


def test_the_order_of_the_tokens_matters(model):
    ids = torch.arange(5, 11)[None]
    assert (model(ids) - model(ids.flip(1)).flip(1)).abs().amax(2).min() > 1e-3


def test_the_type_of_a_token_matters_where_there_are_two():
    config = roberta.Config(layers=1, d_model=16, d_ff=24, heads=4, longest=20, types=2)
    model = perturbed(roberta.build(config, vocabulary()))
    ids, types = (one[[0, 3]] for one in padded_texts(1))  # without padding
    assert torch.equal(model(ids), model(ids, torch.zeros_like(types)))
    assert (model(ids, types) - model(ids)).abs().amax(2).min() > 1e-3
