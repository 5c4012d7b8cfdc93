"""Input × gradient, beside differences of the model itself and a model whose derivatives are known."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.looking.attribution.toys import READ, READING, TRANSLATING, WRITTEN
from torch import Tensor, nn

from regard.looking.attribution import gradients
from regard.looking.attribution.gradients import class_times_gradient, input_times_gradient, shares
from regard.models.heads import Head
from regard.tasks.text_to_text import shift_right

STEP = 1e-5


def stretched(model: Any, place: int, factor: float, run: Callable[[], Tensor]) -> Tensor:
    """What ``run`` gives while the vector of the token read at ``place`` is ``factor`` times as long."""
    reader = model.encoder if hasattr(model, "encoder") else model.stack
    calls = []

    def stretch(module: nn.Module, given: Any, vectors: Tensor) -> Tensor:
        calls.append(vectors)
        if len(calls) > 1:  # the decoder's, from the same table
            return vectors
        factors = torch.ones(len(READ), 1, dtype=vectors.dtype)
        factors[place] = factor
        return vectors * factors

    hook = reader.embed.tokens.register_forward_hook(stretch)
    with torch.no_grad():
        found = run()
    hook.remove()
    return found


def by_differences(model: Any, run: Callable[[], Tensor]) -> Tensor:
    """(y(e_s (1 + ε)) − y(e_s (1 − ε))) / 2ε, a column each s."""
    columns = [
        (stretched(model, place, 1 + STEP, run) - stretched(model, place, 1 - STEP, run)) / (2 * STEP)
        for place in range(len(READ))
    ]
    return torch.stack(columns, -1)


def log_probabilities(model: Any, wanted: list[int]) -> Tensor:
    """[T], a sentence by itself."""
    read, labels = torch.tensor([READ]), torch.tensor([wanted])
    states = model(read, shift_right(labels, model.start)) if hasattr(model, "decoder") else model(read)
    return model.logits(states).log_softmax(-1)[0].gather(1, labels[0, :, None])[:, 0]


@pytest.mark.parametrize("name", TRANSLATING)
def test_it_is_the_derivative_by_the_length_of_each_vector(name: str, built: Callable[..., Any]):
    model = built(name)
    found = input_times_gradient(model, READ, WRITTEN)
    expected = by_differences(model.eval(), lambda: log_probabilities(model, WRITTEN))
    assert float(expected.abs().max()) > 0.01
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_of_a_language_model_it_is_of_the_next_token_and_sees_no_future(name: str, built: Callable[..., Any]):
    model = built(name).eval()
    found = input_times_gradient(model, READ)
    assert not found.triu(1).any()
    last = int(model.logits(model(torch.tensor([READ])))[0, -1].argmax())
    expected = by_differences(model, lambda: log_probabilities(model, [*READ[1:], last]))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", ["bert", "albert"])
def test_of_an_encoder_it_is_of_each_token_itself(name: str, built: Callable[..., Any]):
    model = built(name).eval()
    expected = by_differences(model, lambda: log_probabilities(model, READ))
    torch.testing.assert_close(input_times_gradient(model, READ), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", READING)
def test_of_a_classifier_there_is_a_row_each_class(name: str, built: Callable[..., Any]):
    model = built(name, head=Head("classification", ("a", "b", "c"))).eval()
    expected = by_differences(model, lambda: model.classify(torch.tensor([READ]))[0])
    assert expected.shape == (3, len(READ))
    torch.testing.assert_close(class_times_gradient(model, READ), expected, rtol=1e-6, atol=1e-8)


class Linear(nn.Module):
    """Logits Σ_s e_s W: what a token speaks for is its own row of E W."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(4, 2)
        self.tokens.weight.data = torch.tensor([[0.0, 1.0], [2.0, 0.0], [-1.0, 3.0], [0.5, 0.5]])
        self.map = torch.tensor([[1.0, -1.0], [2.0, 0.0]])
        self.encoder = SimpleNamespace(embed=SimpleNamespace(tokens=self.tokens))

    def classify(self, ids: Tensor) -> Tensor:
        return self.tokens(ids).sum(1) @ self.map


def test_of_a_linear_model_it_is_exactly_what_each_token_adds():
    found = class_times_gradient(Linear(), [1, 2, 0])
    # E W: (0, 1) → (2, 0); (2, 0) → (2, −2); (−1, 3) → (5, 1)
    assert found.tolist() == [[2.0, 5.0, 2.0], [-2.0, 1.0, 0.0]]


def test_frozen_weights_and_training_mode_change_nothing(built: Callable[..., Any]):
    model = built("convs2s").train()
    before = input_times_gradient(model, READ, WRITTEN)
    assert model.training
    assert {weight.grad for weight in model.parameters()} == {None}
    after = input_times_gradient(model.requires_grad_(False), READ, WRITTEN)
    assert torch.equal(before, after)
    assert not any(module._forward_hooks for module in model.modules())


def test_a_row_at_a_time_is_the_same(built: Callable[..., Any], monkeypatch: pytest.MonkeyPatch):
    model = built("rnn, additive")
    together = input_times_gradient(model, READ, WRITTEN)
    monkeypatch.setattr(gradients, "ROW_TOKENS", 1)
    torch.testing.assert_close(input_times_gradient(model, READ, WRITTEN), together, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["transformer", "t5", "convs2s"])
def test_float32_is_near(name: str, built: Callable[..., Any]):
    model = built(name)
    exact = input_times_gradient(model, READ, WRITTEN)
    found = input_times_gradient(model.float(), READ, WRITTEN)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), exact, rtol=1e-3, atol=1e-4)


def test_shares_are_of_the_sizes():
    signed = torch.tensor([[3.0, -1.0], [0.0, 0.0]])
    assert shares(signed).tolist() == [[0.75, 0.25], [0.5, 0.5]]
