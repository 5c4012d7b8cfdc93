"""BERT against transformers, head by head, its published sizes, old files, and its laws."""

from __future__ import annotations

import json

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tests.families.parity import compare_readers, on_meta, open_here, padded_texts, perturbed, weights_in

from regard.errors import CheckpointError
from regard.families import bert
from regard.models.heads import Head

SHAPES = [
    {"hidden_size": 16, "num_attention_heads": 4, "intermediate_size": 24, "num_hidden_layers": 2},
    {"hidden_size": 30, "num_attention_heads": 3, "intermediate_size": 50, "num_hidden_layers": 3},
    {"hidden_size": 9, "num_attention_heads": 1, "intermediate_size": 10, "num_hidden_layers": 1},
]
HEADS = ["BertForMaskedLM", "BertForSequenceClassification", "BertForTokenClassification", "BertModel"]
EXACT = {"rtol": 0, "atol": 1e-12}


def theirs(architecture: str, **settings) -> torch.nn.Module:
    facts = {"vocab_size": 40, "max_position_embeddings": 12, "num_labels": 3, **SHAPES[0], **settings}
    return getattr(transformers, architecture)(transformers.BertConfig(**facts))


@pytest.fixture
def model():
    roles = {"pad": 0, "bos": 2, "eos": 3, "sep": 3, "mask": 4}
    return perturbed(bert.build(bert.TOY, bert.vocabulary(40, 40, shared=True, roles=roles)))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("architecture", HEADS)
def test_transformers_computes_the_same(architecture, shape, tmp_path):
    compare_readers("bert", theirs(architecture, **shape), tmp_path, pad=0)


@pytest.mark.parametrize("activation", ["relu", "gelu_new", "silu"])
def test_the_activation_is_the_one_that_the_file_names(activation, tmp_path):
    compare_readers("bert", theirs("BertForMaskedLM", hidden_act=activation), tmp_path, pad=0)


def test_another_epsilon_would_be_seen(tmp_path):
    """The parity above is to 1e-9: the ε of other families is further off than that."""
    perturbed(theirs("BertForMaskedLM", layer_norm_eps=1e-6)).save_pretrained(tmp_path)
    ours, config, *_ = open_here(tmp_path, bert)
    assert config.epsilon == 1e-6
    ids, types = padded_texts(0)
    expected = ours(ids, types)
    ours.encoder.embed.norm.epsilon = 1e-12
    assert (ours(ids, types) - expected).abs().max() > 1e-8


def test_the_published_sizes_have_their_numbers_of_weights():
    """Base: recounted from the public file. The others: Turc et al. 2019, and 340 million (Devlin et al. 2019)."""
    assert weights_in(on_meta("bert", bert.SIZES["base"], 30522, Head("none"), pad=0)) == 109_482_240
    millions = {"tiny": 4.4, "mini": 11.2, "small": 28.8, "medium": 41.4}
    for size, number in millions.items():
        count = weights_in(on_meta("bert", bert.SIZES[size], 30522, Head("none"), pad=0))
        assert count / 1e6 == pytest.approx(number, abs=0.05), size
    large = weights_in(on_meta("bert", bert.SIZES["large"], 30522, Head("none"), pad=0))
    assert large / 1e6 == pytest.approx(340, abs=5)


@pytest.mark.parametrize("size", bert.SIZES)
def test_a_size_has_as_many_weights_as_the_class_that_its_configuration_names(size):
    model = on_meta("bert", bert.SIZES[size], 30522, Head(), pad=0)
    table = bert.public_config(bert.SIZES[size], model.ids)
    with torch.device("meta"):
        expected = transformers.BertForMaskedLM(transformers.BertConfig.from_dict(table))
    assert weights_in(model) == weights_in(expected)


def test_a_file_of_2018_opens(tmp_path):
    """Norms have gamma and beta, places are a tensor, and the second head of pre-training is there."""
    saved = perturbed(theirs("BertForPreTraining"))
    ids, types = padded_texts(0)
    with torch.no_grad():
        expected = saved(input_ids=ids, token_type_ids=types, attention_mask=(ids != 0).long()).prediction_logits
    saved.save_pretrained(tmp_path)
    tensors = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
        for name, tensor in load_file(tmp_path / "model.safetensors").items()
    }
    assert "cls.predictions.transform.LayerNorm.gamma" in tensors
    assert "cls.seq_relationship.weight" in tensors
    tensors["bert.embeddings.position_ids"] = torch.arange(12)[None]
    tensors["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"].clone()
    tensors["cls.predictions.decoder.bias"] = tensors["cls.predictions.bias"].clone()
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    ours, _, _, head = open_here(tmp_path, bert)
    assert head == Head("language")
    torch.testing.assert_close(ours.logits(ours(ids, types)), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("key", "value"),
    [("is_decoder", True), ("position_embedding_type", "relative_key"), ("tie_word_embeddings", False)],
)
def test_a_variation_that_is_not_here_is_named(key, value):
    table = bert.public_config(bert.TOY, bert.vocabulary(40, 40, shared=True, roles={"pad": 0})) | {key: value}
    expected = rf"{key}: got {value!r}; expected .*, the only kind there is here; open a model without this variation\."
    with pytest.raises(CheckpointError, match=expected):
        bert.read_public_config(table)


def test_what_a_file_says_comes_back():
    facts = {
        "classifier_dropout": 0.25,
        "dropout": 0.3,
        "attention_dropout": 0.2,
        "activation": "gelu_tanh",
        "types": 5,
    }
    config = bert.Config(layers=1, d_model=6, d_ff=7, heads=2, longest=9, epsilon=1e-7, **facts)
    vocabulary = bert.vocabulary(40, 40, shared=True, roles={"pad": 0})
    head = Head("classification", ("no", "yes", "perhaps"))
    table = json.loads(json.dumps(bert.public_config(config, vocabulary, head)))
    assert bert.read_public_config(table) == (config, vocabulary, head)


def test_classes_drop_out_at_a_rate_of_their_own_or_at_that_of_the_layers():
    vocabulary, head = bert.vocabulary(40, 40, shared=True, roles={"pad": 0}), Head("classification", ("no", "yes"))
    rates = {None: 0.1, 0.0: 0.0, 0.4: 0.4}
    for given, expected in rates.items():
        config = bert.Config(layers=1, d_model=6, d_ff=7, heads=2, classifier_dropout=given)
        assert bert.build(config, vocabulary, head).head.dropout.rate == expected


def test_padding_behind_a_text_is_invisible(model):
    ids, types = torch.randint(5, 40, (2, 6)), torch.tensor([0, 0, 0, 1, 1, 1]).expand(2, 6)
    padded = torch.nn.functional.pad(ids, (0, 4))
    kinds = torch.nn.functional.pad(types, (0, 4), value=1)
    torch.testing.assert_close(model(padded, kinds)[:, :6], model(ids, types), **EXACT)


def test_padding_before_a_text_is_invisible_to_one_who_says_where_the_tokens_stand(model):
    ids = torch.randint(5, 40, (2, 6))
    padded = torch.nn.functional.pad(ids, (4, 0))
    places = torch.tensor([[0, 0, 0, 0, 0, 1, 2, 3, 4, 5]])
    found = model.encoder(padded, (padded != 0)[:, None, None, :], None, places)
    torch.testing.assert_close(found[:, 4:], model(ids), **EXACT)


def test_the_type_of_a_token_matters_and_none_is_the_first(model):
    ids, types = (one[[0, 3]] for one in padded_texts(0))  # without padding
    assert torch.equal(model(ids), model(ids, torch.zeros_like(types)))
    assert (model(ids, types) - model(ids)).abs().amax(2).min() > 1e-3


def test_every_token_sees_those_behind_it(model):
    ids = torch.randint(5, 40, (1, 6))
    changed = ids.clone()
    changed[0, -1] = (ids[0, -1] - 5 + 1) % 35 + 5
    assert (model(ids) - model(changed)).abs().amax(2).min() > 1e-6
