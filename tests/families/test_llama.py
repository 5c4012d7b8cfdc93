"""Llama, Qwen2 and Mistral against transformers, head by head, and their published sizes."""

from __future__ import annotations

import json

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
from torch.nn import functional

from regard.errors import CheckpointError, SettingError
from regard.families import llama
from regard.families.llama import Config
from regard.models.heads import LANGUAGE
from regard.models.vocabulary import Vocabulary

WIDE = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 6}
ODD = {"hidden_size": 20, "intermediate_size": 13, "num_hidden_layers": 3, "num_attention_heads": 2, "head_dim": 14}
ONE = {"hidden_size": 8, "intermediate_size": 9, "num_hidden_layers": 1, "num_attention_heads": 4}
LLAMA_3_1 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,  # the three kinds of waves are all there
    "rope_theta": 100.0,
}
BIASED = {"attention_bias": True, "mlp_bias": True, "head_dim": 6}
SHAPES = {
    "llama, grouped, tied": ("Llama", WIDE | {"num_key_value_heads": 3, "tie_word_embeddings": True}),
    "llama, wide heads, stretched": ("Llama", ODD | {"num_key_value_heads": 1, "rope_parameters": LLAMA_3_1}),
    "llama, biases everywhere": ("Llama", ONE | BIASED),
    "qwen2": ("Qwen2", WIDE | {"num_key_value_heads": 2, "rms_norm_eps": 1e-5}),
    "mistral": ("Mistral", ODD | {"num_key_value_heads": 2, "sliding_window": None}),
}
HEADS = ("ForCausalLM", "ForSequenceClassification", "ForTokenClassification", "Model")


@pytest.fixture
def exact_norm(monkeypatch):
    """Their norm in the type of its input: as it is, it rounds to float32, whatever the model's type."""
    for module, name in (("llama", "Llama"), ("qwen2", "Qwen2"), ("mistral", "Mistral")):
        cls = getattr(getattr(transformers.models, module), f"modeling_{module}").__dict__[f"{name}RMSNorm"]
        monkeypatch.setattr(
            cls, "forward", lambda norm, x: norm.weight * x / (x.pow(2).mean(-1, True) + norm.variance_epsilon).sqrt()
        )


def configured(name: str, **shape: object) -> transformers.PretrainedConfig:
    facts = {"vocab_size": 40, "max_position_embeddings": 64, "num_labels": 3, "pad_token_id": 0, "bos_token_id": 1}
    return getattr(transformers, f"{name}Config")(**facts | {"eos_token_id": 2} | shape)


@pytest.mark.usefixtures("exact_norm")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("head", HEADS)
def test_transformers_computes_the_same(head, shape, tmp_path):
    name, settings = SHAPES[shape]
    ids = texts()

    def ask_theirs(model):
        with torch.no_grad():
            found = model(input_ids=ids, attention_mask=real(ids).long(), position_ids=places(ids))
        return states_of_real_tokens(found[0], ids)

    def ask_ours(model):
        with torch.no_grad():
            states = model(ids, real(ids).long())
            answers = {"ForCausalLM": lambda: model.logits(states), "Model": lambda: states}
            return states_of_real_tokens(answers.get(head, lambda: model.classify(ids))(), ids)

    if name == "Mistral":  # saved as the Llama that it is
        theirs = perturbed(getattr(transformers, name + head)(configured(name, **settings)))
        theirs.save_pretrained(tmp_path)
        torch.testing.assert_close(ask_ours(open_here(tmp_path, llama)[0]), ask_theirs(theirs), rtol=0, atol=1e-9)
    else:
        both_ways(
            "llama", getattr(transformers, name + head)(configured(name, **settings)), tmp_path, ask_theirs, ask_ours
        )


def test_as_transformers_rounds_its_norms_the_same_to_six_digits(tmp_path):
    ids = texts()
    theirs = perturbed(transformers.LlamaForCausalLM(configured("Llama", **WIDE)))
    theirs.save_pretrained(tmp_path)
    ours = open_here(tmp_path, llama)[0]
    with torch.no_grad():
        expected = theirs(input_ids=ids, attention_mask=real(ids).long(), position_ids=places(ids)).logits
        found = ours.logits(ours(ids, real(ids).long()))
    expected, found = (states_of_real_tokens(logits, ids) for logits in (expected, found))
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)
    assert not torch.equal(found, expected)


@pytest.mark.usefixtures("exact_norm")
@pytest.mark.parametrize("shape", SHAPES)
def test_greedy_continuations_of_unlike_prompts_are_transformers(shape, tmp_path):
    name, settings = SHAPES[shape]
    theirs = perturbed(getattr(transformers, f"{name}ForCausalLM")(configured(name, **settings)))
    theirs.save_pretrained(tmp_path)
    prompts = mixed_prompts()
    expected = greedily_there(theirs, prompts, 20, pad=0, eos=2)
    assert greedily(open_here(tmp_path, llama)[0], prompts, 20) == expected
    assert len({tuple(ids) for ids in expected}) > 1


SMALL = {"layers": 1, "d_model": 8, "d_ff": 10, "heads": 2, "longest": 64}
IDS = Vocabulary.of_texts(40, {"bos": 1, "eos": 2, "pad": 0})


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"tied": True},
        {"biases": "attention"},
        {"biases": "qkv", "d_k": 6},
        {"heads": 4, "groups": 2, "attention_dropout": 0.1, "epsilon": 1e-3},
        {"stretch": 8.0, "stretch_low": 2.0, "stretch_high": 3.0, "stretch_from": 100, "rotary_base": 500.0},
    ],
)
def test_settings_come_back_from_a_config_that_transformers_has_rewritten(changed, tmp_path):
    config = Config(**SMALL | changed)
    table = llama.public_config(config, IDS)
    assert llama.read_public_config(table) == (config, IDS, LANGUAGE)
    (tmp_path / "config.json").write_text(json.dumps(table))
    transformers.AutoConfig.from_pretrained(tmp_path).save_pretrained(tmp_path / "again")
    again = json.loads((tmp_path / "again" / "config.json").read_text())
    assert llama.read_public_config(again) == (config, IDS, LANGUAGE)


def public(**changes: object) -> dict[str, object]:
    return {**llama.public_config(Config(**SMALL), IDS), "tie_word_embeddings": False, **changes}


def test_a_file_without_an_output_layer_is_a_tied_model():
    assert not llama.read_public_config(public(), ["model.norm.weight", "lm_head.weight"])[0].tied
    assert llama.read_public_config(public(), ["model.norm.weight"])[0].tied


def test_rotary_settings_of_transformers_4_are_read():
    scaling = {"type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 2.0}
    table = public(rope_theta=77.0, rope_scaling=scaling)
    del table["rope_parameters"]
    config = llama.read_public_config(table)[0]
    assert (config.rotary_base, config.stretch, config.stretch_high) == (77.0, 4.0, 2.0)
    assert config.stretch_from == 64  # the longest text, where nothing is said


def test_rotary_positions_of_another_kind_are_refused():
    with pytest.raises(CheckpointError, match=r"rope_type: got 'yarn'; expected default or llama3; open another model"):
        llama.read_public_config(public(rope_parameters={"rope_type": "yarn", "factor": 2.0}))


def test_a_window_limits_the_longest_text():
    assert llama.read_public_config(public(model_type="mistral", sliding_window=9))[0].longest == 9
    assert llama.read_public_config(public(model_type="mistral", sliding_window=None))[0].longest == 64
    qwen = {"model_type": "qwen2", "sliding_window": 9}
    assert llama.read_public_config(public(**qwen, use_sliding_window=False))[0].longest == 64
    assert llama.read_public_config(public(**qwen, use_sliding_window=True))[0].longest == 9


def test_of_several_ids_that_end_a_text_the_first_counts_and_below_zero_is_none():
    vocabulary = llama.read_public_config(public(eos_token_id=[5, 7], pad_token_id=-1, bos_token_id=None))[1]
    assert (vocabulary.eos, vocabulary.pad, vocabulary.bos) == (5, None, None)


def test_what_a_config_leaves_out_is_what_transformers_supposes():
    table = {"model_type": "llama", "vocab_size": 40, "hidden_size": 8, "num_attention_heads": 2}
    theirs = transformers.LlamaConfig(**{key: value for key, value in table.items() if key != "model_type"})
    config, vocabulary, _ = llama.read_public_config(table)
    assert (config.epsilon, config.longest) == (theirs.rms_norm_eps, theirs.max_position_embeddings)
    assert (config.d_ff, config.layers, config.tied) == (11008, 32, theirs.tie_word_embeddings)
    assert (vocabulary.bos, vocabulary.eos, vocabulary.pad) == (theirs.bos_token_id, theirs.eos_token_id, None)


def test_old_files_may_hold_rotations_and_the_tied_layer_twice(tmp_path):
    form = llama.public_form(Config(**SMALL, tied=True), IDS)
    spare = {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(2), "lm_head.weight": torch.ones(40, 8)}
    found = form.ours(spare)
    assert (found.weights, found.unknown) == ({}, ())
    assert llama.public_form(Config(**SMALL), IDS).ours(spare).weights.keys() == {"output.weight"}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"heads": 3}, r"heads: got 3 with d_model 8; expected a divisor of d_model; use 2"),
        ({"heads": 8, "groups": 3}, r"groups: got 3; expected a divisor of the 8 heads; use 2"),
        ({"d_k": 5}, r"d_k: got 5; expected an even number with rotary positions; use 6"),
        ({"stretch": 2.0, "stretch_low": 4.0}, r"high: got 4\.0; expected more than low, 4\.0; use 4 and 1"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(settings, expected):
    with pytest.raises(SettingError, match=expected):
        Config(**SMALL | settings)


COUNTS = {  # as published with the weights
    "llama2-7b": (32000, 6_738_415_616),
    "llama2-13b": (32000, 13_015_864_320),
    "llama2-70b": (32000, 68_976_648_192),
    "llama3-8b": (128256, 8_030_261_248),
    "llama3.1-8b": (128256, 8_030_261_248),
    "tinyllama-1.1b": (32000, 1_100_048_384),
    "qwen2-0.5b": (151936, 494_032_768),
}


@pytest.mark.parametrize("size", COUNTS)
def test_a_published_size_has_its_number_of_weights(size):
    ids, count = COUNTS[size]
    with torch.device("meta"):
        model = llama.build(llama.SIZES[size], Vocabulary.of_texts(ids, {}))
    assert sum(weight.numel() for weight in model.parameters()) == count


def test_the_gate_is_what_goes_through_the_activation():
    """SwiGLU: (silu(x W₁) ⊙ x W_g) W₂, with W₁ their gate and W_g their up."""
    model = perturbed(llama.build(Config(**SMALL), IDS))
    network = model.stack.blocks[0].feed_forward
    theirs = llama.public_form(Config(**SMALL), IDS).theirs(model.state_dict())
    gate, up, down = (theirs[f"model.layers.0.mlp.{name}_proj.weight"] for name in ("gate", "up", "down"))
    x = torch.randn(1, 3, 8, dtype=torch.float64)
    expected = (functional.silu(x @ gate.T) * (x @ up.T)) @ down.T
    torch.testing.assert_close(network(x), expected, rtol=0, atol=1e-12)
