"""The compiled decoder, or a skipped test where it cannot be."""

from __future__ import annotations

import ctypes

import pytest

from regard.compiling import compiled
from regard.decoding.native.choice import SHARED, SOURCE
from regard.decoding.native.job import typed


@pytest.fixture(scope="session")
def library() -> ctypes.CDLL:
    """The compiled library."""
    found = compiled(SOURCE, shared=SHARED)
    if found.library is None:
        pytest.skip(found.reason)
    return typed(found.library)
