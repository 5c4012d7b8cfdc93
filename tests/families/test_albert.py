"""ALBERT against transformers, head by head, its published sizes, and its shared blocks."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
import transformers
from safetensors.torch import load_file
from tests.families.parity import compare_readers, on_meta, open_here, padded_texts, perturbed, weights_in

from regard.errors import CheckpointError, SettingError
from regard.families import albert
from regard.models.heads import Head
from regard.models.public import public_weights

SHAPES = [
    {"hidden_size": 16, "num_attention_heads": 4, "intermediate_size": 24, "num_hidden_layers": 2},
    {
        "hidden_size": 30,
        "num_attention_heads": 3,
        "intermediate_size": 50,
        "num_hidden_layers": 7,
        "num_hidden_groups": 3,
    },
    {
        "hidden_size": 9,
        "num_attention_heads": 1,
        "intermediate_size": 10,
        "num_hidden_layers": 3,
        "num_hidden_groups": 3,
    },
]
HEADS = ["AlbertForMaskedLM", "AlbertForSequenceClassification", "AlbertForTokenClassification", "AlbertModel"]
EXACT = {"rtol": 0, "atol": 1e-12}
ROLES = {"pad": 0, "bos": 2, "eos": 3, "sep": 3}


def theirs(architecture: str, **settings) -> torch.nn.Module:
    facts = {"vocab_size": 40, "max_position_embeddings": 12, "num_labels": 3, "embedding_size": 7, **SHAPES[0]}
    return getattr(transformers, architecture)(transformers.AlbertConfig(**facts | settings))


def vocabulary(size: int = 40):
    return albert.vocabulary(size, size, shared=True, roles=ROLES)


@pytest.fixture
def model():
    return perturbed(albert.build(albert.TOY, vocabulary()))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("architecture", HEADS)
def test_transformers_computes_the_same(architecture, shape, tmp_path):
    compare_readers("albert", theirs(architecture, **shape), tmp_path, pad=0)


@pytest.mark.parametrize("architecture", HEADS[:2])
def test_version_1_has_another_activation(architecture, tmp_path):
    compare_readers("albert", theirs(architecture, hidden_act="gelu"), tmp_path, pad=0)


def test_a_file_of_pre_training_opens_without_its_second_head(tmp_path):
    saved = perturbed(theirs("AlbertForPreTraining"))
    ids, types = padded_texts(0)
    with torch.no_grad():
        expected = saved(input_ids=ids, token_type_ids=types, attention_mask=(ids != 0).long()).prediction_logits
    saved.save_pretrained(tmp_path)
    assert {"sop_classifier.classifier.weight", "albert.pooler.weight"} <= load_file(
        tmp_path / "model.safetensors"
    ).keys()
    ours, _, _, head = open_here(tmp_path, albert)
    assert head == Head("language")
    torch.testing.assert_close(ours.logits(ours(ids, types)), expected, rtol=0, atol=1e-9)


def test_the_published_sizes_have_their_numbers_of_weights():
    """Base: recounted from the public file. The others: Lan et al. 2020, table 1, in millions."""
    assert weights_in(on_meta("albert", albert.SIZES["base"], 30000, Head("none"), **ROLES)) == 11_683_584
    millions = {"base": 12, "large": 18, "xlarge": 60, "xxlarge": 235}
    for size, number in millions.items():
        for name in (size, f"{size}-v1"):
            count = weights_in(on_meta("albert", albert.SIZES[name], 30000, Head("none"), **ROLES))
            assert count / 1e6 == pytest.approx(number, rel=0.06), name


@pytest.mark.parametrize("size", albert.SIZES)
def test_a_size_has_as_many_weights_as_the_class_that_its_configuration_names(size):
    model = on_meta("albert", albert.SIZES[size], 30000, Head(), **ROLES)
    table = albert.public_config(albert.SIZES[size], model.ids)
    with torch.device("meta"):
        expected = transformers.AlbertForMaskedLM(transformers.AlbertConfig.from_dict(table))
    assert weights_in(model) == weights_in(expected)


def test_what_a_file_does_not_say_is_what_transformers_takes_it_for():
    config, ids, _ = albert.read_public_config({"vocab_size": 30000})
    usual = transformers.AlbertConfig()
    assert (config.d_model, config.d_ff, config.heads) == (4096, 16384, 64)
    assert (config.layers, config.groups, config.d_embedding) == (12, 1, 128)
    assert (
        albert.public_config(config, ids).items()
        >= {
            key: value
            for key, value in usual.to_dict().items()
            if key in albert.public_config(config, ids) and key not in ("architectures", "dtype")
        }.items()
    )


def test_what_a_file_says_comes_back():
    facts = {"classifier_dropout": 0.25, "dropout": 0.3, "attention_dropout": 0.2, "activation": "gelu", "types": 5}
    config = albert.Config(4, 2, 5, d_model=6, d_ff=7, heads=2, longest=9, epsilon=1e-7, **facts)
    head = Head("classification", ("no", "yes", "perhaps"))
    table = json.loads(json.dumps(albert.public_config(config, vocabulary(), head)))
    assert albert.read_public_config(table) == (config, vocabulary(), head)


def test_a_variation_that_is_not_here_is_named():
    table = albert.public_config(albert.TOY, vocabulary()) | {"inner_group_num": 2}
    with pytest.raises(CheckpointError, match="inner_group_num: got 2; expected 1, the only kind there is here"):
        albert.read_public_config(table)


def test_there_are_no_more_groups_than_layers():
    expected = r"groups: got 4 with 3 layers; expected no more groups than layers; use 3\."
    with pytest.raises(SettingError, match=expected):
        albert.Config(layers=3, groups=4)


@pytest.mark.parametrize(
    ("layers", "groups", "expected"),
    [(4, 1, [0, 0, 0, 0]), (4, 2, [0, 0, 1, 1]), (3, 3, [0, 1, 2]), (5, 2, [0, 0, 0, 1, 1]), (3, 2, [0, 0, 1])],
)
def test_neighbouring_layers_share_a_block(layers, groups, expected):
    """Layer i is in group ⌊i · groups / layers⌋."""
    assert albert.Config(layers=layers, groups=groups).group_of_layer == expected


def test_the_blocks_of_a_group_are_one_set_of_weights(model):
    first, second, third = model.encoder.blocks
    assert first is second
    assert third is not first
    deeper = perturbed(albert.build(replace(albert.TOY, layers=9), vocabulary()))
    assert weights_in(deeper) == weights_in(model)
    saved = public_weights(model, albert.public_form(albert.TOY, vocabulary()), Head())
    layers = {name.split(".")[3] for name in saved if "albert_layer_groups" in name}
    assert layers == {"0", "1"}


def test_a_shared_block_learns_from_every_layer_that_it_is(model):
    """Its gradient is the sum of those of as many separate blocks with equal weights."""
    shared = perturbed(albert.build(replace(albert.TOY, layers=3, groups=1), vocabulary()))
    apart = perturbed(albert.build(replace(albert.TOY, layers=3, groups=3), vocabulary()))
    outside = {name: weight for name, weight in shared.state_dict().items() if "blocks" not in name}
    apart.load_state_dict({**apart.state_dict(), **outside})
    for block in apart.encoder.blocks:
        block.load_state_dict(shared.encoder.blocks[0].state_dict())
    ids, _ = padded_texts(0)
    for one in (shared, apart):
        one(ids).sin().sum().backward()
    for name, weight in shared.encoder.blocks[0].named_parameters():
        parts = [block.get_parameter(name).grad for block in apart.encoder.blocks]
        torch.testing.assert_close(weight.grad, sum(parts), rtol=0, atol=1e-9)


def test_tokens_are_narrow_and_go_in_and_out_through_linear_maps(model):
    assert model.encoder.embed.tokens.weight.shape == (40, 6)
    assert model.encoder.embed.wide.weight.shape == (16, 6)
    assert model.transform(torch.randn(2, 3, 16, dtype=torch.float64)).shape == (2, 3, 6)
    assert model.output.weight is model.encoder.embed.tokens.weight


def test_padding_behind_a_text_is_invisible(model):
    ids = torch.randint(5, 40, (2, 6))
    padded = torch.nn.functional.pad(ids, (0, 4))
    torch.testing.assert_close(model(padded)[:, :6], model(ids), **EXACT)


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
