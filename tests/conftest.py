"""For every test: shapes are checked, arithmetic is on one thread, and chance starts from the same seed."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from beartype import beartype
from beartype.roar import BeartypeDecorHintPep3119Exception
from hypothesis import settings
from jaxtyping import install_import_hook

SHAPED = ("layers", "models", "families", "tasks", "training", "decoding")


def _check(function):  # INTERIM, until every Protocol in these packages is @runtime_checkable: then "beartype.beartype"
    try:
        return beartype(function)
    except BeartypeDecorHintPep3119Exception:
        return function


sys.modules["shape_checker"] = SimpleNamespace(check=_check)  # type: ignore[assignment]

# From here on, whatever these packages define checks its arguments and results against its annotations.
install_import_hook([f"regard.{package}" for package in SHAPED], "shape_checker.check")
torch.set_num_threads(1)

# The same examples at every run, and no clock: a busy machine is no failure.
settings.register_profile("house", derandomize=True, deadline=None)
settings.load_profile("house")


@pytest.fixture(autouse=True)
def same_chance() -> Iterator[None]:
    """Seed what a test draws from, and give back the defaults that it may have changed."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    dtype = torch.get_default_dtype()
    yield
    torch.set_default_dtype(dtype)
