"""The paper's family: its sizes, counted by hand, its settings, and how it stands on disk."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest
import torch

from regard.errors import CheckpointError, SettingError
from regard.families import transformer
from regard.families.transformer import BASE, SIZES, TOY, Config
from regard.layers.mask import Within, past
from regard.layers.norm import BatchNorm, GroupNorm, LayerNorm, RMSNorm
from regard.layers.position import NoPositions
from regard.layers.relative import LinearBias
from regard.layers.residual import NoResidual
from regard.layers.rotary import Rotary
from regard.models.heads import LANGUAGE
from regard.models.public import public_weights, put_public_weights
from regard.models.vocabulary import joint_vocabulary, own_vocabulary

JOINT = joint_vocabulary(11)
FORM = transformer.public_form(TOY, JOINT)


# Sizes ---------------------------------------------------------------------------------------------------------------


def counted(vocabulary, N=6, d_model=512, d_ff=2048, h=8, d_k=64, d_v=64, learned=0) -> int:
    """Every trained number of section 3, by hand: weights and biases of four projections, two products, and norms."""
    projections = 2 * (d_model * h * d_k + h * d_k) + (d_model * h * d_v + h * d_v) + (h * d_v * d_model + d_model)
    feed_forward = (d_model * d_ff + d_ff) + (d_ff * d_model + d_model)
    norm = 2 * d_model
    encoder_layer = projections + feed_forward + 2 * norm
    decoder_layer = 2 * projections + feed_forward + 3 * norm
    return vocabulary * d_model + N * (encoder_layer + decoder_layer) + 2 * learned * d_model


# Each row of Table 3: the settings that it changes, the same for the count by hand, and the paper's millions.
# The printed millions fit no one vocabulary: base and rows A–E suggest some 41 000 pieces, big some 36 000.
TABLE_3 = {
    "base": (Config(), {}, 65),
    "A, h 1": (Config(heads=1, d_k=512, d_v=512), {"h": 1, "d_k": 512, "d_v": 512}, None),
    "A, h 4": (Config(heads=4, d_k=128, d_v=128), {"h": 4, "d_k": 128, "d_v": 128}, None),
    "A, h 16": (Config(heads=16, d_k=32, d_v=32), {"h": 16, "d_k": 32, "d_v": 32}, None),
    "A, h 32": (Config(heads=32, d_k=16, d_v=16), {"h": 32, "d_k": 16, "d_v": 16}, None),
    "B, d_k 16": (Config(d_k=16), {"d_k": 16}, 58),
    "B, d_k 32": (Config(d_k=32), {"d_k": 32}, 60),
    "C, N 2": (Config(layers=2), {"N": 2}, 36),
    "C, N 4": (Config(layers=4), {"N": 4}, 50),
    "C, N 8": (Config(layers=8), {"N": 8}, 80),
    "C, d_model 256": (Config(d_model=256, d_k=32, d_v=32), {"d_model": 256, "d_k": 32, "d_v": 32}, 28),
    "C, d_model 1024": (Config(d_model=1024, d_k=128, d_v=128), {"d_model": 1024, "d_k": 128, "d_v": 128}, 168),
    "C, d_ff 1024": (Config(d_ff=1024), {"d_ff": 1024}, 53),
    "C, d_ff 4096": (Config(d_ff=4096), {"d_ff": 4096}, 90),
    "D, dropout 0.0": (Config(dropout=0.0), {}, None),
    "D, dropout 0.2": (Config(dropout=0.2), {}, None),
    "E, learned": (Config(positions="learned", longest=1024), {"learned": 1024}, None),
    "big": (SIZES["big"], {"d_model": 1024, "d_ff": 4096, "h": 16}, 213),
}


def parameters(config: Config, vocabulary: int) -> int:
    with torch.device("meta"):
        model = transformer.build(config, joint_vocabulary(vocabulary))
    return sum(weight.numel() for weight in model.parameters())


@pytest.mark.parametrize("row", TABLE_3)
def test_a_row_of_table_3_has_as_many_parameters_as_counted_by_hand_and_as_printed(row):
    config, changed, millions = TABLE_3[row]
    vocabulary = 36_000 if row == "big" else 41_000
    found = parameters(config, vocabulary)
    assert found == counted(vocabulary, **changed)
    assert millions is None or round(found / 1e6) == millions


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        # 6 · (4·512·513 + 2048·513 + 512·2049 + 2·1024) + 6 · (8·512·513 + 2048·513 + 512·2049 + 3·1024) + 37 000·512
        ("base", 6 * 3_152_384 + 6 * 4_204_032 + 18_944_000),  # 63.08 M
        ("big", 6 * 12_596_224 + 6 * 16_796_672 + 37_888_000),  # 214.25 M
    ],
)
def test_the_paper_s_sizes_with_its_37_000_pieces(size, expected):
    assert parameters(SIZES[size], 37_000) == expected


def test_the_paper_s_base_by_its_numbers():
    assert (BASE.layers, BASE.blocks_of_decoder, BASE.d_model, BASE.d_ff, BASE.heads) == (6, 6, 512, 2048, 8)
    assert (BASE.key_width, BASE.value_width, BASE.dropout, BASE.activation) == (64, 64, 0.1, "relu")
    assert (BASE.norm, BASE.positions) == ("post", "sinusoid")
    assert SIZES["base"] == BASE


def test_the_paper_s_big_by_its_numbers():
    big = SIZES["big"]
    assert (big.layers, big.d_model, big.d_ff, big.heads, big.dropout) == (6, 1024, 4096, 16, 0.3)
    assert (big.key_width, big.value_width) == (64, 64)


def test_in_row_b_the_values_stay_as_wide_as_they_were():
    assert (Config(d_k=16).key_width, Config(d_k=16).value_width) == (16, 64)


def test_the_published_sizes_are_those_of_their_sources():
    """Transformer-Tiny has 2.6 M parameters with 10 K pieces."""
    tiny, tutorial = SIZES["tiny"], SIZES["tutorial"]
    assert (tiny.layers, tiny.d_model, tiny.d_ff, tiny.heads, tiny.dropout) == (4, 128, 256, 4, 0.3)
    assert (tutorial.layers, tutorial.d_model, tutorial.d_ff, tutorial.heads) == (3, 256, 512, 8)
    assert parameters(tiny, 10_000) == counted(10_000, N=4, d_model=128, d_ff=256, h=4, d_k=32, d_v=32)
    assert round(parameters(tiny, 10_000) / 1e6, 1) == 2.6


def test_pre_norm_has_two_norms_more():
    assert parameters(Config(norm="pre"), 100) == counted(100) + 2 * 2 * 512


# Parts ---------------------------------------------------------------------------------------------------------------


def test_fresh_weights_are_glorot_s_and_biases_are_zero():
    model = transformer.build(Config(layers=1, d_model=64, d_ff=256, heads=4), JOINT)
    for block in (model.encoder.blocks[0], model.decoder.blocks[0]):
        bound = (6 / (64 + 256)) ** 0.5
        inner = block.feed_forward.inner
        assert 0.99 * bound < inner.weight.abs().max() <= bound
        assert torch.equal(inner.bias, torch.zeros(256))
        assert 0.98 * (6 / 128) ** 0.5 < block.self_attention.query.weight.abs().max() <= (6 / 128) ** 0.5


def test_each_kind_of_dropout_stands_in_its_place():
    model = transformer.build(replace(TOY, dropout=0.1, attention_dropout=0.2, activation_dropout=0.3), JOINT)
    for stack in (model.encoder, model.decoder):
        assert stack.embed.dropout.rate == 0.1
        for block in stack.blocks:
            assert block.around_self_attention.dropout.rate == block.around_feed_forward.dropout.rate == 0.1
            assert block.self_attention.dropout_rate == 0.2
            assert block.feed_forward.dropout.rate == 0.3
    assert model.decoder.blocks[0].around_cross_attention.dropout.rate == 0.1
    assert model.decoder.blocks[0].cross_attention.dropout_rate == 0.2


def test_source_and_target_share_a_matrix_where_they_share_a_vocabulary():
    shared = transformer.build(TOY, JOINT)
    assert shared.encoder.embed.tokens is shared.decoder.embed.tokens
    separate = transformer.build(TOY, own_vocabulary(11, 7, shared=False))
    assert separate.encoder.embed.tokens.weight.shape == (11, 16)
    assert separate.output.weight is separate.decoder.embed.tokens.weight
    assert separate.output.weight.shape == (7, 16)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"heads": 7}, r"heads: got 7 with d_model 512; expected a divisor of d_model; use 8\."),
        ({"heads": 3, "d_k": 64}, r"heads: got 3 with d_model 512; expected a divisor of d_model; use 2\."),
        (
            {"d_model": 511, "heads": 7},
            r"d_model: got 511; expected an even number with sinusoids; use 512, or positions=learned\.",
        ),
        (
            {"positions": "rotary", "d_k": 7},
            r"d_k: got 7; expected an even number with rotary positions; use 8, or positions=relative\.",
        ),
        (
            {"norm_kind": "group", "norm_groups": 7},
            r"norm_groups: got 7 with d_model 512; expected a divisor of d_model that leaves .* to a group; use 8\.",
        ),
        (
            {"norm": "pre", "residual": False},
            r"residual: got false; expected true with norm=pre, which norms what is added to the sum; use norm=post\.",
        ),
    ],
)
def test_settings_that_do_not_fit_together_are_named(wrong, message):
    with pytest.raises(SettingError, match=message):
        Config(**wrong)


def test_heads_need_not_divide_where_both_widths_are_given():
    assert parameters(Config(heads=3, d_k=5, d_v=7), 100) == counted(100, h=3, d_k=5, d_v=7)


def test_each_choice_puts_its_part_in_place():
    def built(**choices):
        return transformer.build(replace(TOY, **choices), JOINT)

    for kind, part in {"layer": LayerNorm, "rms": RMSNorm, "batch": BatchNorm, "group": GroupNorm}.items():
        model = built(norm_kind=kind, norm_groups=4, norm="pre")
        norms = [
            module for module in model.modules() if isinstance(module, LayerNorm | RMSNorm | BatchNorm | GroupNorm)
        ]
        assert {type(norm) for norm in norms} == {part}
        assert len(norms) == 2 * (2 + 3) + 2
    assert model.decoder.final_norm.groups == 4
    relative, alibi, rotary = (built(positions=positions) for positions in ("relative", "alibi", "rotary"))
    assert relative.encoder.bias.two_sided
    assert not relative.decoder.bias.two_sided
    assert isinstance(alibi.encoder.bias, LinearBias)
    assert isinstance(alibi.decoder.bias, LinearBias)
    assert all(isinstance(model.encoder.embed.positions, NoPositions) for model in (relative, alibi, rotary))
    for block in (*rotary.encoder.blocks, *rotary.decoder.blocks):
        assert isinstance(block.self_attention.rotary, Rotary)
    assert rotary.decoder.blocks[0].cross_attention.rotary is None
    assert (built(window=3).encoder.sees, built(window=3).decoder.sees) == (Within(3, True), Within(3, False))
    assert (built().encoder.sees, built().decoder.sees) == (None, past)
    assert isinstance(built(residual=False).decoder.blocks[0].around_cross_attention, NoResidual)
    for scale, factor in ((True, 0.5), (False, 1.0)):  # d_k is 4
        block = built(scale=scale).decoder.blocks[1]
        assert block.cross_attention.similarity.factor(4) == block.self_attention.similarity.factor(4) == factor


def test_relative_positions_are_a_table_a_stack():
    extra = parameters(Config(positions="relative"), 100) - parameters(Config(), 100)
    assert extra == 2 * 32 * 8  # T5's 32 buckets, 8 heads


# On disk -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "ids", "found"),
    [
        (TOY, JOINT, None),
        (replace(TOY, norm="pre"), JOINT, None),
        (replace(TOY, d_k=4, d_v=4), JOINT, None),
        (TOY, own_vocabulary(11, 11, shared=False), "tokenizer.joint = false"),
        (replace(TOY, positions="learned"), JOINT, "model.positions = learned"),
        (replace(TOY, positions="none"), JOINT, "model.positions = none"),
        (replace(TOY, positions="relative"), JOINT, "model.positions = relative"),
        (replace(TOY, positions="alibi"), JOINT, "model.positions = alibi"),
        (replace(TOY, positions="rotary"), JOINT, "model.positions = rotary"),
        (replace(TOY, norm_kind="rms"), JOINT, "model.norm_kind = rms"),
        (replace(TOY, norm_kind="batch"), JOINT, "model.norm_kind = batch"),
        (replace(TOY, norm_kind="group", norm_groups=4), JOINT, "model.norm_kind = group"),
        (replace(TOY, window=3), JOINT, "model.window = 3"),
        (replace(TOY, residual=False), JOINT, "model.residual = false"),
        (replace(TOY, scale=False), JOINT, "model.scale = false"),
        (replace(TOY, d_k=2), JOINT, "model.d_k = 2, model.d_v = 4"),
        (replace(TOY, d_v=8), JOINT, "model.d_k = 4, model.d_v = 8"),
    ],
)
def test_the_setting_that_no_public_architecture_knows_is_named(config, ids, found):
    assert transformer.obstacle(config, ids) == found


CHOICES = list(itertools.product(["post", "pre"], ["relu", "gelu", "gelu_tanh", "silu"], [None, 3]))


@pytest.mark.parametrize(("norm", "activation", "decoder_layers"), CHOICES)
def test_public_settings_come_back(norm, activation, decoder_layers):
    config = replace(
        TOY,
        norm=norm,
        activation=activation,
        decoder_layers=decoder_layers,
        dropout=0.2,
        attention_dropout=0.3,
        activation_dropout=0.4,
        longest=77,
    )
    table = transformer.public_config(config, JOINT)
    assert table["model_type"] == {"post": "marian", "pre": "pegasus"}[norm]
    assert transformer.read_public_config(table) == (config, JOINT, LANGUAGE)


def test_settings_of_our_own_come_back():
    config, ids = replace(TOY, positions="learned", d_k=3, d_v=5, longest=9), own_vocabulary(11, 7, shared=False)
    table = transformer.public_config(config, ids)
    assert (table["model_type"], table["family"]) == ("regard", "transformer")
    assert transformer.read_public_config(table) == (config, ids, LANGUAGE)


CHOSEN = [
    {"positions": "relative", "window": 3},
    {"positions": "alibi", "scale": False},
    {"positions": "rotary", "residual": False},
    {"norm_kind": "batch"},
    {"norm_kind": "group", "norm_groups": 4, "norm": "pre"},
    {"norm_kind": "rms"},
]


@pytest.mark.parametrize("choices", CHOSEN, ids=str)
def test_a_model_of_any_parts_comes_back_with_all_that_it_had(choices):
    config = replace(TOY, **choices)
    model = transformer.build(config, JOINT)
    for name, buffer in model.named_buffers():
        if "running" in name:
            buffer.uniform_(0.5, 2)
    form = transformer.public_form(config, JOINT)
    again, ids, head = transformer.read_public_config(json.loads(json.dumps(transformer.public_config(config, JOINT))))
    assert (again, ids, head) == (config, JOINT, LANGUAGE)
    copy = transformer.build(again, ids)
    assert not put_public_weights(copy, form, public_weights(model, form, LANGUAGE)).fresh
    source, target = torch.tensor([[3, 4, 5, 6, 7, 0]]), torch.tensor([[10, 5, 6, 7, 8]])
    assert torch.equal(copy.eval()(source, target), model.eval()(source, target))


def test_a_file_from_before_there_was_a_choice_is_read_as_the_paper_s_parts():
    config = replace(TOY, positions="learned", longest=9)
    table = transformer.public_config(config, JOINT)
    for later in ("norm_kind", "norm_groups", "residual", "scale"):
        del table["model"][later]
    assert transformer.read_public_config(table) == (config, JOINT, LANGUAGE)


@pytest.mark.parametrize(
    ("key", "wrong", "message"),
    [
        ("d_model", "16", r"d_model: got '16'; expected a whole number"),
        ("encoder_layers", -1, r"layers: got -1; expected at least 1"),
        ("dropout", 1.5, r"dropout: got 1\.5; expected less than 1"),
        ("encoder_attention_heads", 3, r"heads: got 3 with d_model 16; expected a divisor of d_model"),
        (
            "decoder_ffn_dim",
            25,
            r"decoder_ffn_dim: got 25; expected 24, as every such model here has it; open a model that",
        ),
        ("decoder_attention_heads", 2, r"decoder_attention_heads: got 2; expected 4, as every such model here has it"),
        ("scale_embedding", False, r"scale_embedding: got False; expected True"),
        ("pad_token_id", 1, r"pad_token_id: got 1; expected 10"),
        ("eos_token_id", 2, r"eos_token_id: got 2; expected 0"),
        ("decoder_start_token_id", 0, r"decoder_start_token_id: got 0; expected 10"),
    ],
)
def test_a_public_setting_that_does_not_fit_is_named(key, wrong, message):
    table = {**transformer.public_config(TOY, JOINT), key: wrong}
    with pytest.raises(SettingError, match=message):
        transformer.read_public_config(table)


def written(config: Config) -> dict[str, torch.Tensor]:
    return public_weights(transformer.build(config, JOINT), transformer.public_form(config, JOINT), LANGUAGE)


def test_public_weights_stand_under_sorted_names_that_marian_knows():
    names = list(written(TOY))
    assert names == sorted(names)
    assert names[0] == "final_logits_bias"
    assert "model.shared.weight" in names
    assert "model.decoder.layers.1.encoder_attn.out_proj.bias" in names
    assert "model.encoder.layer_norm.weight" not in names
    pre = written(replace(TOY, norm="pre"))
    assert {"model.encoder.layer_norm.weight", "model.decoder.layer_norm.bias"} <= pre.keys()


def test_the_row_and_the_logit_of_padding_are_what_other_libraries_need():
    """The row is zero, its bias says never, and neither hurts the model that was saved."""
    model = transformer.build(TOY, JOINT)
    weights = public_weights(model, FORM, LANGUAGE)
    assert torch.equal(weights["model.shared.weight"][10], torch.zeros(16))
    assert weights["final_logits_bias"].shape == (1, 11)
    assert weights["final_logits_bias"][0, 10] == -1e9
    assert torch.equal(model.output.bias, torch.zeros(11))


def broken(change) -> tuple[transformer.EncoderDecoder, dict]:
    weights = written(TOY)
    change(weights)
    return transformer.build(TOY, JOINT), weights


BREAKAGES = {
    "missing": (
        lambda weights: weights.pop("model.decoder.layers.1.fc1.bias"),
        r"decoder\.blocks\.1\.feed_forward\.inner\.bias is missing",
    ),
    "no bias of the logits": (lambda weights: weights.pop("final_logits_bias"), r"output\.bias is missing"),
    "extra layer": (
        lambda weights: weights.update({"model.encoder.layers.2.fc1.bias": torch.zeros(24)}),
        r"encoder\.blocks\.2\.feed_forward\.inner\.bias has no place in this model",
    ),
    "unknown": (
        lambda weights: weights.update({"model.pooler.weight": torch.zeros(3)}),
        r"pooler\.weight has no place in this family",
    ),
    "another vocabulary": (
        lambda weights: weights.update({"model.shared.weight": torch.zeros(12, 16)}),
        r"encoder\.embed\.tokens\.weight has shape \[12, 16\], not \[11, 16\]",
    ),
    "a shorter bias of the logits": (
        lambda weights: weights.update({"final_logits_bias": torch.zeros(1, 5)}),
        r"output\.bias has shape \[5\], not \[11\]",
    ),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_weights_that_do_not_fit_are_named_and_nothing_is_changed(breakage):
    change, message = BREAKAGES[breakage]
    model, weights = broken(change)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    with pytest.raises(CheckpointError, match=message):
        put_public_weights(model, FORM, weights)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_putting_weights_in_does_not_change_what_was_read():
    model, weights = broken(lambda weights: None)
    before = {name: weight.clone() for name, weight in weights.items()}
    put_public_weights(model, FORM, weights)
    assert model.output.bias[model.pad] == 0.0
    assert all(torch.equal(weight, before[name]) for name, weight in weights.items())
