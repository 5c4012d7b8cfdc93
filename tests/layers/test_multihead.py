"""Multi-head attention against torch's, and by its laws."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from regard.layers.multihead import MultiHeadAttention, join_heads, split_heads
from regard.layers.rotary import Rotary
from regard.layers.similarity import DotProduct

pytestmark = pytest.mark.usefixtures("path")


def made(*sizes: int, **parts) -> MultiHeadAttention:
    layer = MultiHeadAttention(*sizes, **parts).double()
    for weight in layer.parameters():
        nn.init.normal_(weight, std=0.2)
    return layer


def copied_to_torch(layer: MultiHeadAttention, d_model: int) -> nn.MultiheadAttention:
    theirs = nn.MultiheadAttention(d_model, layer.heads, batch_first=True, dtype=torch.float64)
    projections = (layer.query, layer.key, layer.value)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([one.weight for one in projections]))
        theirs.in_proj_bias.copy_(torch.cat([one.bias for one in projections]))
        theirs.out_proj.weight.copy_(layer.output.weight)
        theirs.out_proj.bias.copy_(layer.output.bias)
    return theirs


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize("heads", [1, 2, 8])
def test_it_is_what_torch_computes(heads):
    layer = made(16, heads, 16 // heads, 16 // heads)
    theirs = copied_to_torch(layer, 16)
    x, memory = drawn(3, 4, 16), drawn(3, 6, 16)
    may_look = torch.arange(6) < torch.tensor([[6], [3], [1]])
    kept = []
    layer.recorder = kept.append
    ours = layer(x, layer.remember(memory), may_look[:, None, None, :])
    expected, weights = theirs(x, memory, memory, key_padding_mask=~may_look, average_attn_weights=False)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-9)
    torch.testing.assert_close(kept[0], weights, rtol=0, atol=1e-9)


def test_marks_are_for_queries_and_keys_and_not_for_values():
    """As DETR adds positions: attention(x + p, m + r, m)."""
    layer = made(16, 4, 4, 4)
    x, marks, memory, others = drawn(3, 4, 16), drawn(3, 4, 16), drawn(3, 6, 16), drawn(3, 6, 16)
    expected = copied_to_torch(layer, 16)(x + marks, memory + others, memory, need_weights=False)[0]
    found = layer(x + marks, layer.remember(memory, marked=memory + others))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


def test_its_gradients_are_torchs():
    layer = made(16, 4, 4, 4)
    theirs = copied_to_torch(layer, 16)
    x, outer = drawn(2, 5, 16), drawn(2, 5, 16)
    causal = torch.ones(5, 5, dtype=torch.bool).tril()
    layer(x, layer.remember(x), causal[None, None]).backward(outer)
    theirs(x, x, x, attn_mask=~causal, need_weights=False)[0].backward(outer)
    ours = torch.cat([one.weight.grad for one in (layer.query, layer.key, layer.value)])
    torch.testing.assert_close(ours, theirs.in_proj_weight.grad, rtol=0, atol=1e-9)
    torch.testing.assert_close(layer.output.weight.grad, theirs.out_proj.weight.grad, rtol=0, atol=1e-9)


def test_every_head_is_an_attention_of_its_own_columns():
    """Concat(head_1 … head_h) W^O is Σ_i head_i W^O_i; row B of Table 3 has d_k ≠ d_v."""
    layer = made(12, 3, 5, 2)
    x = drawn(2, 4, 12)
    total = layer.output.bias.expand(2, 4, 12)
    for head in range(3):
        narrow, wide = slice(5 * head, 5 * head + 5), slice(2 * head, 2 * head + 2)
        query, key = (x @ part.weight[narrow].T + part.bias[narrow] for part in (layer.query, layer.key))
        value = x @ layer.value.weight[wide].T + layer.value.bias[wide]
        weights = (query @ key.mT / 5**0.5).softmax(-1)
        total = total + weights @ value @ layer.output.weight[:, wide].T
    torch.testing.assert_close(layer(x, layer.remember(x)), total, rtol=0, atol=1e-12)


def test_grouped_keys_and_values_are_repeated_ones():
    grouped, whole = made(12, 6, 2, 2, groups=2), made(12, 6, 2, 2)
    weights = grouped.state_dict()
    for part in ("key", "value"):
        for kind in ("weight", "bias"):
            one = weights[f"{part}.{kind}"].unflatten(0, (2, 2))
            weights[f"{part}.{kind}"] = one.repeat_interleave(3, dim=0).flatten(0, 1)
    whole.load_state_dict(weights)
    x = drawn(2, 4, 12)
    torch.testing.assert_close(grouped(x, grouped.remember(x)), whole(x, whole.remember(x)), rtol=0, atol=1e-12)


def test_without_biases_there_are_only_the_four_matrices():
    assert sorted(name for name, _ in made(8, 2, 4, 4, bias=False).named_parameters()) == [
        "key.weight",
        "output.weight",
        "query.weight",
        "value.weight",
    ]


def test_the_last_map_may_be_the_only_one_without_a_bias():
    """Qwen2 has biases on queries, keys and values alone."""
    names = {name for name, _ in made(8, 2, 4, 4, bias=True, output_bias=False).named_parameters()}
    assert {name for name in names if name.endswith("bias")} == {"query.bias", "key.bias", "value.bias"}


def test_rotary_positions_turn_queries_and_keys_and_no_values():
    layer, rotary = made(12, 2, 6, 3, groups=1, rotary=Rotary(6)), Rotary(6)
    x, places = drawn(2, 4, 12), torch.tensor([[0, 3, 4, 9]])
    query, key = (split_heads(part(x), heads) for part, heads in ((layer.query, 2), (layer.key, 1)))
    weights = (rotary(query, places) @ rotary(key, places).mT / 6**0.5).softmax(-1)
    expected = layer.output(join_heads(weights @ split_heads(layer.value(x), 1)))
    found = layer(x, layer.remember(x, places), places=places)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_rotary_positions_need_places():
    layer, x = made(8, 2, 4, 4, rotary=Rotary(4)), drawn(1, 3, 8)
    with pytest.raises(AssertionError, match="rotary positions need places"):
        layer.remember(x)


def test_the_similarity_that_is_handed_in_is_used():
    layer = made(8, 2, 4, 4)
    unscaled = made(8, 2, 4, 4, similarity=DotProduct(scale=1.0))
    unscaled.load_state_dict(layer.state_dict())
    with torch.no_grad():
        layer.query.weight.mul_(2.0)  # √d_k
        layer.query.bias.mul_(2.0)
    x = drawn(2, 3, 8)
    torch.testing.assert_close(unscaled(x, unscaled.remember(x)), layer(x, layer.remember(x)), rtol=0, atol=1e-12)


def test_a_bias_hides_a_key_as_a_mask_does():
    layer = made(8, 2, 4, 4)
    x = drawn(2, 3, 8)
    mask = torch.tensor([[[[True, True, False]]]])
    bias = torch.zeros(1, 1, 1, 3, dtype=torch.float64).masked_fill(~mask, -torch.inf)
    remembered = layer.remember(x)
    torch.testing.assert_close(layer(x, remembered, bias=bias), layer(x, remembered, mask), rtol=0, atol=1e-12)


def test_permuting_the_input_permutes_the_output():
    layer, x, order = made(8, 2, 4, 4), drawn(2, 6, 8), torch.randperm(6)
    there = layer(x, layer.remember(x))
    again = layer(x[:, order], layer.remember(x[:, order]))
    torch.testing.assert_close(again, there[:, order], rtol=0, atol=1e-13)
    assert not torch.allclose(again, there)


def test_weights_are_dropped_in_training_alone():
    layer, x = made(8, 2, 4, 4, dropout_rate=0.5), drawn(2, 6, 8)
    first, second = layer(x, layer.remember(x)), layer(x, layer.remember(x))
    assert not torch.allclose(first, second)
    layer.eval()
    assert torch.equal(layer(x, layer.remember(x)), layer(x, layer.remember(x)))


def test_heads_are_neighbouring_columns():
    x = torch.arange(12.0).view(1, 2, 6)
    assert split_heads(x, 3).tolist() == [[[[0, 1], [6, 7]], [[2, 3], [8, 9]], [[4, 5], [10, 11]]]]
    assert torch.equal(join_heads(split_heads(x, 3)), x)
