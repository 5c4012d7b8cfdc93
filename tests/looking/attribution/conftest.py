"""The small models of ``toys``, with weights that make every part matter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.looking.attribution.toys import READING, TRANSLATING


@pytest.fixture
def built() -> Callable[..., Any]:
    """The model of a name, in float64 and with dropout that would show if it were on."""

    def build(name: str, **arguments: Any) -> Any:
        family, config, vocabulary = {**TRANSLATING, **READING}[name]
        torch.manual_seed(3)
        model = family.build(replace(config, dropout=0.4), vocabulary, **arguments).double()
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(torch.randn_like(weight) * 0.2)
        return model

    return build
