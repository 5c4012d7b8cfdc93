"""GPT-2 against transformers, head by head, and the sizes of it and of GPT-3."""

from __future__ import annotations

import math

import pytest
import torch
import transformers
from tests.families.decoders import (
    greedily,
    greedily_there,
    mixed_prompts,
    places,
    real,
    states_of_real_tokens,
    texts,
)
from tests.families.parity import both_ways, open_here, perturbed

from regard.errors import CheckpointError
from regard.families import gpt2
from regard.models.heads import LANGUAGE
from regard.models.state import weights_of
from regard.models.vocabulary import Vocabulary
from regard.runs.checkpoints.config_checks import ShapesAlone

SHAPES = [
    {"n_embd": 16, "n_head": 4, "n_layer": 2},
    {"n_embd": 30, "n_head": 3, "n_layer": 3, "n_inner": 50, "activation_function": "relu"},
    {"n_embd": 7, "n_head": 1, "n_layer": 1, "layer_norm_epsilon": 1e-3},
]
HEADS = {
    "GPT2LMHeadModel": lambda model, ids: model.logits(model(ids, real(ids).long())),
    "GPT2ForSequenceClassification": lambda model, ids: model.classify(ids),
    "GPT2ForTokenClassification": lambda model, ids: model.classify(ids),
    "GPT2Model": lambda model, ids: model(ids, real(ids).long()),
}


def configured(**shape: object) -> transformers.GPT2Config:
    facts = {"vocab_size": 40, "n_positions": 32, "num_labels": 3, "pad_token_id": 0}
    return transformers.GPT2Config(**facts | {"bos_token_id": 2, "eos_token_id": 2} | shape)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("architecture", HEADS)
def test_transformers_computes_the_same(architecture, shape, tmp_path):
    ids = texts()

    def ask_theirs(model):
        with torch.no_grad():
            found = model(input_ids=ids, attention_mask=real(ids).long(), position_ids=places(ids))
        return states_of_real_tokens(found[0], ids)

    def ask_ours(model):
        with torch.no_grad():
            return states_of_real_tokens(HEADS[architecture](model, ids), ids)

    theirs = getattr(transformers, architecture)(configured(**shape))
    both_ways("gpt2", theirs, tmp_path, ask_theirs, ask_ours)


@pytest.mark.parametrize("shape", SHAPES)
def test_greedy_continuations_of_unlike_prompts_are_transformers(shape, tmp_path):
    theirs = perturbed(transformers.GPT2LMHeadModel(configured(**shape)))
    theirs.save_pretrained(tmp_path)
    prompts = mixed_prompts()
    expected = greedily_there(theirs, prompts, 20, pad=0, eos=2)
    assert greedily(open_here(tmp_path, gpt2)[0], prompts, 20) == expected
    assert len({tuple(ids) for ids in expected}) > 1


def test_a_prompt_may_begin_with_the_id_that_also_pads(tmp_path):
    """GPT-2's files have no padding of their own: <|endoftext|> begins and ends texts, and fills them up."""
    theirs = perturbed(transformers.GPT2LMHeadModel(configured(pad_token_id=2, **SHAPES[0])))
    theirs.save_pretrained(tmp_path)
    prompts = mixed_prompts(pad=2)
    prompts[0, 0] = prompts[1, 0] = 2
    expected = [greedily_there(theirs, prompts[i : i + 1, :n], 12, -1, 2)[0] for i, n in enumerate((6, 3, 1, 5))]
    assert greedily(open_here(tmp_path, gpt2)[0], prompts, 12) == expected


def test_masks_and_the_tied_layer_in_old_files_are_passed_over():
    config, vocabulary = gpt2.TOY, Vocabulary.of_texts(40, {})
    model = gpt2.build(config, vocabulary)
    form = gpt2.public_form(config, vocabulary)
    old = {name.removeprefix("transformer."): tensor for name, tensor in form.theirs(weights_of(model)).items()}
    old |= {"h.0.attn.bias": torch.ones(1, 1, 64, 64), "h.1.attn.masked_bias": torch.tensor(-1e4)}
    old |= {"lm_head.weight": torch.ones(40, 16)}
    found = form.ours(old)
    assert found.ignored == ("h.0.attn.bias", "h.1.attn.masked_bias", "lm_head.weight")
    assert found.unknown == ()
    own = weights_of(model)
    assert found.weights.keys() == own.keys()
    assert all(torch.equal(weight, found.weights[name]) for name, weight in own.items())


def test_a_variant_that_computes_something_else_is_refused():
    table = {"vocab_size": 40, "scale_attn_by_inverse_layer_idx": True}
    expected = "scale_attn_by_inverse_layer_idx: got True; expected False, the only kind there is here; open a model"
    with pytest.raises(CheckpointError, match=expected):
        gpt2.read_public_config(table)


def test_what_a_config_leaves_out_is_what_transformers_supposes():
    theirs = transformers.GPT2Config()
    config, vocabulary, head = gpt2.read_public_config({"vocab_size": theirs.vocab_size})
    assert (config, head) == (gpt2.SIZES["small"], LANGUAGE)
    assert (config.activation, theirs.activation_function) == ("gelu_tanh", "gelu_new")
    assert (config.d_model, config.longest, config.epsilon) == (768, 1024, theirs.layer_norm_epsilon)
    assert (vocabulary.bos, vocabulary.eos, vocabulary.pad) == (theirs.bos_token_id, theirs.eos_token_id, None)


def test_weights_that_end_a_branch_begin_smaller():
    """Radford et al. 2019, section 2.3: scaled by 1/√N for N residual layers, of which a block has two."""
    torch.manual_seed(0)
    config = gpt2.Config(layers=8, d_model=64, heads=4, longest=64)
    for name, weight in gpt2.build(config, Vocabulary.of_texts(99, {})).named_parameters():
        if weight.dim() == 2:
            ends = name.endswith(("self_attention.output.weight", "feed_forward.outer.weight"))
            assert weight.std().item() == pytest.approx(0.02 / (4 if ends else 1), rel=0.06), name


# Sizes ---------------------------------------------------------------------------------------------------------------

IDS = 50257


def counted(size: str) -> int:
    with ShapesAlone():
        model = gpt2.build(gpt2.SIZES[size], Vocabulary.of_texts(IDS, {}))
    return sum(weight.numel() for weight in model.parameters())


def by_hand(layers: int, d_model: int, context: int) -> int:
    """V·d + context·d + N(12d² + 13d) + 2d: 4d² + 4d of attention, 8d² + 5d of the network, 4d of two norms."""
    return IDS * d_model + context * d_model + layers * (12 * d_model**2 + 13 * d_model) + 2 * d_model


GPT_2 = {"small": (12, 768), "medium": (24, 1024), "large": (36, 1280), "xl": (48, 1600)}
GPT_3 = {  # table 2.1: n_params, n_layers, d_model, n_heads, d_head
    "gpt3-small": (125e6, 12, 768, 12, 64),
    "gpt3-medium": (350e6, 24, 1024, 16, 64),
    "gpt3-large": (760e6, 24, 1536, 16, 96),
    "gpt3-xl": (1.3e9, 24, 2048, 24, 128),
    "gpt3-2.7b": (2.7e9, 32, 2560, 32, 80),
    "gpt3-6.7b": (6.7e9, 32, 4096, 32, 128),
    "gpt3-13b": (13e9, 40, 5140, 40, 128),
    "gpt3-175b": (175e9, 96, 12288, 96, 128),
}


def test_the_small_model_has_its_published_number_of_weights():
    assert counted("small") == by_hand(12, 768, 1024) == 124_439_808


@pytest.mark.parametrize("size", GPT_2)
def test_a_size_of_gpt2_has_the_weights_that_the_formula_gives(size):
    layers, d_model = GPT_2[size]
    assert counted(size) == by_hand(layers, d_model, 1024)


@pytest.mark.parametrize("size", GPT_3)
def test_a_size_of_gpt3_has_the_weights_that_the_formula_gives_and_the_paper_rounds(size):
    published, layers = GPT_3[size][:2]
    config = gpt2.SIZES[size]
    assert config.layers == layers
    assert counted(size) == by_hand(layers, config.d_model, 2048)
    assert counted(size) == pytest.approx(published, rel=0.025)


def test_six_of_the_eight_rows_of_table_2_1_are_consistent_and_those_are_the_sizes_here():
    consistent = {size for size, (_, _, d_model, heads, width) in GPT_3.items() if heads * width == d_model}
    assert GPT_3.keys() - consistent == {"gpt3-xl", "gpt3-13b"}
    for size in consistent:
        _, _, d_model, heads, _ = GPT_3[size]
        assert (gpt2.SIZES[size].d_model, gpt2.SIZES[size].heads) == (d_model, heads)


def test_of_the_other_two_rows_the_count_keeps_one_number_and_the_width_of_heads_the_other():
    """24 heads of 128 would need 3072 columns in every map of attention, 1.5 G weights instead of 1.3 G."""
    _, layers, d_model, heads, width = GPT_3["gpt3-xl"]
    wider = by_hand(layers, d_model, 2048) + layers * (4 * d_model + 3) * (heads * width - d_model)
    assert round(wider / 1e9, 1) == 1.5
    assert round(by_hand(layers, d_model, 2048) / 1e9, 1) == 1.3
    assert (gpt2.SIZES["gpt3-xl"].d_model, gpt2.SIZES["gpt3-xl"].heads * width) == (2048, 2048)
    # 13 G does not tell 5140 from 5120, but 40 heads of 128 do
    assert {round(by_hand(40, wide, 2048) / 1e9) for wide in (5120, 5140)} == {13}
    assert (gpt2.SIZES["gpt3-13b"].d_model, gpt2.SIZES["gpt3-13b"].heads) == (40 * 128, 40)


def test_the_network_is_four_times_as_wide_unless_told():
    assert gpt2.Config(d_model=24, heads=2).inner == 96
    assert gpt2.Config(d_model=24, heads=2, d_ff=50).inner == 50
    assert math.isclose(gpt2.SIZES["gpt3-175b"].inner, 4 * 12288)
