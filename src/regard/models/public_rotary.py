"""Rotary positions in a public ``config.json``: where transformers 4 wrote them, and where transformers 5 does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regard.errors import CheckpointError
from regard.layers.rotary import FrequencyScaling

_PLAIN: Mapping[str, Any] = {"rope_type": "default"}


def rotary_facts(base: float, scaling: FrequencyScaling | None) -> dict[str, Any]:
    """What ``config.json`` says of them, under the keys of both."""
    rope: Mapping[str, Any] = _PLAIN
    if scaling is not None:
        rope = {
            "rope_type": "llama3",
            "factor": scaling.factor,
            "low_freq_factor": scaling.low,
            "high_freq_factor": scaling.high,
            "original_max_position_embeddings": scaling.original,
        }
    return {
        "rope_parameters": {**rope, "rope_theta": base},
        "rope_scaling": None if scaling is None else dict(rope),
        "rope_theta": base,
    }


def read_rotary(table: Mapping[str, Any], base: float = 10000.0) -> tuple[float, FrequencyScaling | None]:
    """The base, ``base`` where none is named, and the scaling. Raises CheckpointError for a scaling of another kind."""
    rope = {**(table.get("rope_scaling") or {}), **(table.get("rope_parameters") or {})}
    base = float(rope.get("rope_theta", table.get("rope_theta", base)))
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind == "default":
        return base, None
    if kind != "llama3":
        raise CheckpointError.because("rope_type", repr(kind), "default or llama3", "open another model")
    low, high = float(rope["low_freq_factor"]), float(rope["high_freq_factor"])
    original = rope.get("original_max_position_embeddings") or table["max_position_embeddings"]
    return base, FrequencyScaling(float(rope["factor"]), low, high, int(original))
