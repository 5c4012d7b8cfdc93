"""The norms of feature maps: by hand, against torch, and as a part of the convolution before them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from regard.errors import SettingError
from regard.layers.image_norm import FrozenBatchNorm, ImageBatchNorm, ImageGroupNorm, image_norm

EXACT = {"rtol": 0, "atol": 1e-12}


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def perturbed(norm: nn.Module) -> nn.Module:
    """In float64, with random numbers in it; variances above zero."""
    for tensor in (*norm.double().parameters(), *norm.buffers()):
        nn.init.uniform_(tensor, 0.5, 2.0)
    return norm


def test_frozen_norm_by_hand():
    """Mean 1, variance 4 and ε 0: 5 is two deviations up; twice that and 10 more is 14."""
    norm = FrozenBatchNorm(1, epsilon=0.0)
    for name, value in {"running_mean": 1.0, "running_variance": 4.0, "weight": 2.0, "bias": 10.0}.items():
        getattr(norm, name).fill_(value)
    assert norm(torch.tensor([[[[5.0, 1.0]]]])).tolist() == [[[[14.0, 10.0]]]]


def test_frozen_norm_s_epsilon_is_that_of_the_published_models():
    """Variance 3e-5 and ε 1e-5 make 4e-5: 0.02 is √10 ≈ 3.16 deviations."""
    norm = FrozenBatchNorm(1)
    norm.running_variance.fill_(3e-5)
    assert norm(torch.full((1, 1, 1, 1), 0.02)).item() == pytest.approx(10**0.5, rel=1e-6)


def test_nothing_of_a_frozen_norm_learns_and_all_of_it_is_saved():
    norm = FrozenBatchNorm(3)
    assert not list(norm.parameters())
    assert set(norm.state_dict()) == {"weight", "bias", "running_mean", "running_variance"}
    x = drawn(2, 3, 4, 4).float()
    before = {name: one.clone() for name, one in norm.state_dict().items()}
    norm.train()(x)
    assert all(torch.equal(one, before[name]) for name, one in norm.state_dict().items())


def torchs(norm: ImageBatchNorm) -> nn.BatchNorm2d:
    theirs = nn.BatchNorm2d(len(norm.weight), norm.epsilon, norm.momentum, dtype=torch.float64)
    with torch.no_grad():
        theirs.weight.copy_(norm.weight)
        theirs.bias.copy_(norm.bias)
        theirs.running_mean.copy_(norm.running_mean)
        theirs.running_var.copy_(norm.running_variance)
    return theirs


def test_batch_norm_is_torchs_in_training_and_in_evaluation():
    norm = perturbed(ImageBatchNorm(3))
    theirs = torchs(norm)
    for _ in range(2):
        x = drawn(2, 3, 4, 5)
        torch.testing.assert_close(norm(x), theirs(x), **EXACT)
    torch.testing.assert_close(norm.running_mean, theirs.running_mean, **EXACT)
    torch.testing.assert_close(norm.running_variance, theirs.running_var, **EXACT)
    x = drawn(2, 3, 4, 5)
    torch.testing.assert_close(norm.eval()(x), theirs.eval()(x), **EXACT)


def test_group_norm_is_torchs():
    norm = perturbed(ImageGroupNorm(6, 2))
    theirs = nn.GroupNorm(2, 6, dtype=torch.float64)
    theirs.load_state_dict(norm.state_dict())
    x = drawn(2, 6, 4, 5)
    torch.testing.assert_close(norm(x), theirs(x), **EXACT)


def test_an_image_s_group_norm_does_not_depend_on_the_batch():
    norm, x = perturbed(ImageGroupNorm(6, 2)), drawn(3, 6, 4, 4)
    torch.testing.assert_close(norm(x)[1:2], norm(x[1:2]), **EXACT)


@pytest.mark.parametrize("norm", [FrozenBatchNorm(3), ImageBatchNorm(3).eval()])
def test_a_fixed_norm_is_a_scale_and_a_shift(norm):
    norm, x = perturbed(norm), drawn(2, 3, 4, 4)
    scale, shift = norm.fixed()
    torch.testing.assert_close(x * scale[:, None, None] + shift[:, None, None], norm(x), **EXACT)


def test_a_norm_of_the_batch_or_the_image_is_none():
    assert ImageBatchNorm(3).train().fixed() is None
    assert ImageGroupNorm(4, 2).eval().fixed() is None


@pytest.mark.parametrize("kind", ["frozen", "batch", "group"])
def test_a_map_in_bfloat16_stays_so_and_statistics_stay_wide(kind):
    norm = image_norm(kind, 16)
    x = torch.randn(2, 16, 4, 4)
    wanted = image_norm(kind, 16)(x)
    for weight in norm.parameters():
        weight.data = weight.data.bfloat16()
    found = norm(x.bfloat16())
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), wanted, rtol=0.02, atol=0.02)
    assert {one.dtype for one in norm.buffers()} <= {torch.float32}


def test_an_unknown_norm_and_groups_that_do_not_fit_are_named():
    with pytest.raises(
        SettingError, match=r"norm: got 'layer'; expected a norm of feature maps, frozen, batch, group;"
    ):
        image_norm("layer", 4)
    with pytest.raises(SettingError, match=r"norm_groups: got 4 with d_model 6; expected a divisor of d_model"):
        ImageGroupNorm(6, 4)
