"""Adam and AdamW against their formulas written out, and their state as plain tensors."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from regard.errors import CheckpointError, SettingError
from regard.training.optimizer import Optimizer, RateGroup, Rates, grouped_by_rate, make_optimizer

BETAS, EPSILON = (0.9, 0.98), 1e-9
RATES = (0.1, 0.03, 0.2)
NAMES = ["encoder.blocks.0.weight", "decoder.bias"]


def gradients() -> list[Tensor]:
    generator = torch.Generator().manual_seed(5)
    return [torch.randn(4, generator=generator, dtype=torch.float64) for _ in RATES]


def by_hand(kind: str, weight: Tensor, decay: float, epsilon: float) -> Tensor:
    """Algorithm 1 of Kingma & Ba (2015), a step at a time, with decay in the gradient or (adamw) beside it."""
    mean, square = torch.zeros_like(weight), torch.zeros_like(weight)
    for step, (rate, gradient) in enumerate(zip(RATES, gradients(), strict=True), start=1):
        if kind == "adam":
            gradient = gradient + decay * weight
        else:
            weight = weight - rate * decay * weight
        mean = BETAS[0] * mean + (1 - BETAS[0]) * gradient
        square = BETAS[1] * square + (1 - BETAS[1]) * gradient**2
        unbiased_mean, unbiased_square = mean / (1 - BETAS[0] ** step), square / (1 - BETAS[1] ** step)
        weight = weight - rate * unbiased_mean / (unbiased_square.sqrt() + epsilon)
    return weight


def stepped(optimizer: Optimizer, parameter: nn.Parameter, steps: range) -> None:
    for index in steps:
        parameter.grad = gradients()[index].to(parameter.dtype)
        optimizer.step(RATES[index])


def one_group(*parameters: nn.Parameter) -> RateGroup:
    return RateGroup(1.0, tuple(NAMES[: len(parameters)]), parameters)


@pytest.mark.parametrize("epsilon", [EPSILON, 0.3])
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("kind", ["adam", "adamw"])
def test_three_steps_are_those_of_the_formula(kind, decay, epsilon):
    start = torch.tensor([1.0, -2.0, 0.5, 0.0], dtype=torch.float64)
    parameter = nn.Parameter(start.clone())
    optimizer = make_optimizer(kind, [one_group(parameter)], betas=BETAS, epsilon=epsilon, weight_decay=decay)
    stepped(optimizer, parameter, range(3))
    torch.testing.assert_close(parameter.detach(), by_hand(kind, start, decay, epsilon), rtol=0, atol=1e-12)


def test_the_first_step_of_adam_is_as_long_as_its_rate():
    """m̂ / √v̂ is ±1 at step 1, whatever the gradient's size."""
    parameter = nn.Parameter(torch.zeros(3))
    optimizer = make_optimizer("adam", [one_group(parameter)], betas=BETAS, epsilon=EPSILON, weight_decay=0.0)
    parameter.grad = torch.tensor([1e-3, -7.0, 400.0])
    optimizer.step(0.25)
    torch.testing.assert_close(parameter.detach(), torch.tensor([-0.25, 0.25, -0.25]))


def a_pair() -> tuple[list[nn.Parameter], Optimizer]:
    parameters = [nn.Parameter(torch.ones(4)), nn.Parameter(torch.full((4,), 2.0))]
    return parameters, make_optimizer("adam", [one_group(*parameters)], betas=BETAS, epsilon=EPSILON, weight_decay=0.0)


def test_stopping_and_going_on_is_going_on():
    whole, optimizer = a_pair()
    part, first = a_pair()
    for step in range(3):
        for parameter in whole:
            stepped_gradient(parameter, step)
        optimizer.step(RATES[step])
    for step in range(2):
        for parameter in part:
            stepped_gradient(parameter, step)
        first.step(RATES[step])
    kept = {name: tensor.clone() for name, tensor in first.tensors().items()}
    again, second = a_pair()
    with torch.no_grad():
        for parameter, old in zip(again, part, strict=True):
            parameter.copy_(old)
    second.restore(kept)
    for parameter in again:
        stepped_gradient(parameter, 2)
    second.step(RATES[2])
    assert all(map(torch.equal, whole, again))
    assert second.tensors().keys() == optimizer.tensors().keys()
    for name, tensor in optimizer.tensors().items():
        assert torch.equal(second.tensors()[name], tensor)


def stepped_gradient(parameter: nn.Parameter, step: int) -> None:
    parameter.grad = gradients()[step].float() * parameter.detach()


def test_the_state_has_a_mean_and_a_mean_square_of_every_weight_by_name():
    parameters, optimizer = a_pair()
    for parameter in parameters:
        stepped_gradient(parameter, 0)
    optimizer.step(RATES[0])
    found = optimizer.tensors()
    assert sorted(found) == sorted(f"{name}/{part}" for name in NAMES for part in ("exp_avg", "exp_avg_sq", "step"))
    torch.testing.assert_close(found["decoder.bias/exp_avg"], 0.1 * 2 * gradients()[0].float())


def test_before_the_first_step_there_is_no_state():
    parameters, optimizer = a_pair()
    assert optimizer.tensors() == {}
    optimizer.restore({})
    stepped_gradient(parameters[0], 0)
    optimizer.step(RATES[0])


def test_state_of_an_unknown_weight_is_refused():
    _, optimizer = a_pair()
    expected = (
        r"optimizer state other\.weight/exp_avg: got an unknown weight; expected this model's; "
        r"resume with the checkpoint's own recipe\."
    )
    with pytest.raises(CheckpointError, match=expected):
        optimizer.restore({"other.weight/exp_avg": torch.zeros(4)})


def test_state_that_lacks_a_weight_is_refused():
    """Adam would begin anew with it and go another way without a word."""
    parameters, optimizer = a_pair()
    for parameter in parameters:
        stepped_gradient(parameter, 0)
    optimizer.step(RATES[0])
    kept = optimizer.tensors()
    _, other = a_pair()
    for missing in (["decoder.bias/exp_avg_sq"], [key for key in kept if key.startswith("decoder")]):
        part = {key: tensor for key, tensor in kept.items() if key not in missing}
        expected = "expected the state of every weight that learns; resume with the checkpoint's own"
        with pytest.raises(CheckpointError, match=expected) as caught:
            other.restore(part)
        assert all(key in str(caught.value) for key in missing)
        assert other.tensors() == {}


def test_state_of_another_shape_is_refused():
    parameters, optimizer = a_pair()
    for parameter in parameters:
        stepped_gradient(parameter, 0)
    optimizer.step(RATES[0])
    kept = {**optimizer.tensors(), "decoder.bias/exp_avg": torch.zeros(4, 1)}
    _, other = a_pair()
    expected = r"optimizer state decoder\.bias/exp_avg: got shape \[4, 1\]; expected shape \[4\]; resume with"
    with pytest.raises(CheckpointError, match=expected):
        other.restore(kept)
    assert other.tensors() == {}


# Rates ---------------------------------------------------------------------------------------------------------------


class Blocks(nn.Module):
    """Names as those of a model of three blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Module()
        self.encoder.embed = nn.Linear(2, 2)
        self.encoder.blocks = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
        self.head = nn.Linear(2, 2)


def test_each_block_learns_slower_than_the_one_above():
    """The head at the rate itself, of three blocks the last at ½ of it, the embedding at ½⁴."""
    model = Blocks()
    found = grouped_by_rate(model, dict(model.named_parameters()), Rates(layer_decay=0.5))
    rates = {name: group.factor for group in found for name in group.names}
    assert rates == {
        f"{name}.{part}": rate
        for part in ("weight", "bias")
        for name, rate in {
            "head": 1.0,
            "encoder.blocks.2": 0.5,
            "encoder.blocks.1": 0.25,
            "encoder.blocks.0": 0.125,
            "encoder.embed": 0.0625,
        }.items()
    }
    for group in found:
        assert all(map(lambda one, two: one is two, group.parameters, map(model.get_parameter, group.names)))


def test_what_is_named_learns_more_slowly_on_top_of_that():
    model = Blocks()
    rates = Rates(layer_decay=0.5, slower=("encoder.embed.", "head.w"), slower_factor=0.1)
    found = grouped_by_rate(model, dict(model.named_parameters()), rates)
    factors = {name: group.factor for group in found for name in group.names}
    assert (factors["head.weight"], factors["head.bias"]) == (0.1, 1.0)
    assert (factors["encoder.embed.bias"], factors["encoder.blocks.2.bias"]) == (pytest.approx(0.00625), 0.5)


def test_weights_that_do_not_learn_cannot_learn_more_slowly():
    model = Blocks()
    model.head.requires_grad_(False)
    with pytest.raises(SettingError, match=r"train\.slower: got head\.; expected the beginning"):
        grouped_by_rate(model, dict(model.named_parameters()), Rates(slower=("head.",)))


def test_a_beginning_with_which_no_weight_begins_is_refused():
    model = Blocks()
    told = (
        r"train\.slower: got hed\.; expected the beginning of a weight's name; use beginnings such as encoder\.blocks"
    )
    with pytest.raises(SettingError, match=told):
        grouped_by_rate(model, dict(model.named_parameters()), Rates(slower=("head.", "hed.")))


@pytest.mark.parametrize("kind", ["adam", "adamw", "muon"])
def test_a_group_moves_at_its_factor_times_the_rate(kind):
    """Three steps at half the rates are three steps of a group of factor ½."""
    start = torch.randn(4, 3, generator=torch.Generator().manual_seed(6), dtype=torch.float64)

    def moved(factor: float, rates: tuple[float, ...]) -> Tensor:
        parameter = nn.Parameter(start.clone())
        group = RateGroup(factor, ("encoder.blocks.0.weight",), (parameter,), matrices=kind == "muon")
        optimizer = make_optimizer(kind, [group], betas=BETAS, epsilon=EPSILON, weight_decay=0.1)
        for step, rate in enumerate(rates):
            parameter.grad = torch.outer(gradients()[step], torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64))
            optimizer.step(rate)
        return parameter.detach()

    slow = moved(0.5, RATES)
    torch.testing.assert_close(slow, moved(1.0, tuple(rate / 2 for rate in RATES)), rtol=0, atol=1e-12)
    assert not torch.allclose(slow, moved(1.0, RATES))


def test_without_decay_there_is_one_group_of_what_learns():
    model = Blocks()
    model.encoder.embed.requires_grad_(False)
    (group,) = grouped_by_rate(model, dict(model.named_parameters()), Rates())
    assert group.factor == 1.0
    assert set(group.names) == {name for name, _ in model.named_parameters() if "embed" not in name}


def test_a_model_of_which_nothing_learns_is_refused():
    model = Blocks().requires_grad_(False)
    with pytest.raises(SettingError, match=r"init\.freeze: got every weight; expected some that learn; freeze fewer"):
        grouped_by_rate(model, dict(model.named_parameters()), Rates())
