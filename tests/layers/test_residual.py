"""Where the norm and the dropout stand around a sub-layer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from regard.layers.norm import LayerNorm
from regard.layers.residual import NoResidual, PostNorm, PreNorm

X = torch.tensor([[[1.0, 3.0]]])


class Halve(nn.Module):
    """A norm simple enough to follow by hand."""

    def forward(self, x, real=None):
        return x / 2


def test_after_the_sum_as_in_the_paper():
    """x + 10·x = (11, 33); its half is (5.5, 16.5)."""
    assert PostNorm(Halve(), 0.0)(X, lambda x: 10 * x).tolist() == [[[5.5, 16.5]]]


def test_before_the_sub_layer():
    """x + 10·(x/2) = (6, 18)."""
    assert PreNorm(Halve(), 0.0)(X, lambda x: 10 * x).tolist() == [[[6.0, 18.0]]]


def test_without_the_sum():
    """10·x = (10, 30); its half is (5, 15)."""
    assert NoResidual(Halve(), 0.0)(X, lambda x: 10 * x).tolist() == [[[5.0, 15.0]]]


def test_without_the_sum_nothing_passes_a_silent_sub_layer():
    x = torch.randn(2, 3, 4, requires_grad=True)
    layer = NoResidual(LayerNorm(4), 0.0)
    assert torch.equal(layer(x, lambda x: 0 * x), torch.zeros(2, 3, 4))
    layer(x, lambda x: 0 * x).sin().sum().backward()
    assert (x.grad == 0).all()


@pytest.mark.parametrize("kind", [PostNorm, PreNorm, NoResidual])
def test_a_norm_over_several_positions_is_told_which_are_real(kind):
    told, real = [], torch.tensor([[True, True, False]])

    class Listening(nn.Module):
        def forward(self, x, real=None):
            told.append(real)
            return x

    kind(Listening(), 0.0)(torch.randn(1, 3, 4), torch.sin, real)
    assert len(told) == 1
    assert told[0] is real


def test_what_comes_out_of_post_norm_is_normed_and_what_comes_out_of_pre_norm_is_not():
    x = 3 + 5 * torch.randn(2, 4, 16)
    post = PostNorm(LayerNorm(16), 0.0)(x, torch.sin)
    torch.testing.assert_close(post.mean(-1), torch.zeros(2, 4), rtol=0, atol=1e-5)
    pre = PreNorm(LayerNorm(16), 0.0)(x, torch.zeros_like)
    assert torch.equal(pre, x)


class Unchanged(nn.Module):
    """No norm at all."""

    def forward(self, x, real=None):
        return x


@pytest.mark.parametrize("kind", [PostNorm, PreNorm])
def test_dropout_falls_on_the_sub_layer_s_output_alone(kind):
    layer = kind(Unchanged(), 0.5)
    x = torch.full((1, 10, 100), 7.0)
    assert set(layer(x, torch.ones_like).unique().tolist()) == {7.0, 9.0}
    assert set(layer.eval()(x, torch.ones_like).unique().tolist()) == {8.0}


def test_without_the_sum_dropout_falls_on_the_same_output():
    layer = NoResidual(Halve(), 0.5)
    x = torch.full((1, 10, 100), 7.0)
    assert set(layer(x, torch.ones_like).unique().tolist()) == {0.0, 1.0}
    assert set(layer.eval()(x, torch.ones_like).unique().tolist()) == {0.5}
