"""Tests of the kernels run where they could be compiled."""

import pytest
import torch

from regard.layers.kernels.library import library


@pytest.fixture(autouse=True)
def compiled_kernels():
    if library() is None:
        pytest.skip("no C++ compiler here")


@pytest.fixture
def any_threads():
    """What a function yields with one thread, and with two, from one seed."""
    before = torch.get_num_threads()

    def run(function):
        found = []
        for count in (1, 2):
            torch.set_num_threads(count)
            torch.manual_seed(5)
            found.append(function())
        return found

    yield run
    torch.set_num_threads(before)
