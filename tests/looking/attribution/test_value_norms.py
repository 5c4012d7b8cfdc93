"""What an attention hands on, beside what it puts out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.looking.attribution.toys import READ, READING, TRANSLATING, WRITTEN
from torch import Tensor

from regard.layers.multihead import MultiHeadAttention
from regard.looking.attribution.value_norms import norms_of, value_norms, weighed
from regard.looking.look import STACKS
from regard.models.convolutional import ROOT_HALF, MultiStepAttention


def outputs(model: Any, modules: list[Any], run: Callable[[], object]) -> dict[int, list[tuple[Any, Tensor]]]:
    """First argument and output of every call, by the module's ``id``."""
    calls: dict[int, list[tuple[Any, Tensor]]] = {id(module): [] for module in modules}
    hooks = [
        module.register_forward_hook(lambda one, given, out: calls[id(one)].append((given[0], out)))
        for module in {id(module): module for module in modules}.values()
    ]
    run()
    for hook in hooks:
        hook.remove()
    return calls


def rest(module: Any, x: Tensor) -> Tensor:
    """What a layer's output has beside what it gathered."""
    if isinstance(module, MultiHeadAttention):
        return torch.zeros(1).double() if module.output.bias is None else module.output.bias
    if isinstance(module, MultiStepAttention):
        return (x + module.output.bias) * ROOT_HALF
    return torch.zeros(1).double()


@pytest.mark.parametrize("name", [*TRANSLATING, *READING])
def test_weights_times_vectors_are_what_the_layer_puts_out(name: str, built: Callable[..., Any]):
    model = built(name)
    layers = 0
    for stack in STACKS:
        modules = list(model.attentions().get(stack, ()))
        written = WRITTEN if name in TRANSLATING else ()
        found: list[tuple[Tensor, Tensor]] = []
        calls = outputs(model, modules, lambda: found.extend(weighed(model, READ, written, stack)))  # noqa: B023
        for number, (module, (weights, vectors)) in enumerate(zip(modules, found, strict=True)):
            mine = calls[id(module)]
            if len(mine) == modules.count(module):
                x, out = mine[modules[:number].count(module)]
            else:  # a recurrence looks once a token
                x, out = (torch.cat(parts, 1) for parts in zip(*mine, strict=True))
            gathered = torch.einsum("hts,hsd->td", weights, vectors)
            torch.testing.assert_close(gathered + rest(module, x[0]), out[0], rtol=0, atol=1e-12)
            layers += 1
    assert layers


def test_the_norm_is_of_the_sum_over_heads():
    weights = torch.tensor([[[0.5, 0.5]], [[0.25, 0.75]]])  # [2 heads, 1, 2]
    vectors = torch.tensor([[[6.0, 0.0], [2.0, 0.0]], [[0.0, 16.0], [-4 / 3, 0.0]]])
    # s = 0: (3, 0) + (0, 4) = (3, 4); s = 1: (1, 0) + (−1, 0) = (0, 0)
    torch.testing.assert_close(norms_of(weights, vectors), torch.tensor([[5.0, 0.0]]))


def test_a_vector_twice_as_long_counts_twice(built: Callable[..., Any]):
    model = built("transformer")
    before = value_norms(model, READ, WRITTEN)
    assert tuple(before.shape) == (2, len(WRITTEN), len(READ))
    with torch.no_grad():
        for attention in model.attentions()["cross"][-1:]:
            attention.output.weight *= 2
    after = value_norms(model, READ, WRITTEN)
    torch.testing.assert_close(after, before * torch.tensor([1, 2])[:, None, None], rtol=1e-12, atol=0)


def test_without_attention_there_are_no_norms(built: Callable[..., Any]):
    assert not value_norms(built("convs2s"), READ, WRITTEN, "encoder").numel()


def test_nothing_is_left_behind(built: Callable[..., Any]):
    model = built("transformer").train()
    value_norms(model, READ, WRITTEN)
    modules = [module for module in model.modules() if isinstance(module, MultiHeadAttention)]
    assert {module.recorder for module in modules} == {None}
    assert not any(module._forward_pre_hooks for module in modules)
    assert model.training


def test_an_unknown_attention_is_refused(built: Callable[..., Any]):
    from regard.looking.attribution.value_norms import _handed_on

    with pytest.raises(TypeError, match="no attention that is known here: Linear"):
        _handed_on(torch.nn.Linear(1, 1), torch.zeros(1, 1, 1))
