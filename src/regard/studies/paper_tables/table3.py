"""Table 3 of Vaswani et al. 2017: variations of the base model on newstest2013, perplexity per word piece."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, eq=False)
class Row:
    """What a row changes in the base model, and what the paper measured; None where it prints nothing."""

    name: str
    perplexity: float
    bleu: float
    millions: int | None = None
    model: Mapping[str, Any] = field(default_factory=dict)
    smoothing: float | None = None


BASE = Row(
    "base",
    4.92,
    25.8,
    65,
    MappingProxyType({"layers": 6, "d_model": 512, "d_ff": 2048, "heads": 8, "d_k": 64, "d_v": 64, "dropout": 0.1}),
)
ROWS = (
    Row("A: h 1", 5.29, 24.9, None, {"heads": 1, "d_k": 512, "d_v": 512}),
    Row("A: h 4", 5.00, 25.5, None, {"heads": 4, "d_k": 128, "d_v": 128}),
    Row("A: h 16", 4.91, 25.8, None, {"heads": 16, "d_k": 32, "d_v": 32}),
    Row("A: h 32", 5.01, 25.4, None, {"heads": 32, "d_k": 16, "d_v": 16}),
    Row("B: d_k 16", 5.16, 25.1, 58, {"d_k": 16, "d_v": 64}),
    Row("B: d_k 32", 5.01, 25.4, 60, {"d_k": 32, "d_v": 64}),
    Row("C: N 2", 6.11, 23.7, 36, {"layers": 2}),
    Row("C: N 4", 5.19, 25.3, 50, {"layers": 4}),
    Row("C: N 8", 4.88, 25.5, 80, {"layers": 8}),
    Row("C: d_model 256", 5.75, 24.5, 28, {"d_model": 256, "d_k": 32, "d_v": 32}),
    Row("C: d_model 1024", 4.66, 26.0, 168, {"d_model": 1024, "d_k": 128, "d_v": 128}),
    Row("C: d_ff 1024", 5.12, 25.4, 53, {"d_ff": 1024}),
    Row("C: d_ff 4096", 4.75, 26.2, 90, {"d_ff": 4096}),
    Row("D: dropout 0.0", 5.77, 24.6, None, {"dropout": 0.0}),
    Row("D: dropout 0.2", 4.95, 25.5, None, {"dropout": 0.2}),
    Row("D: smoothing 0.0", 4.67, 25.3, None, {}, 0.0),
    Row("D: smoothing 0.2", 5.47, 25.7, None, {}, 0.2),
    Row("E: learned positions", 4.92, 25.7, None, {"positions": "learned"}),
    Row("big", 4.33, 26.4, 213, {"d_model": 1024, "d_ff": 4096, "heads": 16, "d_k": 64, "d_v": 64, "dropout": 0.3}),
)
