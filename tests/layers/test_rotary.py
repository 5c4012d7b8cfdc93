"""Rotary positions by their laws, and their frequencies against transformers, bit for bit."""

from __future__ import annotations

import math

import pytest
import torch
import transformers
from torch import Tensor
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

from regard.errors import SettingError
from regard.layers.multihead import MultiHeadAttention
from regard.layers.rotary import FrequencyScaling, Rotary

LLAMA_3_1 = FrequencyScaling(8.0, 1.0, 4.0, 8192)


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def theirs(d_k: int, base: float, scaling: FrequencyScaling | None) -> LlamaRotaryEmbedding:
    rope = {"rope_type": "default", "rope_theta": base}
    if scaling is not None:
        rope |= {"rope_type": "llama3", "factor": scaling.factor, "low_freq_factor": scaling.low}
        rope |= {"high_freq_factor": scaling.high, "original_max_position_embeddings": scaling.original}
    config = transformers.LlamaConfig(hidden_size=d_k, num_attention_heads=1, rope_parameters=rope)
    return LlamaRotaryEmbedding(config)


def test_a_turn_by_hand():
    """d_k = 4 and base 100 make 1 and 1/10 radians a place; the pairs are (x₀, x₂) and (x₁, x₃)."""
    x = torch.tensor([1.0, 0.0, 0.0, 2.0]).view(1, 1, 1, 4)
    turned = Rotary(4, base=100.0)(x, torch.tensor([[3]]))
    expected = [math.cos(3), -2 * math.sin(0.3), math.sin(3), 2 * math.cos(0.3)]
    torch.testing.assert_close(turned.flatten(), torch.tensor(expected))


@pytest.mark.parametrize("scaling", [None, LLAMA_3_1, FrequencyScaling(4.0, 1.5, 3.0, 100)])
@pytest.mark.parametrize(("d_k", "base"), [(2, 10000.0), (10, 500000.0), (64, 10000.0), (128, 500000.0)])
def test_the_turns_are_those_of_transformers_to_the_last_bit(d_k, base, scaling):
    ours, other = Rotary(d_k, base, scaling), theirs(d_k, base, scaling)
    assert torch.equal(ours.frequencies, other.inv_freq)
    query, key, places = drawn(2, 3, 5, d_k), drawn(2, 1, 5, d_k), torch.randint(0, 9000, (2, 5))
    expected = apply_rotary_pos_emb(query, key, *other(query, places))
    torch.testing.assert_close(ours(query, places), expected[0], rtol=0, atol=1e-14)
    torch.testing.assert_close(ours(key, places), expected[1], rtol=0, atol=1e-14)


def test_stretching_slows_long_waves_and_leaves_short_ones():
    frequencies = Rotary(128, 500000.0).frequencies
    share = Rotary(128, 500000.0, LLAMA_3_1).frequencies / frequencies
    waves = 2 * math.pi / frequencies
    torch.testing.assert_close(share[waves > 8192], torch.full_like(share[waves > 8192], 1 / 8))
    assert (share[waves < 8192 / 4] == 1).all()
    between = share[(waves > 8192 / 4) & (waves < 8192)]
    assert len(between) > 2
    assert (between.diff() < 0).all()
    assert 1 / 8 < between.min() <= between.max() < 1


def test_place_0_turns_nothing_and_no_place_changes_a_length():
    rotary, x = Rotary(6), drawn(2, 3, 4, 6)
    assert torch.equal(rotary(x, torch.zeros(1, 4, dtype=torch.long)), x)
    turned = rotary(x, torch.randint(0, 500, (2, 4)))
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1), rtol=1e-6, atol=0)
    assert not torch.allclose(turned, x)


def test_scores_depend_on_distance_alone():
    rotary, query, key = Rotary(8), drawn(1, 2, 1, 8), drawn(1, 2, 1, 8)

    def score(at: int, other: int) -> Tensor:
        return (rotary(query, torch.tensor([[at]])) * rotary(key, torch.tensor([[other]]))).sum(-1)

    for distance in (0, 1, 7):
        for at in (0, 5, 60):
            torch.testing.assert_close(score(at + distance, at), score(distance, 0), rtol=0, atol=1e-4)
    assert not torch.allclose(score(1, 0), score(0, 1), atol=1e-3)


@pytest.mark.usefixtures("path")
def test_attention_is_the_same_when_a_text_is_moved():
    layer = MultiHeadAttention(12, 4, 4, 4, groups=2, rotary=Rotary(4)).double()
    x, places = drawn(2, 5, 12), torch.arange(5)[None]
    here = layer(x, layer.remember(x, places), places=places)
    there = layer(x, layer.remember(x, places + 30), places=places + 30)
    torch.testing.assert_close(there, here, rtol=0, atol=1e-5)
    unordered = MultiHeadAttention(12, 4, 4, 4, groups=2).double()
    unordered.load_state_dict(layer.state_dict())
    assert not torch.allclose(unordered(x, unordered.remember(x)), here, atol=1e-4)


def test_frequencies_stay_exact_in_a_model_of_another_type():
    rotary = Rotary(64)
    exact = rotary.frequencies.clone()
    for moved in (rotary.bfloat16(), rotary.double(), rotary.half(), torch.nn.ModuleList([rotary]).bfloat16()[0]):
        assert torch.equal(moved.frequencies, exact)
    x, places = torch.randn(1, 1, 1, 64), torch.tensor([[1000]])
    torch.testing.assert_close(rotary(x.bfloat16(), places).float(), rotary(x, places), rtol=0.02, atol=0.05)
    assert rotary(x.bfloat16(), places).dtype == torch.bfloat16
    assert rotary.to("meta").frequencies.is_meta


def test_what_cannot_be_turned_is_refused():
    with pytest.raises(SettingError, match=r"d_k: got 5; expected an even number with rotary positions; use 6"):
        Rotary(5)
    with pytest.raises(SettingError, match=r"high: got 1\.0; expected more than low, 1\.0; use 4 and 1"):
        FrequencyScaling(8.0, 1.0, 1.0, 100)
