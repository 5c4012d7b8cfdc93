"""The shapes in signatures are checked while the tests run."""

import pytest
import torch
from jaxtyping import TypeCheckError

from regard.layers.attention import attention, masked_softmax


def test_a_wrong_number_of_axes_is_refused() -> None:
    with pytest.raises(TypeCheckError):
        masked_softmax(torch.zeros(2, 3), None)


def test_two_tensors_that_disagree_about_an_axis_are_refused() -> None:
    query, key, value = torch.zeros(1, 2, 3, 4), torch.zeros(1, 2, 5, 4), torch.zeros(1, 2, 6, 4)
    with pytest.raises(TypeCheckError):
        attention(query, key, value)


def test_a_wrong_type_of_number_is_refused() -> None:
    with pytest.raises(TypeCheckError):
        masked_softmax(torch.zeros(1, 2, 3, 4, dtype=torch.long), None)
