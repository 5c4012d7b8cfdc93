"""What distances add to scores: buckets against transformers' T5, slopes against the paper and transformers' Bloom."""

from __future__ import annotations

import pytest
import torch
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.t5.modeling_t5 import T5Attention

from regard.layers.multihead import MultiHeadAttention
from regard.layers.relative import BucketBias, LinearBias


def in_a_row(length: int) -> torch.Tensor:
    return torch.arange(length)[None]


@pytest.mark.parametrize("two_sided", [True, False])
@pytest.mark.parametrize(("buckets", "farthest"), [(32, 128), (16, 64), (8, 20), (6, 30)])
def test_buckets_are_those_of_t5(buckets, farthest, two_sided):
    distance = torch.arange(-3000, 3001)[None, None]
    ours = BucketBias(2, two_sided=two_sided, buckets=buckets, farthest=farthest).bucket(distance)
    assert torch.equal(ours, T5Attention._relative_position_bucket(distance, two_sided, buckets, farthest))


def test_buckets_by_hand():
    """8 buckets to 16, one side: 0 … 3 have one each, then 4 · 4^(k/4) = 4, 5.66, 8, 11.3 begin those of k = 0 … 3."""
    bias = BucketBias(1, two_sided=False, buckets=8, farthest=16)
    distance = -torch.tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 15, 16, 1000])
    found = bias.bucket(distance[None, None])
    assert found.flatten().tolist() == [0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 7, 7, 7, 7]
    assert bias.bucket(torch.tensor([[[1, 5, 99]]])).flatten().tolist() == [0, 0, 0]


def test_a_bias_is_its_bucket_s_row_for_every_head():
    bias = BucketBias(3, two_sided=True)
    found = bias(torch.tensor([[4, 9]]), torch.tensor([[0, 4, 50]]))
    assert found.shape == (1, 3, 2, 3)
    for row, query in enumerate((4, 9)):
        for column, key in enumerate((0, 4, 50)):
            index = T5Attention._relative_position_bucket(torch.tensor(key - query)).item()
            assert torch.equal(found[0, :, row, column], bias.weight[index])


def test_the_slopes_of_eight_heads_are_the_paper_s():
    """Press et al. 2022, section 3: 1/2, 1/4 … 1/256."""
    assert LinearBias(8).slopes.tolist() == [2.0**-h for h in range(1, 9)]


@pytest.mark.parametrize("heads", [1, 2, 6, 8, 12, 25])
def test_for_a_query_at_the_end_it_is_bloom_s_up_to_a_number_that_softmax_ignores(heads):
    length = 7
    theirs = build_alibi_tensor(torch.ones(1, length, dtype=torch.long), heads, torch.float64).view(1, heads, 1, length)
    ours = LinearBias(heads).double()(torch.tensor([[length - 1]]), in_a_row(length))
    torch.testing.assert_close(ours.softmax(-1), theirs.softmax(-1), rtol=0, atol=1e-7)
    torch.testing.assert_close(ours, theirs - theirs[..., -1:], rtol=0, atol=1e-6)


def test_a_linear_bias_falls_with_the_distance():
    found = LinearBias(2)(in_a_row(3), in_a_row(3))
    assert (found[0, 0] * -16).tolist() == [[0, 1, 2], [1, 0, 1], [2, 1, 0]]
    assert (found[0, 1] * -256).tolist() == [[0, 1, 2], [1, 0, 1], [2, 1, 0]]


@pytest.mark.parametrize("bias", [BucketBias(4, two_sided=True), LinearBias(4)])
def test_a_bias_depends_on_distance_alone(bias):
    assert torch.equal(bias(in_a_row(5), in_a_row(6)), bias(in_a_row(5) + 40, in_a_row(6) + 40))


@pytest.mark.usefixtures("path")
def test_attention_takes_a_bias_of_float32_beside_weights_of_bfloat16():
    """As in training with bfloat16 products: weights are rounded, the constants of the model are not."""
    layer, x = MultiHeadAttention(8, 2, 4, 4), torch.randn(1, 3, 8)
    expected = layer(x, layer.remember(x), bias=LinearBias(2)(in_a_row(3), in_a_row(3)))
    layer.bfloat16()
    x = x.bfloat16()
    found = layer(x, layer.remember(x), bias=LinearBias(2)(in_a_row(3), in_a_row(3)))
    torch.testing.assert_close(found.float(), expected, rtol=0, atol=0.03)
