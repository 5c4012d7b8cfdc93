"""Attention has two ways of being computed."""

from __future__ import annotations

import pytest

from regard.layers import attention


@pytest.fixture(params=["plain", "fused"])
def path(request, monkeypatch) -> str:
    """Each of the two ways in which attention is computed, whatever would be faster."""
    monkeypatch.setattr(attention, "fused_is_faster", lambda query: request.param == "fused")
    return request.param
